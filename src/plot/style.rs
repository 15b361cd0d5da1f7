//! The common look of all plots: page, colors, text, axes and number formats.

use std::ops::Range;

use anyhow::Result;
use indicatif::HumanCount;
use plotters::coord::Shift;
use plotters::coord::ranged1d::BoldPoints;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// An area of the page, in pixels from its own upper left corner.
pub(crate) type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// An area of the page with a pair of axes.
pub(crate) type Chart<'a> =
    ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Width of an ordinary plot and height below its title, in pixels.
pub(crate) const WIDTH: i32 = 720;
pub(crate) const HEIGHT: i32 = 360;
/// Space between the page's edge and its contents, in pixels.
pub(crate) const MARGIN: i32 = 20;

// Each pair differs in lightness too, for color-blind readers and grayscale printers.
pub(crate) const MALE: RGBColor = RGBColor(58, 110, 165);
pub(crate) const FEMALE: RGBColor = RGBColor(230, 145, 70);
pub(crate) const TRAIN: RGBColor = RGBColor(132, 160, 190);
pub(crate) const VALIDATION: RGBColor = RGBColor(160, 40, 105);
pub(crate) const ACCENT: RGBColor = RGBColor(44, 132, 122);
pub(crate) const FAINT: RGBColor = RGBColor(160, 171, 182);
pub(crate) const INK: RGBColor = RGBColor(33, 41, 49);
pub(crate) const SOFT_INK: RGBColor = RGBColor(92, 103, 114);
pub(crate) const GRID: RGBColor = RGBColor(230, 234, 238);

pub(super) const TITLE: f64 = 18.0;
/// Size of all text except titles, in pixels.
pub(crate) const TEXT: f64 = 13.0;

/// A font of `size` pixels, anchored at the given side and vertically centered.
pub(crate) fn text(size: f64, color: RGBColor, h: HPos) -> TextStyle<'static> {
    // plotters divides font sizes by 1.24 when it writes the SVG.
    let font = ("sans-serif", 1.24 * size).into_font().color(&color);
    font.pos(Pos::new(h, VPos::Center))
}

/// The same in bold (the browser's; the PNG font has one weight).
pub(crate) fn bold(size: f64, color: RGBColor, h: HPos) -> TextStyle<'static> {
    let style = text(size, color, h);
    TextStyle { font: style.font.style(FontStyle::Bold), ..style }
}

/// Height of the page's title and note in pixels.
pub(crate) fn header(note: &str) -> i32 {
    44 + 18 * note.lines().count() as i32
}

/// One axis: its title, the values it spans and how they are labeled.
pub(crate) struct Axis {
    pub(crate) title: String,
    pub(crate) range: Range<f64>,
    /// Maximum number of labeled values.
    pub(crate) count: usize,
    pub(crate) format: Box<dyn Fn(f64) -> String>,
    /// Whether light lines continue the ticks over the plot.
    pub(crate) grid: bool,
    /// Width of the widest label in pixels.
    pub(crate) room: i32,
}

impl Axis {
    fn of(
        title: &str,
        range: Range<f64>,
        count: usize,
        format: impl Fn(f64) -> String + 'static,
    ) -> Self {
        let ticks = ticks(&range, count);
        let widths = ticks.iter().map(|&tick| text_width(&format(tick), TEXT));
        Self {
            title: title.to_string(),
            room: widths.fold(0.0, f64::max) as i32,
            range,
            count,
            format: Box::new(format),
            grid: true,
        }
    }

    /// An axis with at most `count` round values.
    pub(crate) fn new(title: &str, range: Range<f64>, count: usize) -> Self {
        let ticks = ticks(&range, count);
        let digits = decimals(ticks.get(1).map_or(0.0, |tick| tick - ticks[0]));
        Self::of(title, range, count, move |value| decimal(value, digits))
    }

    /// An axis of whole numbers, such as counts.
    pub(crate) fn whole(title: &str, range: Range<f64>, count: usize) -> Self {
        let count = count.min(1 + (range.end - range.start) as usize);
        let format = |value| HumanCount(value as u64).to_string();
        Self::of(title, range, count, format)
    }

    /// An axis with names at 0, 1, 2 ...
    pub(crate) fn names(title: &str, names: Vec<String>) -> Self {
        let (count, range) = (names.len(), -0.5..names.len() as f64 - 0.5);
        let format = move |value: f64| names.get(value as usize).cloned().unwrap_or_default();
        Self { grid: false, ..Self::of(title, range, count, format) }
    }

    /// Reverses a vertical axis of names, so that it starts at the top.
    pub(crate) fn reversed(self) -> Self {
        Self { range: self.range.end..self.range.start, ..self }
    }

    /// Width in pixels of the labels and title on the left of a plot, margin included.
    pub(crate) fn left(&self) -> i32 {
        MARGIN + self.room + if self.title.is_empty() { 12 } else { 34 }
    }
}

/// Draws a pair of axes that fills `area`; `right` pixels on the right stay free.
pub(crate) fn chart<'a>(area: &Canvas<'a>, x: &Axis, y: &Axis, right: i32) -> Result<Chart<'a>> {
    let mut chart = ChartBuilder::on(area)
        .margin_top(8)
        .margin_bottom(if x.title.is_empty() { 0 } else { 12 })
        .margin_left(MARGIN)
        .margin_right(right)
        .x_label_area_size(if x.title.is_empty() { 26 } else { 46 })
        .y_label_area_size(y.left() - MARGIN)
        .build_cartesian_2d(x.range.clone(), y.range.clone())?;
    let mut mesh = chart.configure_mesh();
    if !x.grid {
        mesh.disable_x_mesh();
    }
    if !y.grid {
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
        .x_label_formatter(&|value| (x.format)(*value))
        .y_label_formatter(&|value| (y.format)(*value))
        .x_desc(&x.title)
        .y_desc(&y.title)
        .draw()?;
    Ok(chart)
}

/// Writes text on a chart, at a value's position plus an offset in pixels.
pub(crate) fn write(
    chart: &Chart<'_>,
    at: (f64, f64),
    offset: (i32, i32),
    words: &str,
    style: TextStyle<'static>,
) -> Result<()> {
    let words = Text::new(words.to_string(), offset, style);
    chart.plotting_area().draw(&(EmptyElement::at(at) + words))?;
    Ok(())
}

/// At most `count` round values within the range.
pub(crate) fn ticks(range: &Range<f64>, count: usize) -> Vec<f64> {
    RangedCoordf64::from(range.clone()).key_points(BoldPoints(count))
}

/// The smallest range around the finite `values`, with a margin; `None` without finite values.
pub(crate) fn limits(values: impl Iterator<Item = f64>) -> Option<Range<f64>> {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .map(|value| (value, value))
        .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
    let air = match high - low {
        0.0 => 0.1 * low.abs().max(0.1),
        span => 0.06 * span,
    };
    Some(low - air..high + air)
}

/// Digits after the decimal point that distinguish values `step` apart.
pub(crate) fn decimals(step: f64) -> usize {
    if step > 0.0 { (-step.log10() - 1e-9).ceil().clamp(0.0, 6.0) as usize } else { 0 }
}

/// Formats a number with `digits` after the decimal point, without "-0".
pub(crate) fn decimal(value: f64, digits: usize) -> String {
    let unit = 10f64.powi(digits as i32);
    // Adding 0 turns -0 into 0.
    format!("{:.digits$}", (value * unit).round() / unit + 0.0)
}

/// A share of 0 to 1 as "12.3%".
pub(crate) fn percent(share: f64, digits: usize) -> String {
    format!("{}%", decimal(100.0 * share, digits))
}

/// "1 image", "23,708 images".
pub(crate) fn counted(count: usize, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {what}{s}", HumanCount(count as u64))
}

/// Estimated width in pixels. The browser chooses the font; the estimate fits the wide DejaVu Sans,
/// so that labels do not collide in other fonts either.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
    0.62 * size * text.chars().count() as f64
}

/// Font size, at most `size` pixels, at which the text fits into `room`.
pub(crate) fn shrunk(text: &str, size: f64, room: f64) -> f64 {
    size.min(size * room / text_width(text, size).max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(counted(1, "image"), "1 image");
        assert_eq!(counted(23_708, "image"), "23,708 images");
        assert_eq!(percent(0.1234, 1), "12.3%");
        assert_eq!(decimal(-0.0001, 2), "0.00");
        assert_eq!(decimal(-0.5, 1), "-0.5");
        assert_eq!([0.05, 0.1, 20.0, 0.0].map(decimals), [2, 1, 0, 0]);
        let axis = Axis::whole("Images", 0.0..1.06, 6);
        assert_eq!(ticks(&axis.range, axis.count), [0.0, 1.0], "half an image");
        for names in [1, 2, 3, 12, 101] {
            let axis = Axis::names("", vec![String::new(); names]);
            assert_eq!(ticks(&axis.range, axis.count).len(), names);
        }
    }

    #[test]
    fn limits_ignore_what_is_not_finite() {
        assert_eq!(limits([f64::NAN, f64::INFINITY].into_iter()), None);
        let range = limits([1.0, f64::NAN, 3.0].into_iter()).unwrap();
        assert!(range.start < 1.0 && range.start > 0.8 && range.end > 3.0 && range.end < 3.2);
        assert!(!limits([2.0].into_iter()).unwrap().is_empty());
    }

    #[test]
    fn long_text_shrinks() {
        assert_eq!(shrunk("short", 18.0, 300.0), 18.0);
        let long = "word ".repeat(20);
        assert!(text_width(&long, shrunk(&long, 18.0, 300.0)) < 300.1);
    }
}
