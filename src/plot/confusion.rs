//! The confusion matrix.

use anyhow::{Result, ensure};

use super::figure::Figure;
use super::heat_map::{Cell, HeatMap};
use super::style::{percent, thousands};

/// Confusion matrix: rows are true classes, columns predicted ones.
///
/// `counts[t][p]` is the number of pictures of class `labels[t]` that were
/// taken for `labels[p]`. A cell shows the count and its share of the row, and
/// the share colours it.
///
/// # Errors
///
/// When there is no class, or `counts` is not square with a row per label.
///
/// ```
/// # fn main() -> anyhow::Result<()> {
/// let labels = ["male".to_string(), "female".to_string()];
/// let counts = [vec![90, 10], vec![20, 180]];
/// let figure = ror::plot::confusion("Gender", &labels, &counts)?;
/// assert!(figure.svg().contains("90.0%"));
/// # Ok(())
/// # }
/// ```
pub fn confusion(title: &str, labels: &[String], counts: &[Vec<u64>]) -> Result<Figure> {
    let classes = labels.len();
    ensure!(classes > 0, "a confusion matrix needs at least one class");
    ensure!(
        counts.len() == classes && counts.iter().all(|row| row.len() == classes),
        "{classes} labels need {classes} rows of {classes} counts; there are {} rows of {:?} counts",
        counts.len(),
        counts.iter().map(Vec::len).collect::<Vec<_>>()
    );
    // Few classes get roomy cells.
    let size = (520 / classes as i32).clamp(36, 96);
    let digits = usize::from(size >= 48);
    let total: u64 = counts.iter().flatten().sum();
    let right: u64 = (0..classes).map(|class| counts[class][class]).sum();
    let cells: Vec<Vec<Option<Cell>>> = counts
        .iter()
        .map(|row| {
            let sum: u64 = row.iter().sum();
            row.iter()
                .map(|&count| {
                    let share = count as f64 / sum.max(1) as f64;
                    // A class without pictures has no shares.
                    let share_text = if sum == 0 {
                        "-".to_string()
                    } else {
                        percent(share, digits)
                    };
                    Some(Cell {
                        level: share,
                        lines: vec![thousands(count as usize), share_text],
                        faint: count == 0,
                    })
                })
                .collect()
        })
        .collect();
    let note = format!(
        "n = {} pictures, {} right ({})",
        thousands(total as usize),
        thousands(right as usize),
        percent(right as f64 / total.max(1) as f64, 1)
    );
    HeatMap {
        title,
        note: &note,
        x_title: "Predicted",
        x: labels,
        y_title: "True",
        y: labels,
        cells: &cells,
        size: (size, size),
        best: None,
        scale: (
            "Share of true class",
            ["0%", "50%", "100%"].map(str::to_string),
        ),
    }
    .draw()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(count: usize) -> Vec<String> {
        (0..count)
            .map(|i| format!("{}-{}", 5 * i, 5 * i + 4))
            .collect()
    }

    #[test]
    fn cells_show_counts_and_row_shares() {
        let counts = [vec![1_500, 500, 0], vec![1, 2, 1], vec![0, 0, 0]];
        let figure = confusion("Age <group>", &labels(3), &counts).unwrap();
        let svg = figure.svg();
        for words in [
            "1,500",
            "75.0%",
            "25.0%",
            "50.0%",
            "True",
            "Predicted",
            "n = 2,004",
        ] {
            assert!(svg.contains(words), "{words}");
        }
        assert!(svg.contains("1,502 right (75.0%)"));
        assert!(svg.contains("Age &lt;group&gt;") && !svg.contains("<group>"));
        // The row without pictures.
        assert_eq!(svg.matches(">\n-\n<").count(), 3);
    }

    #[test]
    fn twenty_four_classes_keep_their_text() {
        let counts = vec![vec![123; 24]; 24];
        let figure = confusion("Many", &labels(24), &counts).unwrap();
        assert_eq!(figure.svg().matches(">\n123\n<").count(), 24 * 24);
    }

    #[test]
    fn shapes_are_checked() {
        assert!(confusion("None", &[], &[]).is_err());
        assert!(confusion("Row", &labels(2), &[vec![1, 2]]).is_err());
        let message = confusion("Cell", &labels(2), &[vec![1, 2], vec![3]]).unwrap_err();
        assert!(message.to_string().contains("[2, 1]"), "{message}");
    }
}
