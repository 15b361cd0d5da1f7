//! Axes: what they span, their ticks, and the space they take.

use std::ops::Range;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use crate::format::tick_texts;
use crate::stats::ticks;
use crate::style::{FAINT, GRID, INK, MARGIN, SOFT_INK, TEXT, lines, text, text_width};

/// An area of the page, in pixels from its own upper left corner.
pub(crate) type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// An area of the page with a pair of axes.
pub(crate) type Plot<'a> =
    ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Labels of names wider than this many pixels are broken into lines.
const LABEL: f64 = 270.0;
/// Upright names end after as many pixels.
const UPRIGHT: i32 = 150;

#[derive(Clone)]
pub(crate) struct Axis {
    pub(crate) title: String,
    pub(crate) range: Range<f64>,
    /// Names at 0, 1, 2 ...
    pub(crate) names: Option<Vec<String>>,
    /// Maximum number of ticks.
    pub(crate) count: usize,
    /// Whether another panel's axis says the same.
    pub(crate) bare: bool,
    /// Pixels for labels, if more than these take.
    pub(crate) room: i32,
}

impl Axis {
    /// An axis of numbers, if `whole` with ticks at whole ones only.
    pub(crate) fn numbers(title: String, range: Range<f64>, count: usize, whole: bool) -> Self {
        let most = 1 + (range.end - range.start).abs().min(1e6) as usize;
        let count = if whole { count.min(most) } else { count };
        Self { title, range, names: None, count, bare: false, room: 0 }
    }

    pub(crate) fn names(title: String, names: Vec<String>) -> Self {
        let (count, range) = (names.len(), -0.5..names.len() as f64 - 0.5);
        Self { title, range, names: Some(names), count, bare: false, room: 0 }
    }

    /// Places and texts of the ticks.
    pub(crate) fn ticks(&self) -> (Vec<f64>, Vec<String>) {
        let places = ticks(&self.range, self.count);
        let texts = match &self.names {
            _ if self.bare => vec![String::new(); places.len()],
            Some(_) => vec![String::new(); places.len()],
            None => tick_texts(&places),
        };
        (places, texts)
    }

    /// The names, each in lines.
    pub(crate) fn label_lines(&self) -> Vec<Vec<String>> {
        let names = self.names.iter().flatten().filter(|_| !self.bare);
        names.map(|name| lines(name, TEXT, LABEL)).collect()
    }

    /// Width of the widest label in pixels.
    pub(crate) fn widest(&self) -> i32 {
        let (names, ticks) = (self.label_lines(), self.ticks().1);
        let texts = names.iter().flatten().chain(&ticks);
        let widths = texts.map(|text| text_width(text, TEXT));
        widths.fold(f64::from(self.room), f64::max).ceil() as i32
    }

    /// Pixels on the left of a plot, margin included.
    pub(crate) fn left(&self) -> i32 {
        MARGIN + self.widest() + if self.title.is_empty() { 12 } else { 32 }
    }

    /// Pixels below a plot whose names have `slot` pixels each, and whether they stand upright.
    pub(crate) fn below(&self, slot: f64) -> (i32, bool) {
        let upright = self.names.is_some() && f64::from(self.widest()) + 6.0 > slot;
        let labels = if upright { self.widest().min(UPRIGHT) + 14 } else { 26 };
        (labels + if self.title.is_empty() { 4 } else { 24 }, upright)
    }
}

/// Draws a pair of axes that fills `area`; `right` pixels on the right stay free.
pub(crate) fn frame<'a>(area: &Canvas<'a>, x: &Axis, y: &Axis, right: i32) -> Result<Plot<'a>> {
    let width = area.dim_in_pixel().0 as i32 - y.left() - right;
    let slot = f64::from(width) / x.count.max(1) as f64;
    let (below, upright) = x.below(slot);
    let mut plot = ChartBuilder::on(area)
        .margin_top(8)
        .margin_left(MARGIN)
        .margin_right(right)
        .margin_bottom(4)
        .x_label_area_size(below - 4)
        .y_label_area_size(y.left() - MARGIN)
        .build_cartesian_2d(x.range.clone(), y.range.clone())?;
    let write = |axis: &Axis| {
        let (places, texts) = axis.ticks();
        move |value: &f64| {
            let place = places.iter().position(|place| place == value);
            place.map_or(String::new(), |place| texts[place].clone())
        }
    };
    let mut mesh = plot.configure_mesh();
    if x.names.is_some() {
        mesh.disable_x_mesh();
    }
    if y.names.is_some() {
        mesh.disable_y_mesh();
    }
    mesh.light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(FAINT)
        .set_all_tick_mark_size(4)
        .label_style(text(TEXT, SOFT_INK, HPos::Center))
        .axis_desc_style(text(TEXT, INK, HPos::Center))
        .x_labels(x.count)
        .y_labels(y.count)
        .x_label_formatter(&write(x))
        .y_label_formatter(&write(y))
        .x_desc(&x.title)
        .y_desc(&y.title)
        .draw()?;
    for (i, lines) in x.label_lines().into_iter().enumerate() {
        let at = (i as f64, y.range.start);
        let mut words = lines.join(" ");
        if upright {
            while text_width(&words, TEXT) > f64::from(UPRIGHT) {
                words = words.chars().take(words.chars().count() - 2).collect::<String>() + "…";
            }
            let style = text(TEXT, SOFT_INK, HPos::Right).transform(FontTransform::Rotate270);
            write_at(&plot, at, (0, 10), &words, style)?;
        } else {
            write_at(&plot, at, (0, 16), &words, text(TEXT, SOFT_INK, HPos::Center))?;
        }
    }
    for (i, lines) in y.label_lines().into_iter().enumerate() {
        for (line, words) in lines.iter().enumerate() {
            let down = 16 * line as i32 - 8 * (lines.len() as i32 - 1);
            let style = text(TEXT, SOFT_INK, HPos::Right);
            write_at(&plot, (x.range.start, i as f64), (-10, down), words, style)?;
        }
    }
    Ok(plot)
}

/// Writes text on a plot, at a value's position plus an offset in pixels.
pub(crate) fn write_at(
    plot: &Plot<'_>,
    at: (f64, f64),
    offset: (i32, i32),
    words: &str,
    style: TextStyle<'static>,
) -> Result<()> {
    let words = Text::new(words.to_string(), offset, style);
    plot.plotting_area().draw(&(EmptyElement::at(at) + words))?;
    Ok(())
}
