//! Confusion matrices.

use anyhow::{Result, ensure};
use polars::prelude::df;
use utils::progress::counted;

use crate::chart::{Chart, chart};
use crate::format::{number, percent};

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
    let (n, widths) = (labels.len(), counts.iter().map(Vec::len).collect::<Vec<_>>());
    ensure!(widths == vec![n; n], "expected {n} rows of {n} counts, found rows of {widths:?}");
    let (mut truths, mut predicted, mut shares, mut words) = (vec![], vec![], vec![], vec![]);
    for (truth, row) in labels.iter().zip(counts) {
        let all = row.iter().sum::<u64>() as f64;
        for (label, count) in labels.iter().zip(row) {
            truths.push(&truth[..]);
            predicted.push(&label[..]);
            // A class without images has no shares.
            let share = if all > 0.0 { *count as f64 / all } else { f64::NAN };
            shares.push(share);
            let number = number(*count as f64, 0);
            words.push(match n {
                // Many zeros would hide the rest, and two lines would be tiny.
                7.. if *count == 0 => " ".to_string(),
                13.. => number,
                _ => format!("{number}\n{}", percent(share)),
            });
        }
    }
    let total: u64 = counts.iter().flatten().sum();
    let right: u64 = (0..n).map(|class| counts[class][class]).sum();
    let note = format!(
        "{}, {} correct ({}); color: share of the true class",
        counted(total as usize, "image"),
        number(right as f64, 0),
        percent(right as f64 / total.max(1) as f64)
    );
    let table =
        df!["Predicted" => predicted, "True" => truths, "share" => shares, "words" => words]?;
    let chart = chart(&table).x("Predicted").y("True").color("share").text("words").heat_map();
    Ok(chart.in_order().tall_cells().color_range(0.0..1.0).title(title).note(&note))
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
    fn counts_that_are_not_square_are_errors() {
        assert!(confusion("None", &[], &[]).is_err());
        let message = confusion("Cell", &names(&["a", "b"]), &[vec![1, 2], vec![3]]).unwrap_err();
        assert!(message.to_string().contains("[2, 1]"), "{message}");
    }
}
