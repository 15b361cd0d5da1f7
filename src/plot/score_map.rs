//! Scores over two hyper-parameters.

use anyhow::{Result, anyhow, ensure};

use super::figure::Figure;
use super::heat_map::{Cell, HeatMap};
use super::style::{TICK, decimal, decimals, text_width, thousands};

/// Heat map of scores, such as validation accuracy by batch size and learning
/// rate.
///
/// `values[row][column]` belongs to `y[row]` and `x[column]`; `None` or NaN is
/// hatched as not measured, and the highest value is outlined. Colours span
/// the lowest to the highest value.
///
/// # Errors
///
/// When the shapes disagree or no value is finite.
///
/// ```
/// # fn main() -> anyhow::Result<()> {
/// let (sizes, rates) = (["32", "64"].map(String::from), ["0.01"].map(String::from));
/// let values = [vec![Some(0.81), None]];
/// let figure = ror::plot::score_map(
///     "Validation accuracy", "Batch size", &sizes, "Learning rate", &rates, &values,
/// )?;
/// assert!(figure.svg().contains("0.810"));
/// # Ok(())
/// # }
/// ```
pub fn score_map(
    title: &str,
    x_label: &str,
    x: &[String],
    y_label: &str,
    y: &[String],
    values: &[Vec<Option<f64>>],
) -> Result<Figure> {
    ensure!(
        values.len() == y.len() && values.iter().all(|row| row.len() == x.len()),
        "{} values of {y_label} and {} of {x_label} need {} rows of {} scores; there are {} rows of {:?}",
        y.len(),
        x.len(),
        y.len(),
        x.len(),
        values.len(),
        values.iter().map(Vec::len).collect::<Vec<_>>()
    );
    let mut scores = Vec::new();
    for (row, line) in values.iter().enumerate() {
        for (column, value) in line.iter().enumerate() {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                scores.push((value, (row, column)));
            }
        }
    }
    let best = scores
        .iter()
        .copied()
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .ok_or_else(|| {
            anyhow!(
                "there is no score to show: all {} are missing",
                x.len() * y.len()
            )
        })?;
    let low = scores.iter().map(|score| score.0).fold(best.0, f64::min);
    let span = best.0 - low;
    // Enough digits to tell the scores apart, and three for shares.
    let digits = decimals(span / 20.0).max(if best.0.abs() < 10.0 { 3 } else { 1 });
    let cells: Vec<Vec<Option<Cell>>> = values
        .iter()
        .map(|line| {
            line.iter()
                .map(|value| {
                    let value = value.filter(|value| value.is_finite())?;
                    Some(Cell {
                        level: if span > 0.0 {
                            (value - low) / span
                        } else {
                            0.5
                        },
                        lines: vec![decimal(value, digits)],
                        faint: false,
                    })
                })
                .collect()
        })
        .collect();
    let scale = if span > 0.0 {
        [low, low + span / 2.0, best.0].map(|value| decimal(value, digits))
    } else {
        [String::new(), decimal(best.0, digits), String::new()]
    };
    let (row, column) = best.1;
    let note = format!(
        "{} of {} measured; best {} at {x_label} {}, {y_label} {}",
        thousands(scores.len()),
        thousands(x.len() * y.len()),
        decimal(best.0, digits),
        x[column],
        y[row]
    );
    // Column labels stay level up to a point.
    let widest = x
        .iter()
        .map(|label| text_width(label, TICK))
        .fold(0.0, f64::max);
    HeatMap {
        title,
        note: &note,
        x_title: x_label,
        x,
        y_title: y_label,
        y,
        cells: &cells,
        size: ((widest as i32 + 12).clamp(72, 110), 44),
        best: Some(best.1),
        scale: ("Score", scale),
    }
    .draw()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn best_is_outlined_and_missing_is_hatched() {
        let (x, y) = (names(&["32", "64"]), names(&["0.1", "0.01"]));
        let values = [vec![Some(0.5), None], vec![Some(0.75), Some(f64::NAN)]];
        let figure = score_map("Search", "Batch size", &x, "Learning rate", &y, &values).unwrap();
        let svg = figure.svg();
        assert!(svg.contains("2 of 4 measured; best 0.750 at Batch size 32, Learning rate 0.01"));
        assert_eq!(svg.matches("stroke-width=\"4\"").count(), 1);
        // The two missing cells.
        assert_eq!(svg.matches("fill=\"#F0F2F4\"").count(), 2);
        assert!(!svg.contains("NaN"));
    }

    #[test]
    fn shapes_and_missing_scores_are_errors() {
        let (x, y) = (names(&["32"]), names(&["0.1"]));
        assert!(score_map("S", "x", &x, "y", &y, &[vec![]]).is_err());
        assert!(score_map("S", "x", &x, "y", &y, &[]).is_err());
        let message = score_map("S", "x", &x, "y", &y, &[vec![None]]).unwrap_err();
        assert!(message.to_string().contains("no score"));
        assert!(score_map("S", "x", &[], "y", &[], &[]).is_err());
    }
}
