//! A grid of coloured cells: what a confusion matrix and a score map share.

use anyhow::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::figure::Figure;
use super::style::{
    AXIS, AXIS_TITLE, FAINT, INK, MARGIN, SOFT_INK, TICK, bold, fit, header, page, text,
    text_width, title_width,
};

/// Light to dark; lightness falls evenly, so grey printers keep the order.
const SCALE: [RGBColor; 6] = [
    RGBColor(247, 250, 253),
    RGBColor(214, 229, 242),
    RGBColor(163, 202, 228),
    RGBColor(94, 156, 204),
    RGBColor(38, 101, 166),
    RGBColor(10, 48, 102),
];
/// Labels longer than this many pixels are cut.
const LONGEST: f64 = 150.0;

/// One cell: its place on the colour scale from 0 to 1, and its lines of text.
pub(super) struct Cell {
    pub(super) level: f64,
    pub(super) lines: Vec<String>,
    /// Whether the text stands back, as for an empty cell.
    pub(super) faint: bool,
}

/// What to draw.
pub(super) struct HeatMap<'a> {
    pub(super) title: &'a str,
    pub(super) note: &'a str,
    pub(super) x_title: &'a str,
    pub(super) x: &'a [String],
    pub(super) y_title: &'a str,
    pub(super) y: &'a [String],
    /// Rows of cells from the top; `None` is hatched.
    pub(super) cells: &'a [Vec<Option<Cell>>],
    /// Width and height of a cell in pixels.
    pub(super) size: (i32, i32),
    /// Row and column of the cell to outline.
    pub(super) best: Option<(usize, usize)>,
    /// What the colours stand for, and the labels at the low end, the middle
    /// and the high end of the scale.
    pub(super) scale: (&'a str, [String; 3]),
}

impl HeatMap<'_> {
    pub(super) fn draw(&self) -> Result<Figure> {
        let (cell_width, cell_height) = self.size;
        let longest = |labels: &[String]| {
            labels
                .iter()
                .map(|label| text_width(label, TICK))
                .fold(0.0, f64::max)
                .min(LONGEST)
        };
        // Column labels stand upright when they are wider than their column.
        let x_width = longest(self.x);
        let upright = x_width > f64::from(cell_width) - 4.0;
        let below = if upright { x_width as i32 + 10 } else { 22 };
        let left = MARGIN + 24 + longest(self.y) as i32 + 10;
        let (grid_width, grid_height) = (
            cell_width * self.x.len() as i32,
            cell_height * self.y.len() as i32,
        );
        let scale_labels = longest(&self.scale.1);
        let scale_width = 24 + 14 + 8 + scale_labels as i32 + 28;
        let wanted = left + grid_width + scale_width + 8;
        let width = wanted.max(title_width(self.title, self.note));
        let top = 8;
        let height = header(self.note) + top + grid_height + below + 36;

        page(width as u32, height as u32, self.title, self.note, |body| {
            let font = self.font_size();
            for (row, cells) in self.cells.iter().enumerate() {
                for (column, cell) in cells.iter().enumerate() {
                    let x = left + column as i32 * cell_width;
                    let y = top + row as i32 * cell_height;
                    let corners = [(x, y), (x + cell_width - 1, y + cell_height - 1)];
                    match cell {
                        Some(cell) => {
                            let fill = color(cell.level);
                            body.draw(&Rectangle::new(corners, fill.filled()))?;
                            if let Some(size) = font {
                                let ink = if cell.faint { AXIS } else { ink_on(fill) };
                                let step = 1.2 * size;
                                let first = f64::from(y) + f64::from(cell_height) / 2.0
                                    - step * (cell.lines.len() as f64 - 1.0) / 2.0;
                                for (i, line) in cell.lines.iter().enumerate() {
                                    let at = (x + cell_width / 2, (first + i as f64 * step) as i32);
                                    let style = text(size, ink, HPos::Center, VPos::Center);
                                    body.draw_text(line, &style, at)?;
                                }
                            }
                        }
                        None => hatch(body, corners)?,
                    }
                }
            }
            body.draw(&Rectangle::new(
                [
                    (left - 1, top - 1),
                    (left + grid_width - 1, top + grid_height - 1),
                ],
                AXIS,
            ))?;
            if let Some((row, column)) = self.best {
                let x = left + column as i32 * cell_width;
                let y = top + row as i32 * cell_height;
                let orange = RGBColor(226, 120, 30);
                // A path, because plotters ignores the width of a rectangle's line.
                let (right, bottom) = (x + cell_width - 1, y + cell_height - 1);
                let around = vec![(x, y), (right, y), (right, bottom), (x, bottom), (x, y - 2)];
                body.draw(&PathElement::new(around, orange.stroke_width(4)))?;
            }

            for (row, label) in self.y.iter().enumerate() {
                let y = top + row as i32 * cell_height + cell_height / 2;
                let (label, size) = fit(label, TICK, TICK, LONGEST);
                let style = text(size, SOFT_INK, HPos::Right, VPos::Center);
                body.draw_text(&label, &style, (left - 9, y))?;
            }
            for (column, label) in self.x.iter().enumerate() {
                let x = left + column as i32 * cell_width + cell_width / 2;
                let (label, size) = fit(label, TICK, TICK, LONGEST);
                if upright {
                    let style = text(size, SOFT_INK, HPos::Right, VPos::Center)
                        .transform(FontTransform::Rotate270);
                    body.draw_text(&label, &style, (x, top + grid_height + 8))?;
                } else {
                    let style = text(size, SOFT_INK, HPos::Center, VPos::Center);
                    body.draw_text(&label, &style, (x, top + grid_height + 14))?;
                }
            }
            let axis_title = bold(AXIS_TITLE, INK, HPos::Center, VPos::Center);
            let bottom = top + grid_height + below + 12;
            body.draw_text(self.x_title, &axis_title, (left + grid_width / 2, bottom))?;
            body.draw_text(
                self.y_title,
                &axis_title.transform(FontTransform::Rotate270),
                (MARGIN + 8, top + grid_height / 2),
            )?;

            // The colour scale.
            let x = left + grid_width + 24;
            let strips = grid_height.min(260);
            for strip in 0..strips {
                let level = 1.0 - f64::from(strip) / f64::from((strips - 1).max(1));
                let y = top + strip;
                body.draw(&Rectangle::new(
                    [(x, y), (x + 14, y + 1)],
                    color(level).filled(),
                ))?;
            }
            body.draw(&Rectangle::new(
                [(x - 1, top - 1), (x + 14, top + strips)],
                AXIS,
            ))?;
            let (name, labels) = &self.scale;
            for (i, label) in labels.iter().enumerate() {
                // Keep the end labels inside the scale, and skip the middle one
                // where it would touch them.
                if label.is_empty() || (i == 1 && strips < 54) {
                    continue;
                }
                let y = top + 5 + (strips - 10) * (2 - i as i32) / 2;
                let style = text(TICK, SOFT_INK, HPos::Left, VPos::Center);
                body.draw_text(label, &style, (x + 22, y))?;
            }
            let style =
                text(TICK, INK, HPos::Center, VPos::Center).transform(FontTransform::Rotate270);
            let room = f64::from(grid_height + 30);
            let (name, _) = fit(name, TICK, TICK, room);
            let at = (x + 22 + scale_labels as i32 + 14, top + strips / 2);
            body.draw_text(&name, &style, at)?;
            Ok(())
        })
    }

    /// The largest font that fits all cells; `None` if that would be too small
    /// to read.
    fn font_size(&self) -> Option<f64> {
        let cells = self.cells.iter().flatten().flatten();
        let (width, lines) = cells.fold((0.1f64, 1), |(width, lines), cell| {
            let widest = cell.lines.iter().map(|line| text_width(line, 1.0));
            (widest.fold(width, f64::max), lines.max(cell.lines.len()))
        });
        let size = (f64::from(self.size.0 - 4) / width)
            .min(f64::from(self.size.1 - 4) / (1.2 * lines as f64))
            .min(14.0);
        (size >= 5.0).then_some(size)
    }
}

/// A grey cell with stripes: nothing was measured here.
fn hatch(body: &super::style::Canvas<'_>, corners: [(i32, i32); 2]) -> Result<()> {
    let [(left, top), (right, bottom)] = corners;
    body.draw(&Rectangle::new(corners, RGBColor(240, 242, 244).filled()))?;
    let height = bottom - top;
    let mut start = left - height;
    while start < right {
        // The stripe rises from (start, bottom) to (start + height, top), cut
        // at the sides of the cell.
        let from = (start.max(left), bottom - (left - start).max(0));
        let over = (start + height - right).max(0);
        let to = (start + height - over, top + over);
        body.draw(&PathElement::new(vec![from, to], FAINT))?;
        start += 8;
    }
    Ok(())
}

/// The colour of a level from 0 to 1.
fn color(level: f64) -> RGBColor {
    let place = level.clamp(0.0, 1.0) * (SCALE.len() - 1) as f64;
    let below = (place.floor() as usize).min(SCALE.len() - 2);
    let share = place - below as f64;
    let (from, to) = (SCALE[below], SCALE[below + 1]);
    let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * share).round() as u8;
    RGBColor(mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}

/// White text on fills dark enough for it, black on the others: on middling
/// blue, white reads better than its contrast ratio says.
fn ink_on(fill: RGBColor) -> RGBColor {
    if contrast(fill, WHITE) >= 3.8 {
        WHITE
    } else {
        BLACK
    }
}

/// The contrast ratio of the web accessibility guidelines, 1 to 21.
fn contrast(a: RGBColor, b: RGBColor) -> f64 {
    let luminance = |color: RGBColor| {
        let linear = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(color.0) + 0.7152 * linear(color.1) + 0.0722 * linear(color.2)
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_readable_on_every_color() {
        for i in 0..=100 {
            let fill = color(f64::from(i) / 100.0);
            assert!(contrast(fill, ink_on(fill)) >= 3.8, "level {i}%");
        }
        assert_eq!(ink_on(color(0.0)), BLACK);
        assert_eq!(ink_on(color(1.0)), WHITE);
    }

    #[test]
    fn scale_darkens_throughout() {
        let steps: Vec<f64> = (0..=20)
            .map(|i| contrast(color(f64::from(i) / 20.0), WHITE))
            .collect();
        assert!(steps.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
