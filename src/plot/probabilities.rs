//! Class probabilities of one image.

use anyhow::{Context, Result, ensure};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::figure::Figure;
use super::figure::page;
use super::style::{
    ACCENT, Axis, FAINT, INK, SOFT_INK, TEXT, VALIDATION, bold, chart, percent, text, text_width,
    write,
};

/// Bar chart of class probabilities, one horizontal bar per class.
///
/// `bars` are labels and probabilities from 0 to 1. The largest bar is highlighted, and the true
/// class is marked, whose index is `truth`.
///
/// # Errors
///
/// No bars, a probability outside 0 to 1, or a `truth` that is not an index of `bars`.
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
            "the probability of {label:?} is {share}: choose 0 to 1"
        );
    }
    let mut note = String::new();
    if let Some(truth) = truth {
        let classes = bars.len();
        let (label, _) = bars.get(truth).with_context(|| {
            format!("the true class has index {truth}, but there are only {classes} classes")
        })?;
        note = format!("True class (dot): {label}");
    }
    // The first one of a tie, as in a prediction.
    let largest =
        (bars.iter().map(|bar| bar.1).enumerate().rev()).max_by(|a, b| a.1.total_cmp(&b.1));
    let x = Axis::new("Probability (%)", 0.0..100.0, 3);
    let names = bars.iter().map(|(label, _)| label.clone()).collect();
    let y = Axis::names("", names).reversed();
    // Narrow, to fit beside an image.
    let size = ((y.left() + 240).max(360), 24 * bars.len() as i32 + 66);
    page(size, title, &note, |body| {
        // Room for the number after the longest bar.
        let chart = chart(body, &x, &y, 60)?;
        let area = chart.plotting_area();
        for (i, (label, share)) in bars.iter().enumerate() {
            let (row, end) = (i as f64, 100.0 * share);
            let (fill, style) = if largest.is_some_and(|(largest, _)| largest == i) {
                (ACCENT, bold(TEXT, INK, HPos::Left))
            } else {
                (FAINT, text(TEXT, SOFT_INK, HPos::Left))
            };
            let corners = [(0.0, row - 0.35), (end, row + 0.35)];
            area.draw(&Rectangle::new(corners, fill.filled()))?;
            write(&chart, (end, row), (6, 0), &percent(*share, 1), style)?;
            if truth == Some(i) {
                let left = -18 - text_width(label, TEXT) as i32;
                let dot = Circle::new((left, 0), 4, VALIDATION.filled());
                area.draw(&(EmptyElement::at((0.0, row)) + dot))?;
            }
        }
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
        assert_eq!(svg.matches("fill=\"#A0ABB6\"").count(), 2);
        assert_eq!(svg.matches("<circle").count(), 1);
        for words in ["20.0%", "70.0%", "10.0%", "True class (dot): &lt;0&gt;", "Probability (%)"] {
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
