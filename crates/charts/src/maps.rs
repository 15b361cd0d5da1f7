//! Heat maps of confusions and of scores over two hyperparameters.

use anyhow::{Context, Result, ensure};
use polars::prelude::df;
use utils::progress::counted;

use crate::chart::{Chart, chart};
use crate::format::{decimals, number, percent};

/// Confusion matrix: rows are true classes, columns predicted ones.
///
/// `counts[t][p]` is the number of images of class `labels[t]` that were predicted as `labels[p]`.
/// A cell shows the count and, of up to 12 classes, its share of the row, which colors it.
///
/// # Errors
/// No classes, or `counts` that is not square with one row per label.
///
/// ```
/// # fn main() -> anyhow::Result<()> {
/// let labels = ["male".to_string(), "female".to_string()];
/// let chart = charts::confusion("Gender", &labels, &[vec![90, 10], vec![20, 180]])?;
/// assert!(chart.figure()?.svg().contains("90.0 %"));
/// # Ok(())
/// # }
/// ```
pub fn confusion(title: &str, labels: &[String], counts: &[Vec<u64>]) -> Result<Chart> {
    ensure!(!labels.is_empty(), "a confusion matrix needs at least one class");
    check(labels, labels, counts)?;
    let (mut shares, mut words) = (vec![], vec![]);
    for row in counts {
        let all = row.iter().sum::<u64>() as f64;
        for count in row {
            // A class without images has no shares.
            let share = if all > 0.0 { *count as f64 / all } else { f64::NAN };
            shares.push(share);
            let number = number(*count as f64, 0);
            words.push(match labels.len() {
                // Many zeros would hide the rest, and two lines would be tiny.
                7.. if *count == 0 => " ".to_string(),
                13.. => number,
                _ => format!("{number}\n{}", percent(share)),
            });
        }
    }
    let total: u64 = counts.iter().flatten().sum();
    let right: u64 = (0..labels.len()).map(|class| counts[class][class]).sum();
    let note = format!(
        "{}, {} correct ({}); color: share of the true class",
        counted(total as usize, "image"),
        number(right as f64, 0),
        percent(right as f64 / total.max(1) as f64)
    );
    let chart = grid(labels, labels, shares, words)?.tall_cells().color_range(0.0..1.0);
    Ok(chart.title(title).note(&note).x_label("Predicted").y_label("True"))
}

/// Scores over two hyperparameters, such as validation accuracy by batch size and learning rate.
///
/// `values[row][column]` belongs to `y[row]` and `x[column]`. `None` or NaN is shown in gray as not
/// measured, and the highest value is outlined. Colors span the lowest to the highest value.
///
/// # Errors
/// Shapes that disagree, or no finite value.
pub fn score_map(
    title: &str,
    (x_label, x): (&str, &[String]),
    (y_label, y): (&str, &[String]),
    values: &[Vec<Option<f64>>],
) -> Result<Chart> {
    check(x, y, values)?;
    let scores = values.iter().flatten().map(|value| value.unwrap_or(f64::NAN));
    let scores: Vec<f64> = scores.map(|v| if v.is_finite() { v } else { f64::NAN }).collect();
    let found = || scores.iter().copied().filter(|value| !value.is_nan());
    let (all, best) = (scores.len(), found().reduce(f64::max));
    let best = best.with_context(|| format!("there is no score to show: all {all} are missing"))?;
    let place = scores.iter().position(|value| *value == best).unwrap_or(0);
    let (row, column) = (place / x.len(), place % x.len());
    // Enough digits to tell the scores apart, and three for shares.
    let digits = decimals((best - found().fold(best, f64::min)) / 20.0);
    let digits = digits.max(if best.abs() < 10.0 { 3 } else { 1 });
    let note = format!(
        "{} of {all} measured; best {} at {x_label} {}, {y_label} {}",
        found().count(),
        number(best, digits),
        x[column],
        y[row]
    );
    let words = scores.iter().map(|value| number(*value, digits)).collect();
    let chart = grid(x, y, scores, words)?.outlined(column, row);
    Ok(chart.title(title).note(&note).x_label(x_label).y_label(y_label))
}

/// A heat map with a value and a text per cell, row by row.
fn grid(x: &[String], y: &[String], values: Vec<f64>, words: Vec<String>) -> Result<Chart> {
    let columns = y.iter().flat_map(|_| x).map(String::as_str).collect::<Vec<_>>();
    let rows = y.iter().flat_map(|row| x.iter().map(|_| row.as_str())).collect::<Vec<_>>();
    let table = df!["x" => columns, "y" => rows, "value" => values, "words" => words]?;
    Ok(chart(&table).x("x").y("y").color("value").text("words").heat_map().in_order())
}

/// Checks that there is a row per vertical label and a value per horizontal one.
fn check<T>(x: &[String], y: &[String], rows: &[Vec<T>]) -> Result<()> {
    let widths: Vec<usize> = rows.iter().map(Vec::len).collect();
    ensure!(
        widths.len() == y.len() && widths.iter().all(|width| *width == x.len()),
        "expected {} rows of {} values, found {} rows of {widths:?}",
        y.len(),
        x.len(),
        widths.len()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    fn svg(chart: Result<Chart>) -> String {
        chart.unwrap().figure().unwrap().svg().to_string()
    }

    #[test]
    fn cells_show_counts_and_row_shares() {
        let counts = [vec![1_500, 500, 0], vec![1, 2, 1], vec![0, 0, 0]];
        let svg = svg(confusion("Age <group>", &names(&["0-4", "5-9", "10-14"]), &counts));
        for words in ["1,500", "75.0 %", "25.0 %", "2,004 images, 1,502 correct (75.0 %)", "True"] {
            assert!(svg.contains(words), "{words}");
        }
        assert!(svg.contains("Age &lt;group&gt;") && !svg.contains("<group>"));
        assert_eq!(svg.matches(">\n-\n<").count(), 3, "a class without images");
    }

    #[test]
    fn many_classes_keep_legible_counts_and_no_zeros() {
        let labels: Vec<String> = (0..24).map(|i| format!("{i} - {}", i + 1)).collect();
        let mut counts = vec![vec![123; 24]; 24];
        counts[0][1] = 0;
        let svg = svg(confusion("Many", &labels, &counts));
        assert_eq!(svg.matches(">\n123\n<").count(), 24 * 24 - 1);
        assert!(!svg.contains(">\n0\n<") && svg.contains("font-size=\"13.0\""));
        assert!(svg.matches("rotate(270").count() >= 24, "upright labels");
    }

    #[test]
    fn best_is_outlined_and_missing_is_gray() {
        let (x, y) = (names(&["32", "64"]), names(&["0.1", "0.01"]));
        let values = [vec![Some(0.5), None], vec![Some(0.75), Some(f64::NAN)]];
        let svg = svg(score_map("Search", ("Batch size", &x), ("Learning rate", &y), &values));
        assert!(svg.contains("2 of 4 measured; best 0.750 at Batch size 32, Learning rate 0.01"));
        assert_eq!(svg.matches("stroke-width=\"4\"").count(), 1);
        assert_eq!(svg.matches(">\n-\n<").count(), 2, "the missing cells");
    }

    #[test]
    fn shapes_and_missing_scores_are_errors() {
        let labels = names(&["a", "b"]);
        assert!(confusion("None", &[], &[]).is_err());
        let message = confusion("Cell", &labels, &[vec![1, 2], vec![3]]).unwrap_err();
        assert!(message.to_string().contains("[2, 1]"), "{message}");
        let (x, y) = (names(&["32"]), names(&["0.1"]));
        assert!(score_map("S", ("x", &x), ("y", &y), &[vec![]]).is_err());
        let message = score_map("S", ("x", &x), ("y", &y), &[vec![None]]).unwrap_err();
        assert!(message.to_string().contains("no score"));
        assert!(score_map("S", ("x", &[]), ("y", &[]), &[]).is_err());
    }
}
