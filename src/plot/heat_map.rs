//! Grids of colored cells: the confusion matrix, and scores over two hyperparameters.

use anyhow::{Context, Result, ensure};
use indicatif::HumanCount;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::figure::Figure;
use super::figure::page;
use super::style::{
    Axis, FAINT, GRID, INK, SOFT_INK, TEXT, chart, counted, decimal, decimals, percent, shrunk,
    text, write,
};

/// The color of the highest cell; the others are a share of it over white.
const DEEP: RGBColor = RGBColor(8, 75, 145);
const OUTLINE: RGBColor = RGBColor(226, 120, 30);

/// Confusion matrix: rows are true classes, columns predicted ones.
///
/// `counts[t][p]` is the number of images of class `labels[t]` that were predicted as `labels[p]`.
/// A cell shows the count and its share of the row, and the share colors it.
///
/// # Errors
///
/// No classes, or `counts` that is not square with one row per label.
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
    check(labels, labels, counts)?;
    // Few classes get roomy cells.
    let size = (520 / classes as i32).clamp(36, 96);
    let digits = usize::from(size >= 48);
    let total: u64 = counts.iter().flatten().sum();
    let right: u64 = (0..classes).map(|class| counts[class][class]).sum();
    let cell = |count: u64, sum: u64| {
        let level = count as f64 / sum.max(1) as f64;
        // A class without images has no shares.
        let share = match sum {
            0 => "-".to_string(),
            _ => percent(level, digits),
        };
        Some(Cell { level, lines: vec![HumanCount(count).to_string(), share], faint: count == 0 })
    };
    let cells = counts.iter().map(|row| {
        let sum = row.iter().sum();
        row.iter().map(|count| cell(*count, sum)).collect()
    });
    let note = format!(
        "{}, {} correct ({}); color: share of the true class",
        counted(total as usize, "image"),
        HumanCount(right),
        percent(right as f64 / total.max(1) as f64, 1)
    );
    HeatMap {
        axes: [("Predicted", labels), ("True", labels)],
        cells: cells.collect(),
        size: (size, size),
        best: None,
    }
    .draw(title, &note)
}

/// Heat map of scores, such as validation accuracy by batch size and learning
/// rate.
///
/// `values[row][column]` belongs to `y[row]` and `x[column]`. `None` or NaN is shown in gray as not
/// measured, and the highest value is outlined. Colors span the lowest to the highest value.
///
/// # Errors
///
/// Shapes that disagree, or no finite value.
///
/// ```
/// # fn main() -> anyhow::Result<()> {
/// let (sizes, rates) = (["32", "64"].map(String::from), ["0.01"].map(String::from));
/// let values = [vec![Some(0.81), None]];
/// let figure = ror::plot::score_map(
///     "Validation accuracy", ("Batch size", &sizes), ("Learning rate", &rates), &values,
/// )?;
/// assert!(figure.svg().contains("0.810"));
/// # Ok(())
/// # }
/// ```
pub fn score_map(
    title: &str,
    (x_label, x): (&str, &[String]),
    (y_label, y): (&str, &[String]),
    values: &[Vec<Option<f64>>],
) -> Result<Figure> {
    check(x, y, values)?;
    let score = |value: &Option<f64>| value.filter(|value| value.is_finite());
    let all = x.len() * y.len();
    let scores: Vec<f64> = values.iter().flatten().filter_map(score).collect();
    let best = scores.iter().copied().reduce(f64::max);
    let best = best.with_context(|| format!("there is no score to show: all {all} are missing"))?;
    let place = values.iter().flatten().position(|value| *value == Some(best));
    let (row, column) = place.map_or((0, 0), |place| (place / x.len(), place % x.len()));
    let span = best - scores.iter().copied().fold(best, f64::min);
    // Enough digits to tell the scores apart, and three for shares.
    let digits = decimals(span / 20.0).max(if best.abs() < 10.0 { 3 } else { 1 });
    let cell = |value: &Option<f64>| {
        score(value).map(|value| Cell {
            level: if span > 0.0 { 1.0 - (best - value) / span } else { 0.5 },
            lines: vec![decimal(value, digits)],
            faint: false,
        })
    };
    let cells = values.iter().map(|row| row.iter().map(cell).collect());
    let note = format!(
        "{} of {all} measured; best {} at {x_label} {}, {y_label} {}",
        scores.len(),
        decimal(best, digits),
        x[column],
        y[row]
    );
    HeatMap {
        axes: [(x_label, x), (y_label, y)],
        cells: cells.collect(),
        size: (84, 44),
        best: Some((row, column)),
    }
    .draw(title, &note)
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

/// One cell: its position on the color scale, 0 to 1, and its lines of text.
struct Cell {
    level: f64,
    lines: Vec<String>,
    /// Whether the text is faint, as in an empty cell.
    faint: bool,
}

struct HeatMap<'a> {
    /// Titles and labels of the horizontal and the vertical axis.
    axes: [(&'a str, &'a [String]); 2],
    /// Rows of cells from the top; `None` means not measured.
    cells: Vec<Vec<Option<Cell>>>,
    /// Width and height of a cell in pixels.
    size: (i32, i32),
    /// Row and column of the cell to outline.
    best: Option<(usize, usize)>,
}

impl HeatMap<'_> {
    fn draw(&self, title: &str, note: &str) -> Result<Figure> {
        let [(x_title, x_labels), (y_title, y_labels)] = self.axes;
        let (wide, high) = self.size;
        let x = Axis::names("", x_labels.to_vec());
        let y = Axis::names(y_title, y_labels.to_vec()).reversed();
        // Column labels stand upright when they are wider than their column.
        let upright = x.room > wide;
        let below = if upright { x.room + 12 } else { 24 };
        let grid = (wide * x_labels.len() as i32, high * y_labels.len() as i32);
        let size = (y.left() + grid.0 + 20, grid.1 + below + 50);
        page(size, title, note, |body| {
            // 8 pixels of margin above and 26 for the labels below.
            let area = body.clone().shrink((0, 0), (size.0, grid.1 + 34));
            let hidden = Axis { format: Box::new(|_| String::new()), ..x };
            let chart = chart(&area, &hidden, &y, 20)?;
            let area = chart.plotting_area();
            for (row, cells) in self.cells.iter().enumerate() {
                for (column, cell) in cells.iter().enumerate() {
                    self.draw_cell(&chart, (column as f64, row as f64), cell.as_ref())?;
                }
            }
            if let Some((row, column)) = self.best {
                // A path, because plotters ignores the width of a rectangle's line.
                let sides = [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)];
                let around = sides.iter().cycle().take(6);
                let around: Vec<_> =
                    around.map(|s| (column as f64 + s.0, row as f64 + s.1)).collect();
                area.draw(&PathElement::new(around, OUTLINE.stroke_width(4)))?;
            }
            let bottom = y_labels.len() as f64 - 0.5;
            for (column, label) in x_labels.iter().enumerate() {
                let at = (column as f64, bottom);
                if upright {
                    let style = text(TEXT, SOFT_INK, HPos::Right);
                    let style = style.transform(FontTransform::Rotate270);
                    write(&chart, at, (0, 10), label, style)?;
                } else {
                    write(&chart, at, (0, 16), label, text(TEXT, SOFT_INK, HPos::Center))?;
                }
            }
            let middle = ((x_labels.len() as f64 - 1.0) / 2.0, bottom);
            write(&chart, middle, (0, below + 16), x_title, text(TEXT, INK, HPos::Center))
        })
    }

    fn draw_cell(
        &self,
        chart: &super::style::Chart<'_>,
        (x, y): (f64, f64),
        cell: Option<&Cell>,
    ) -> Result<()> {
        let fill = cell.map_or(GRID.to_rgba(), |cell| DEEP.mix(cell.level.max(0.03)));
        let mut corners = Rectangle::new([(x - 0.5, y - 0.5), (x + 0.5, y + 0.5)], fill.filled());
        corners.set_margin(0, 1, 0, 1);
        chart.plotting_area().draw(&corners)?;
        let Some(cell) = cell else {
            let style = text(TEXT, SOFT_INK, HPos::Center);
            return write(chart, (x, y), (0, 0), "-", style);
        };
        let ink = match cell.level {
            _ if cell.faint => FAINT,
            level if level < 0.65 => INK,
            _ => WHITE,
        };
        let size = self.font_size();
        for (i, line) in cell.lines.iter().enumerate() {
            let down = 1.2 * size * (i as f64 - (cell.lines.len() as f64 - 1.0) / 2.0);
            write(chart, (x, y), (0, down as i32), line, text(size, ink, HPos::Center))?;
        }
        Ok(())
    }

    /// The largest font that fits all cells.
    fn font_size(&self) -> f64 {
        let cells = self.cells.iter().flatten().flatten();
        let lines = cells.flat_map(|cell| &cell.lines);
        let room = f64::from(self.size.0 - 4);
        lines.map(|line| shrunk(line, TEXT, room)).fold(TEXT, f64::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn cells_show_counts_and_row_shares() {
        let counts = [vec![1_500, 500, 0], vec![1, 2, 1], vec![0, 0, 0]];
        let figure = confusion("Age <group>", &names(&["0-4", "5-9", "10-14"]), &counts).unwrap();
        let svg = figure.svg();
        for words in ["1,500", "75.0%", "25.0%", "50.0%", "True", "Predicted"] {
            assert!(svg.contains(words), "{words}");
        }
        assert!(svg.contains("2,004 images, 1,502 correct (75.0%)"));
        assert!(svg.contains("Age &lt;group&gt;") && !svg.contains("<group>"));
        // The row without images.
        assert_eq!(svg.matches(">\n-\n<").count(), 3);
    }

    #[test]
    fn twenty_four_classes_keep_their_text() {
        let labels: Vec<String> = (0..24).map(|i| format!("{i} - {}", i + 1)).collect();
        let figure = confusion("Many", &labels, &vec![vec![123; 24]; 24]).unwrap();
        assert_eq!(figure.svg().matches(">\n123\n<").count(), 24 * 24);
        let upright = figure.svg().matches("rotate(270").count();
        assert_eq!(upright, 25, "labels and the title of the vertical axis");
    }

    #[test]
    fn best_is_outlined_and_missing_is_grey() {
        let (x, y) = (names(&["32", "64"]), names(&["0.1", "0.01"]));
        let values = [vec![Some(0.5), None], vec![Some(0.75), Some(f64::NAN)]];
        let figure =
            score_map("Search", ("Batch size", &x), ("Learning rate", &y), &values).unwrap();
        let svg = figure.svg();
        assert!(svg.contains("2 of 4 measured; best 0.750 at Batch size 32, Learning rate 0.01"));
        assert_eq!(svg.matches("stroke-width=\"4\"").count(), 1);
        // The two missing cells.
        assert_eq!(svg.matches(">\n-\n<").count(), 2);
        assert!(!svg.contains("NaN"));
    }

    #[test]
    fn shapes_and_missing_scores_are_errors() {
        let labels = names(&["a", "b"]);
        assert!(confusion("None", &[], &[]).is_err());
        assert!(confusion("Row", &labels, &[vec![1, 2]]).is_err());
        let message = confusion("Cell", &labels, &[vec![1, 2], vec![3]]).unwrap_err();
        assert!(message.to_string().contains("[2, 1]"), "{message}");
        let (x, y) = (names(&["32"]), names(&["0.1"]));
        assert!(score_map("S", ("x", &x), ("y", &y), &[vec![]]).is_err());
        assert!(score_map("S", ("x", &x), ("y", &y), &[]).is_err());
        let message = score_map("S", ("x", &x), ("y", &y), &[vec![None]]).unwrap_err();
        assert!(message.to_string().contains("no score"));
        assert!(score_map("S", ("x", &[]), ("y", &[]), &[]).is_err());
    }
}
