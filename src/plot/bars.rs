//! Class probabilities of one picture.

use anyhow::{Result, ensure};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::figure::Figure;
use super::style::{
    ACCENT, AXIS, FAINT, GRID, INK, MARGIN, SOFT_INK, TICK, VALIDATION, bold, fit, header, page,
    percent, text, text_width,
};

/// Width of the chart in pixels: it goes beside a picture.
const WIDTH: i32 = 360;
/// Height of a row in pixels.
const ROW: i32 = 24;

/// Bar chart of class probabilities, one horizontal bar per class.
///
/// `bars` are labels and probabilities from 0 to 1. The largest bar is
/// highlighted; `truth` is the index of the true class, which is marked.
///
/// # Errors
///
/// When there is no bar, a probability lies outside 0 to 1, or `truth` is no
/// index of `bars`.
///
/// ```
/// # fn main() -> anyhow::Result<()> {
/// let bars = [("male".to_string(), 0.93), ("female".to_string(), 0.07)];
/// let figure = ror::plot::probabilities("Gender", &bars, None)?;
/// assert!(figure.svg().contains("93.0%"));
/// # Ok(())
/// # }
/// ```
pub fn probabilities(title: &str, bars: &[(String, f64)], truth: Option<usize>) -> Result<Figure> {
    ensure!(!bars.is_empty(), "there are no probabilities to show");
    for (label, share) in bars {
        ensure!(
            (0.0..=1.0).contains(share),
            "the probability of {label:?} is {share}: give a share from 0 to 1"
        );
    }
    if let Some(truth) = truth {
        ensure!(
            truth < bars.len(),
            "the true class has index {truth}, but there are only {} classes",
            bars.len()
        );
    }
    // The first of equals, as in a prediction.
    let largest = bars
        .iter()
        .enumerate()
        .rev()
        .max_by(|a, b| a.1.1.total_cmp(&b.1.1))
        .map(|(i, _)| i);
    let note = match truth {
        Some(truth) => format!("True class (dot): {}", bars[truth].0),
        None => String::new(),
    };
    let labels = bars
        .iter()
        .map(|(label, _)| text_width(label, TICK))
        .fold(0.0, f64::max)
        .min(120.0);
    let left = MARGIN + labels as i32 + if truth.is_some() { 24 } else { 10 };
    // Room for "100.0%" after the longest bar.
    let length = WIDTH - MARGIN - 50 - left;
    let rows = ROW * bars.len() as i32;
    let height = header(&note) + rows + 56;
    page(WIDTH as u32, height as u32, title, &note, |body| {
        for share in [0, 50, 100] {
            let x = left + length * share / 100;
            body.draw(&PathElement::new(vec![(x, 0), (x, rows + 4)], GRID))?;
            let style = text(11.5, SOFT_INK, HPos::Center, VPos::Center);
            body.draw_text(&share.to_string(), &style, (x, rows + 14))?;
        }
        for (i, (label, share)) in bars.iter().enumerate() {
            let is_largest = largest == Some(i);
            let middle = ROW * i as i32 + ROW / 2;
            let (label, size) = fit(label, TICK, 10.0, 120.0);
            let ink = if is_largest || truth == Some(i) {
                INK
            } else {
                SOFT_INK
            };
            let style = text(size, ink, HPos::Right, VPos::Center);
            body.draw_text(&label, &style, (left - 8, middle))?;
            if truth == Some(i) {
                let x = left - 8 - text_width(&label, size) as i32 - 8;
                body.draw(&Circle::new((x, middle - 1), 4, VALIDATION.filled()))?;
            }
            let end = left + (f64::from(length) * share).round() as i32;
            let color = if is_largest { ACCENT } else { FAINT };
            body.draw(&Rectangle::new(
                [(left, middle - 9), (end, middle + 7)],
                color.filled(),
            ))?;
            let number = percent(*share, 1);
            let style = if is_largest {
                bold(TICK, INK, HPos::Left, VPos::Center)
            } else {
                text(TICK, SOFT_INK, HPos::Left, VPos::Center)
            };
            body.draw_text(&number, &style, (end + 6, middle))?;
        }
        body.draw(&PathElement::new(vec![(left, 0), (left, rows + 4)], AXIS))?;
        let style = text(TICK, INK, HPos::Center, VPos::Center);
        body.draw_text("Probability (%)", &style, (left + length / 2, rows + 34))?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(shares: &[f64]) -> Vec<(String, f64)> {
        let named = |(i, share): (usize, &f64)| (format!("<{i}>"), *share);
        shares.iter().enumerate().map(named).collect()
    }

    #[test]
    fn largest_is_highlighted_and_truth_marked() {
        let figure = probabilities("Age", &bars(&[0.2, 0.7, 0.1]), Some(0)).unwrap();
        let svg = figure.svg();
        assert_eq!(svg.matches("fill=\"#2C847A\"").count(), 1);
        assert_eq!(svg.matches("fill=\"#C4CCD3\"").count(), 2);
        assert_eq!(svg.matches("<circle").count(), 1);
        for words in [
            "20.0%",
            "70.0%",
            "10.0%",
            "True class (dot): &lt;0&gt;",
            "Probability (%)",
        ] {
            assert!(svg.contains(words), "{words}");
        }
        assert!(!svg.contains("<0>"));
        assert_eq!(figure.width(), 360);
        let untold = probabilities("Age", &bars(&[0.2, 0.8]), None).unwrap();
        assert!(!untold.svg().contains("<circle"));
    }

    #[test]
    fn unusable_bars_are_errors() {
        assert!(probabilities("None", &[], None).is_err());
        assert!(probabilities("Percent", &bars(&[70.0]), None).is_err());
        assert!(probabilities("NaN", &bars(&[f64::NAN]), None).is_err());
        assert!(probabilities("Index", &bars(&[1.0]), Some(1)).is_err());
    }
}
