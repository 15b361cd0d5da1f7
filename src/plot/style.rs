//! The common look of all plots: page, colours, text, axes and number formats.

use std::ops::Range;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::figure::Figure;
pub(crate) use crate::support::progress::thousands;

/// A part of the page, in pixels from its own upper left corner.
pub(crate) type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// A part of the page with a pair of axes.
pub(crate) type Chart<'c, 'a> = ChartContext<'c, SVGBackend<'a>, Cartesian2d<Scale, Scale>>;

/// Size of an ordinary plot in pixels.
pub(crate) const WIDTH: u32 = 720;
pub(crate) const HEIGHT: u32 = 420;
/// Space between the page's edge and the title, in pixels.
pub(crate) const MARGIN: i32 = 20;

// Each pair differs in lightness too, so colour-blind readers and grey
// printers tell them apart.
pub(crate) const MALE: RGBColor = RGBColor(58, 110, 165);
pub(crate) const FEMALE: RGBColor = RGBColor(230, 145, 70);
pub(crate) const TRAIN: RGBColor = RGBColor(132, 160, 190);
pub(crate) const VALIDATION: RGBColor = RGBColor(160, 40, 105);
pub(crate) const BEFORE: RGBColor = RGBColor(160, 171, 182);
pub(crate) const ACCENT: RGBColor = RGBColor(44, 132, 122);
pub(crate) const FAINT: RGBColor = RGBColor(196, 204, 211);
pub(crate) const INK: RGBColor = RGBColor(33, 41, 49);
pub(crate) const SOFT_INK: RGBColor = RGBColor(92, 103, 114);
pub(crate) const GRID: RGBColor = RGBColor(230, 234, 238);
pub(crate) const AXIS: RGBColor = RGBColor(150, 160, 170);

/// How much wider bold text is.
const BOLD: f64 = 1.1;
/// Font sizes in pixels.
pub(crate) const TITLE: f64 = 18.0;
pub(crate) const NOTE: f64 = 13.0;
pub(crate) const AXIS_TITLE: f64 = 13.5;
pub(crate) const TICK: f64 = 12.5;

/// plotters divides font sizes by this when it writes the SVG.
const FONT_FACTOR: f64 = 1.24;

/// A font of `size` pixels, anchored at the given side of the text.
pub(crate) fn text(size: f64, color: RGBColor, h: HPos, v: VPos) -> TextStyle<'static> {
    styled(FontStyle::Normal, size, color, Pos::new(h, v))
}

/// The same in bold (the browser's; the PNG font has one weight).
pub(crate) fn bold(size: f64, color: RGBColor, h: HPos, v: VPos) -> TextStyle<'static> {
    styled(FontStyle::Bold, size, color, Pos::new(h, v))
}

fn styled(style: FontStyle, size: f64, color: RGBColor, pos: Pos) -> TextStyle<'static> {
    TextStyle {
        font: ("sans-serif", size * FONT_FACTOR, style).into_font(),
        color: color.to_backend_color(),
        pos,
    }
}

/// Draws a page with a title and a note (both one line) and leaves the rest
/// to `paint`.
pub(crate) fn page(
    width: u32,
    height: u32,
    title: &str,
    note: &str,
    paint: impl FnOnce(&Canvas<'_>) -> Result<()>,
) -> Result<Figure> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
        root.fill(&WHITE)?;
        let room = f64::from(width) - 2.0 * f64::from(MARGIN);
        let (line, size) = fit(title, TITLE, 13.0, room / BOLD);
        root.draw_text(
            &line,
            &bold(size, INK, HPos::Left, VPos::Center),
            (MARGIN, 25),
        )?;
        let (line, size) = fit(note, NOTE, 10.5, room);
        if !line.is_empty() {
            root.draw_text(
                &line,
                &text(size, SOFT_INK, HPos::Left, VPos::Center),
                (MARGIN, 47),
            )?;
        }
        let (_, body) = root.split_vertically(header(note));
        paint(&body)?;
        root.present()?;
    }
    // Lets the figure shrink in a narrow notebook, and names it to screen readers.
    let attributes = format!(
        "<svg style=\"max-width:100%;height:auto\" role=\"img\" aria-label=\"{}\" ",
        escape(title)
    );
    let svg = svg.replacen("<svg ", &attributes, 1);
    // A control character in a label would make the document malformed.
    let svg = svg.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}");
    Ok(Figure::new(svg, width, height))
}

/// Height of the page's title and note in pixels.
pub(crate) fn header(note: &str) -> i32 {
    if note.is_empty() { 44 } else { 62 }
}

/// Width in pixels of a page that shows title and note in full; those of more
/// than a usual line get no more room.
pub(crate) fn title_width(title: &str, note: &str) -> i32 {
    let words = text_width(title, TITLE * BOLD).max(text_width(note, NOTE));
    2 * MARGIN + words.ceil().min(820.0) as i32
}

/// One axis: its title, the values it spans and the values that get a label.
pub(crate) struct Axis {
    pub(crate) title: String,
    pub(crate) range: Range<f64>,
    pub(crate) ticks: Vec<f64>,
    pub(crate) format: Box<dyn Fn(f64) -> String>,
    /// Whether light lines continue the ticks over the plot.
    pub(crate) grid: bool,
}

impl Axis {
    /// Spans `low` to `high` with about `count` round ticks.
    pub(crate) fn new(title: &str, low: f64, high: f64, count: usize) -> Self {
        let ticks = ticks(low, high, count);
        let step = match ticks[..] {
            [first, second, ..] => second - first,
            _ => high - low,
        };
        Self {
            title: title.to_string(),
            range: low..high,
            ticks,
            format: Box::new(move |value| decimal(value, decimals(step))),
            grid: true,
        }
    }

    /// Counts from 0 to at least `most`, ending at a tick.
    pub(crate) fn counts(title: &str, most: u64, count: usize) -> Self {
        let step = nice_step(most.max(1) as f64, count).max(1.0);
        let high = (most.max(1) as f64 / step).ceil() * step;
        let steps = (high / step).round() as u64;
        Self {
            title: title.to_string(),
            range: 0.0..high,
            ticks: (0..=steps).map(|i| i as f64 * step).collect(),
            format: Box::new(|value| thousands(value.round().max(0.0) as usize)),
            grid: true,
        }
    }

    /// Named places at 0, 1, 2 ...
    pub(crate) fn names(title: &str, names: Vec<String>) -> Self {
        Self {
            title: title.to_string(),
            range: -0.5..names.len() as f64 - 0.5,
            ticks: (0..names.len()).map(|i| i as f64).collect(),
            format: Box::new(move |value| {
                names
                    .get(value.round().max(0.0) as usize)
                    .cloned()
                    .unwrap_or_default()
            }),
            grid: false,
        }
    }

    fn scale(&self) -> Scale {
        Scale {
            range: self.range.clone(),
            ticks: self.ticks.clone(),
        }
    }

    /// Width of the widest label in pixels.
    fn label_width(&self) -> f64 {
        self.ticks
            .iter()
            .map(|&tick| text_width(&(self.format)(tick), TICK))
            .fold(0.0, f64::max)
    }
}

/// A linear coordinate with exactly the ticks of an [`Axis`].
pub(crate) struct Scale {
    range: Range<f64>,
    ticks: Vec<f64>,
}

impl Ranged for Scale {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (value - self.range.start) / (self.range.end - self.range.start);
        from + (f64::from(to - from) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // plotters asks once for unlabelled lines, which there are none of.
        if hint.weight().allow_light_points() {
            Vec::new()
        } else {
            self.ticks.clone()
        }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

/// Draws a pair of axes that fills `area`; `right` pixels stay free beside it.
pub(crate) fn axes<'c, 'a>(
    area: &'c Canvas<'a>,
    x: &Axis,
    y: &Axis,
    right: i32,
) -> Result<Chart<'c, 'a>> {
    let title = if y.title.is_empty() { 0 } else { 28 };
    axes_at(area, x, y, y.label_width() as i32 + 14 + title, right)
}

/// Like [`axes`], with `left` pixels for the labels of the y axis.
pub(crate) fn axes_at<'c, 'a>(
    area: &'c Canvas<'a>,
    x: &Axis,
    y: &Axis,
    left: i32,
    right: i32,
) -> Result<Chart<'c, 'a>> {
    let mut chart = ChartBuilder::on(area)
        .margin_top(8)
        .margin_bottom(12)
        .margin_left(if y.title.is_empty() { MARGIN } else { 14 })
        .margin_right(right)
        .x_label_area_size(if x.title.is_empty() { 26 } else { 48 })
        .y_label_area_size(left)
        .build_cartesian_2d(x.scale(), y.scale())?;
    let x_format = |value: &f64| (x.format)(*value);
    let y_format = |value: &f64| (y.format)(*value);
    let mut mesh = chart.configure_mesh();
    if !x.grid {
        mesh.disable_x_mesh();
    }
    if !y.grid {
        mesh.disable_y_mesh();
    }
    mesh.light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(AXIS)
        .set_all_tick_mark_size(4)
        .label_style(text(TICK, SOFT_INK, HPos::Center, VPos::Center))
        .axis_desc_style(text(AXIS_TITLE, INK, HPos::Center, VPos::Center))
        .x_label_formatter(&x_format)
        .y_label_formatter(&y_format)
        .x_desc(x.title.as_str())
        .y_desc(y.title.as_str())
        .draw()?;
    Ok(chart)
}

/// Writes on a chart at a value's place plus an offset in pixels, on a white
/// ground that keeps the grid out of the letters.
pub(crate) fn write(
    chart: &Chart<'_, '_>,
    at: (f64, f64),
    offset: (i32, i32),
    words: &str,
    style: TextStyle<'static>,
) -> Result<()> {
    let (x, y) = offset;
    let size = style.font.get_size() / FONT_FACTOR;
    let (width, height) = (text_width(words, size) as i32, size as i32);
    let left = match style.pos.h_pos {
        HPos::Left => x,
        HPos::Center => x - width / 2,
        HPos::Right => x - width,
    };
    let top = match style.pos.v_pos {
        VPos::Top => y,
        VPos::Center => y - height / 2 - 1,
        VPos::Bottom => y - height,
    };
    let ground = Rectangle::new([(left, top), (left + width, top + height)], WHITE.filled());
    chart
        .plotting_area()
        .draw(&(EmptyElement::at(at) + ground + Text::new(words.to_string(), offset, style)))?;
    Ok(())
}

/// Draws a row of coloured squares with names, ending at `right`.
pub(crate) fn legend(
    area: &Canvas<'_>,
    right: i32,
    y: i32,
    entries: &[(&str, RGBColor)],
) -> Result<()> {
    let mut x = right;
    for (name, color) in entries.iter().rev() {
        x -= text_width(name, NOTE).ceil() as i32;
        area.draw_text(name, &text(NOTE, INK, HPos::Left, VPos::Center), (x, y))?;
        x -= 18;
        // Centred on the capitals, which reach above the text's own centre.
        let square = [(x, y - 7), (x + 11, y + 4)];
        area.draw(&Rectangle::new(square, color.filled()))?;
        x -= 20;
    }
    Ok(())
}

/// About `count` round values within `low..=high`.
pub(crate) fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let step = nice_step(high - low, count);
    let first = (low / step - 1e-9).ceil();
    let last = (high / step + 1e-9).floor();
    if !(last - first).is_finite() || last < first {
        return vec![low];
    }
    // Whole multiples, so that no rounding error adds up.
    (0..=(last - first) as usize)
        .map(|i| (first + i as f64) * step)
        .collect()
}

/// The step of 1, 2 or 5 times a power of ten that cuts `span` into about
/// `count` parts.
pub(crate) fn nice_step(span: f64, count: usize) -> f64 {
    let raw = span.abs().max(f64::MIN_POSITIVE) / count.max(1) as f64;
    let power = 10f64.powf(raw.log10().floor());
    let step = match raw / power {
        mantissa if mantissa < 1.5 => power,
        mantissa if mantissa < 3.5 => 2.0 * power,
        mantissa if mantissa < 7.5 => 5.0 * power,
        _ => 10.0 * power,
    };
    if step > 0.0 { step } else { 1.0 }
}

/// The smallest range around the finite `values` with some air; `None` without
/// any finite value.
pub(crate) fn limits(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    if low > high {
        return None;
    }
    let span = high - low;
    let air = if span > 0.0 {
        0.06 * span
    } else {
        0.1 * low.abs().max(0.1)
    };
    Some((low - air, high + air))
}

/// Digits after the point that tell apart values `step` apart.
pub(crate) fn decimals(step: f64) -> usize {
    if step > 0.0 && step < 1.0 {
        (-step.log10() - 1e-9).ceil().clamp(0.0, 6.0) as usize
    } else {
        0
    }
}

/// A number with a fixed count of digits after the point and no "-0".
pub(crate) fn decimal(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| c == '0' || c == '.') => rest.to_string(),
        _ => text,
    }
}

/// A share of 0 to 1 as "12.3%".
pub(crate) fn percent(share: f64, digits: usize) -> String {
    format!("{}%", decimal(100.0 * share, digits))
}

/// Estimated width in pixels of `text` in a sans-serif font of `size` pixels.
///
/// The browser chooses the font, so there is only an estimate; it fits the wide
/// DejaVu Sans, so that labels do not collide in others either.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
    let ems: f64 = text
        .chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.31,
            ' ' | 'f' | 't' | 'r' | 'I' | '(' | ')' | '[' | ']' | '-' | '/' => 0.39,
            'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.95,
            'A'..='Z' => 0.71,
            c if c.is_ascii() => 0.62,
            _ => 0.9,
        })
        .sum();
    ems * size
}

/// Shrinks the font down to `smallest` pixels, then cuts the text, until it
/// fits into `room` pixels. Returns the text and its size.
pub(crate) fn fit(text: &str, size: f64, smallest: f64, room: f64) -> (String, f64) {
    let width = text_width(text, size);
    if width <= room {
        return (text.to_string(), size);
    }
    let shrunk = size * room / width;
    if shrunk >= smallest {
        return (text.to_string(), shrunk);
    }
    let mut kept: Vec<char> = text.chars().collect();
    while kept.pop().is_some() {
        let cut: String = kept.iter().collect::<String>().trim_end().to_string() + "...";
        if text_width(&cut, smallest) <= room {
            return (cut, smallest);
        }
    }
    (String::new(), smallest)
}

/// Text as it may stand in XML and HTML, also within quotes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML knows no other control characters.
            c if c.is_control() && !matches!(c, '\n' | '\t' | '\r') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(23_708), "23,708");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(percent(0.1234, 1), "12.3%");
        assert_eq!(decimal(-0.0001, 2), "0.00");
        assert_eq!(decimal(-0.5, 1), "-0.5");
        assert_eq!(decimals(0.05), 2);
        assert_eq!(decimals(0.1), 1);
        assert_eq!(decimals(20.0), 0);
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 100.0, 5), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(ticks(0.93, 0.93, 5).len(), 1);
        let ticks = ticks(0.81, 0.97, 5);
        assert!(ticks.len() >= 4 && ticks[0] >= 0.81 && ticks[ticks.len() - 1] <= 0.97);
        let axis = Axis::counts("Pictures", 1_037, 5);
        assert!(axis.range.end >= 1_037.0 && axis.ticks.last() == Some(&axis.range.end));
    }

    #[test]
    fn limits_ignore_what_is_not_finite() {
        assert_eq!(limits([f64::NAN, f64::INFINITY].into_iter()), None);
        let (low, high) = limits([1.0, f64::NAN, 3.0].into_iter()).unwrap();
        assert!(low < 1.0 && low > 0.8 && high > 3.0 && high < 3.2);
        let (low, high) = limits([2.0].into_iter()).unwrap();
        assert!(low < 2.0 && high > 2.0);
    }

    #[test]
    fn long_text_shrinks_then_is_cut() {
        assert_eq!(fit("short", 18.0, 12.0, 300.0), ("short".to_string(), 18.0));
        let (kept, size) = fit(&"word ".repeat(50), 18.0, 12.0, 300.0);
        assert!(kept.ends_with("...") && size == 12.0);
        assert!(text_width(&kept, size) <= 300.0);
    }

    #[test]
    fn escaping_covers_markup_and_control_characters() {
        assert_eq!(escape("<a & \"b'>"), "&lt;a &amp; &quot;b&#39;&gt;");
        assert_eq!(escape("\u{0}"), "\u{fffd}");
    }
}
