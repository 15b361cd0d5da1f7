//! Where the parts of a chart's figure go: panels, axes and the legend.

use anyhow::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use crate::axis::{Axis, Canvas, Plot, frame, write_at};
use crate::chart::{Chart, Mark};
use crate::encoded::Encoded;
use crate::figure::{Figure, page};
use crate::shapes::{Kind, Place, Shape, draw, extent, font_size, rule};
use crate::style::{HEIGHT, INK, MARGIN, SOFT_INK, TEXT, WIDTH, bold, text, text_width};

/// Height of a panel's heading in pixels.
const HEADING: i32 = 24;
/// More dots than this are merged with their neighbors: a figure stays small.
const DOTS: usize = 5_000;

/// A part of the figure with its own axes.
pub(crate) struct Panel {
    pub(crate) heading: String,
    pub(crate) shapes: Vec<Shape>,
}

impl Panel {
    /// Draws shapes and lines for comparison; what goes on top is added to `more`.
    fn draw(
        &self,
        look: &Chart,
        plot: &Plot<'_>,
        x: &Axis,
        y: &Axis,
        dots: usize,
        more: &mut String,
    ) -> Result<()> {
        let (from, to) = (&x.range, &y.range);
        if self.shapes.is_empty() {
            let middle = ((from.start + from.end) / 2.0, (to.start + to.end) / 2.0);
            write_at(plot, middle, (0, 0), "no values", text(TEXT, SOFT_INK, HPos::Center))?;
        }
        let wide = f64::from(plot.plotting_area().dim_in_pixel().0);
        let font = font_size(&self.shapes, from.end - from.start, wide);
        for shape in &self.shapes {
            draw(plot, shape, font, dots, more)?;
        }
        if look.diagonal {
            let (low, high) = (from.start.max(to.start), from.end.min(to.end));
            *more += &rule(plot, (low, low), (high, high));
        }
        // Values on both sides are compared with 0.
        let zero =
            y.names.is_some() && x.names.is_none() && -from.start > 0.06 * (from.end - from.start);
        for at in look.vertical.into_iter().chain(zero.then_some(0.0)) {
            if from.contains(&at) {
                *more += &rule(plot, (at, to.start), (at, to.end));
            }
        }
        Ok(())
    }
}

/// Where everything goes.
pub(crate) struct Layout {
    /// Axes of each panel.
    axes: Vec<(Axis, Axis)>,
    columns: usize,
    /// Width and height between the axes of a panel, in pixels.
    plot: (i32, i32),
    /// Free pixels on the right of each plot.
    right: i32,
    /// Height of a panel's heading.
    heading: i32,
    legend: Vec<(String, RGBColor)>,
}

impl Layout {
    pub(crate) fn new(
        look: &Chart,
        encoded: &[Encoded],
        names: &[Vec<String>; 3],
        panels: &[Panel],
        legend: Vec<(String, RGBColor)>,
    ) -> Self {
        let columns = look.columns.unwrap_or(if panels.len() == 4 { 2 } else { 3 });
        let columns = columns.clamp(1, panels.len());
        let all = || panels.iter().flat_map(|panel| &panel.shapes);
        let widest = |place: Place| {
            let words = all().filter_map(|shape| match &shape.kind {
                Kind::Text(words, at) if *at == place => Some(words),
                _ => None,
            });
            words.map(|words| text_width(words, TEXT) as i32).max().unwrap_or(0)
        };
        let right = match (widest(Place::Right), columns) {
            (0, 1) => MARGIN + 10,
            (0, _) => 14,
            (words, _) => words + 2 * MARGIN,
        };
        let above =
            all().any(|s| matches!(s.kind, Kind::Text(_, Place::Above(_))) && !encoded[0].lies());
        let axis = |at: usize, of: &[Panel], count: usize| {
            let title = look.labels[at].clone().unwrap_or_else(|| encoded[0].title(at));
            if !names[at].is_empty() {
                let mut axis = Axis::names(title, names[at].clone());
                if at == 1 {
                    // The first name is at the top.
                    axis.range = axis.range.end..axis.range.start;
                }
                return axis;
            }
            let ranges = of.iter().filter_map(|panel| extent(&panel.shapes, at == 1));
            let found = ranges.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end));
            let mut range = found.unwrap_or(0.0..1.0);
            range.end += if at == 1 && above { 0.06 * (range.end - range.start) } else { 0.0 };
            let range = look.ranges[at].clone().unwrap_or(range);
            Axis::numbers(title, range, count, encoded[0].is_whole(at))
        };
        let rows = panels.len().div_ceil(columns);
        let mut y: Vec<Axis> = (0..panels.len())
            .map(|i| {
                let of = if look.free_y { &panels[i..=i] } else { panels };
                let mut y = axis(1, of, if rows > 1 { 5 } else { 8 });
                if i % columns > 0 {
                    // Titles are said once per row and column.
                    y.title.clear();
                    y.bare = !look.free_y;
                }
                y
            })
            .collect();
        let room = y.iter().map(Axis::widest).max().unwrap_or(0);
        y.iter_mut().filter(|y| !y.bare).for_each(|y| y.room = room);
        let lefts: i32 = y[..columns].iter().map(Axis::left).sum();
        let (wide, high) = look.size.map_or((WIDTH, 0), |(w, h)| (w as i32, h as i32));
        let heading = if look.facet.is_some() { HEADING } else { 0 };
        let mut layout = Self { axes: vec![], columns, plot: (0, 0), right, heading, legend };
        let free = wide - layout.beside() - lefts - right * columns as i32;
        layout.plot.0 = free.max(40 * columns as i32) / columns as i32;
        let cell = |names: &Vec<String>| (520 / names.len() as i32).clamp(40, 96);
        let heat = encoded[0].mark == Mark::HeatMap && !names[0].is_empty() && !names[1].is_empty();
        if heat && look.size.is_none() {
            layout.plot.0 = cell(&names[0]) * names[0].len() as i32;
        }
        let mut x = axis(0, panels, 2 + layout.plot.0 as usize / 70);
        let words = widest(Place::Beside);
        if words > 0 && look.ranges[0].is_none() {
            // Room for the words at the ends of bars.
            let part = f64::from(words + 12) / f64::from(layout.plot.0);
            let room = (x.range.end - x.range.start) * (1.0 / (1.0 - part.min(0.6)) - 1.0);
            x.range.end += room;
            x.range.start -= if x.range.start < 0.0 { room } else { 0.0 };
        }
        for (i, y) in y.into_iter().enumerate() {
            let below = i + columns < panels.len();
            let title = if below { String::new() } else { x.title.clone() };
            layout.axes.push((Axis { title, ..x.clone() }, y));
        }
        let lines = layout.axes[0].1.label_lines().iter().map(Vec::len).max().unwrap_or(1) as i32;
        // Bars of different colors have room beside each other.
        let dodged = encoded.iter().filter(|layer| layer.may_dodge());
        let beside = dodged.map(|layer| layer.colors.len() as i32).max().unwrap_or(1);
        let around: i32 = (0..rows).map(|row| layout.height(row * columns)).sum();
        layout.plot.1 = match names[1].len() as i32 {
            _ if high > 0 => (high - around).max(40 * rows as i32) / rows as i32,
            n if heat => n * if look.tall_cells { cell(&names[1]) } else { 40 },
            n if n > 0 => n * (16 * lines + 8).max(30).max(17 * beside + 8),
            _ if panels.len() == 1 => HEIGHT - around,
            _ => 150,
        };
        layout
    }

    /// Pixels that the legend takes.
    fn beside(&self) -> i32 {
        let widths = self.legend.iter().map(|(name, _)| text_width(name, TEXT) as i32 + 36);
        widths.max().unwrap_or(0)
    }

    /// Pixels that a panel takes from top to bottom.
    fn height(&self, panel: usize) -> i32 {
        let x = &self.axes[panel].0;
        let slot = f64::from(self.plot.0) / x.count.max(1) as f64;
        self.heading + 8 + self.plot.1 + x.below(slot).0
    }

    pub(crate) fn draw(&self, look: &Chart, note: &str, panels: &[Panel]) -> Result<Figure> {
        let lefts: Vec<i32> = self.axes[..self.columns].iter().map(|axes| axes.1.left()).collect();
        let rows = panels.len().div_ceil(self.columns);
        let wide = lefts.iter().sum::<i32>() + (self.plot.0 + self.right) * self.columns as i32;
        let high = (0..rows).map(|row| self.height(row * self.columns)).sum();
        let mut more = String::new();
        let figure = page((wide + self.beside(), high), &look.title, note, |body| {
            let (mut left, mut top) = (0, 0);
            for (i, (panel, (x, y))) in panels.iter().zip(&self.axes).enumerate() {
                let size = (lefts[i % self.columns] + self.plot.0 + self.right, self.height(i));
                let area = body.clone().shrink((left, top), size);
                let style = bold(TEXT, INK, HPos::Left);
                area.draw_text(&panel.heading, &style, (y.left(), HEADING / 2))?;
                let plot = frame(&area.split_vertically(self.heading).1, x, y, self.right)?;
                panel.draw(look, &plot, x, y, DOTS / panels.len(), &mut more)?;
                left += size.0;
                if (i + 1) % self.columns == 0 {
                    (left, top) = (0, top + self.height(i + 1 - self.columns));
                }
            }
            self.draw_legend(body, (wide, self.heading))
        })?;
        Ok(figure.with_elements(&more))
    }

    fn draw_legend(&self, body: &Canvas<'_>, (left, top): (i32, i32)) -> Result<()> {
        for (i, (name, color)) in self.legend.iter().enumerate() {
            let y = top + 20 + 22 * i as i32;
            let corners = [(left, y - 6), (left + 12, y + 6)];
            body.draw(&Rectangle::new(corners, color.filled()))?;
            body.draw_text(name, &text(TEXT, INK, HPos::Left), (left + 20, y))?;
        }
        Ok(())
    }
}
