//! Bar charts of named values.

use anyhow::{Result, ensure};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::figure::Figure;
use super::figure::page;
use super::style::{
    ACCENT, Axis, INK, MARGIN, TEXT, WIDTH, chart, counted, decimal, decimals, text, text_width,
    ticks, write,
};

/// Horizontal bar chart, one bar per row in the given order: for example the images by race.
///
/// `axis` names the values and their unit; bars start at 0.
///
/// # Errors
/// No rows, or a value that is not finite.
///
/// ```
/// use ror::prelude::*;
///
/// # fn main() -> anyhow::Result<()> {
/// let rows = [("White".to_string(), 10_078.0), ("Black".to_string(), 4_526.0)];
/// let figure = plot::bars("Images by race", "Images", &rows)?;
/// assert!(figure.svg().contains("10078"));
/// # Ok(())
/// # }
/// ```
pub fn bars(title: &str, axis: &str, rows: &[(String, f64)]) -> Result<Figure> {
    ensure!(!rows.is_empty(), "there are no bars to show");
    for (name, value) in rows {
        ensure!(value.is_finite(), "{name:?} has a value that is not finite: {value}");
    }
    let values = || rows.iter().map(|(_, value)| *value);
    let (low, high) = (values().fold(0.0, f64::min), values().fold(0.0, f64::max));
    let span = if high > low { high - low } else { 1.0 };
    // Room for the numbers beside the bars.
    let air = |end: f64| if end == 0.0 { 0.0 } else { 0.14 * span };
    let range = low - air(low)..high + air(high).max(0.02 * span);
    let x = Axis::new(axis, range, 7);
    let whole = values().all(|value| value.fract() == 0.0);
    let step = ticks(&(0.0..span), 4);
    let digits = if whole { 0 } else { decimals(step.get(1).copied().unwrap_or(1.0)) + 1 };
    let names: Vec<String> = rows.iter().map(|(name, _)| name.clone()).collect();
    let widest = names.iter().map(|name| text_width(name, TEXT)).fold(0.0, f64::max) as i32;
    let mut y = Axis::names("", vec![String::new(); rows.len()]).reversed();
    y.room = widest;
    let (width, height) = (WIDTH.max(y.left() + 300), 30 * rows.len() as i32 + 66);
    page((width, height), title, &counted(rows.len(), "row"), |body| {
        let chart = chart(body, &x, &y, 2 * MARGIN)?;
        let left = x.range.start;
        for (i, (name, value)) in rows.iter().enumerate() {
            let at = i as f64;
            let corners = [(value.min(0.0), at - 0.32), (value.max(0.0), at + 0.32)];
            chart.plotting_area().draw(&Rectangle::new(corners, ACCENT.filled()))?;
            write(&chart, (left, at), (-12, 0), name, text(TEXT, INK, HPos::Right))?;
            let (side, offset) = if *value < 0.0 { (HPos::Right, -6) } else { (HPos::Left, 6) };
            let number = decimal(*value, digits);
            write(&chart, (*value, at), (offset, 0), &number, text(TEXT, INK, side))?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_value_is_there() {
        let rows = [("<a>".to_string(), 2.5), ("b".to_string(), -1.2), ("none".to_string(), 0.0)];
        let svg = bars("Rows", "Years", &rows).unwrap().svg().to_owned();
        for words in ["&lt;a&gt;", ">\n2.5", ">\n-1.2", ">\nnone\n<", "3 rows", "Years"] {
            assert!(svg.contains(words), "{words} in {svg}");
        }
        assert!(bars("None", "x", &[]).is_err());
        let nan = bars("NaN", "x", &[("a".to_string(), f64::NAN)]).unwrap_err();
        assert!(nan.to_string().contains("\"a\""));
        assert!(bars("Zeros", "x", &[("a".to_string(), 0.0)]).is_ok());
    }
}
