//! Values with their uncertainty.

use anyhow::{Result, ensure};
use indicatif::HumanCount;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::figure::Figure;
use super::figure::page;
use super::style::{
    ACCENT, Axis, FAINT, INK, MARGIN, SOFT_INK, TEXT, WIDTH, chart, decimal, decimals, limits,
    text, text_width, ticks, write,
};
use crate::Task;
use crate::metrics::{Interval, Metrics};

/// Labels wider than this many pixels are broken into lines.
const LABEL: f64 = 270.0;

/// Values with error bars, one row each: for instance the accuracy of several
/// models with its 95 % interval.
///
/// `rows` are label, value, lower and upper end, all in the unit of `axis`. If both ends are equal,
/// the interval is unknown and the point is gray. If there are values on both sides of 0, a line
/// marks 0.
///
/// # Errors
///
/// No rows, a number that is not finite, or a value outside its interval.
///
/// ```
/// # fn main() -> anyhow::Result<()> {
/// let rows = [("RoR".to_string(), 0.91, 0.90, 0.92)];
/// let figure = ror::plot::intervals("Gender", "Accuracy (95 % interval)", &rows)?;
/// assert!(figure.svg().contains("0.910"));
/// # Ok(())
/// # }
/// ```
pub fn intervals(title: &str, axis: &str, rows: &[(String, f64, f64, f64)]) -> Result<Figure> {
    ensure!(!rows.is_empty(), "there are no intervals to show");
    for (label, value, low, high) in rows {
        ensure!(
            value.is_finite() && low.is_finite() && high.is_finite(),
            "{label:?} has a number that is not finite: {value} [{low}, {high}]"
        );
        ensure!(
            low <= value && value <= high,
            "{label:?} has the value {value} outside its interval [{low}, {high}]"
        );
    }
    let ends = || rows.iter().flat_map(|(_, _, low, high)| [*low, *high]);
    let range = limits(ends()).unwrap_or(0.0..1.0);
    let x = Axis::new(axis, range.clone(), 7);
    // Differences of a hundredth of the axis remain visible.
    let step = ticks(&(0.0..range.end - range.start), 4);
    let digits = decimals(step.get(1).copied().unwrap_or(1.0)) + 1;
    let numbers = rows.iter().map(|(_, value, low, high)| {
        let [value, low_end, high_end] = [value, low, high].map(|number| decimal(*number, digits));
        if low == high { value } else { format!("{value} [{low_end}, {high_end}]") }
    });
    let numbers: Vec<String> = numbers.collect();
    let labels: Vec<Vec<String>> = rows.iter().map(|row| lines(&row.0)).collect();
    let widest = |texts: &mut dyn Iterator<Item = &String>| {
        texts.map(|text| text_width(text, TEXT)).fold(0.0, f64::max) as i32
    };
    let right = widest(&mut numbers.iter()) + 2 * MARGIN;
    let mut y = Axis::names("", vec![String::new(); rows.len()]).reversed();
    (y.room, y.grid) = (widest(&mut labels.iter().flatten()), true);
    let mut note = "point: value, bar: interval".to_string();
    if rows.iter().any(|(_, _, low, high)| low == high) {
        note += "; gray: interval unknown";
    }
    let most = labels.iter().map(Vec::len).max().unwrap_or(1) as i32;
    let height = (16 * most + 8).max(34) * rows.len() as i32 + 66;
    // Leaves the bars some width beside long words and numbers.
    let width = WIDTH.max(y.left() + right + 240);
    page((width, height), title, &note, |body| {
        let mut chart = chart(body, &x, &y, right)?;
        // Differences are compared with 0.
        if ends().any(|end| end < 0.0) && ends().any(|end| end > 0.0) {
            let line = vec![(0.0, y.range.start), (0.0, y.range.end)];
            chart.draw_series(LineSeries::new(line, SOFT_INK))?;
        }
        for (i, (_, value, low, high)) in rows.iter().enumerate() {
            let row = i as f64;
            if low == high {
                chart.draw_series([Circle::new((*value, row), 5, FAINT.filled())])?;
            } else {
                let style = ACCENT.stroke_width(2).filled();
                chart
                    .draw_series([ErrorBar::new_horizontal(row, *low, *value, *high, style, 10)])?;
            }
            let style = text(TEXT, INK, HPos::Left);
            write(&chart, (range.end, row), (MARGIN, 0), &numbers[i], style)?;
            for (line, words) in labels[i].iter().enumerate() {
                let down = 16 * line as i32 - 8 * (labels[i].len() as i32 - 1);
                let style = text(TEXT, SOFT_INK, HPos::Right);
                write(&chart, (range.start, row), (-10, down), words, style)?;
            }
        }
        Ok(())
    })
}

/// Breaks a label between words.
fn lines(label: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in label.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if text_width(&format!("{line} {word}"), TEXT) <= LABEL => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

/// Accuracy of gender, or mean absolute error of age, by age band, gender and race, each with its
/// 95 % interval; the first row is for all images.
///
/// # Errors
/// Metrics without slices.
pub fn breakdown(title: &str, metrics: &Metrics) -> Result<Figure> {
    let gender = metrics.task == Task::Gender;
    let (scale, axis) = if gender {
        (100.0, "Accuracy (%), 95 % interval")
    } else {
        (1.0, "Mean absolute error (years), 95 % interval")
    };
    let all = metrics.mae.filter(|_| !gender).unwrap_or(metrics.accuracy);
    let row = |of: &str, pictures: usize, value: &Interval| {
        (
            format!("{of} ({})", HumanCount(pictures as u64)),
            value.value * scale,
            value.low * scale,
            value.high * scale,
        )
    };
    let mut rows = vec![row("all", metrics.pictures, &all)];
    rows.extend(metrics.slices.iter().map(|slice| {
        let by = if slice.by == crate::metrics::By::Age { "age " } else { "" };
        row(&format!("{by}{}", slice.of), slice.pictures, &slice.value)
    }));
    intervals(title, axis, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_show_value_and_interval() {
        let long = "A system of a very long name (trained on this set and on several others)";
        let rows = [("RoR".to_string(), 0.893, 0.885, 0.901), (long.to_string(), 0.87, 0.87, 0.87)];
        let figure = intervals("Gender", "Accuracy", &rows).unwrap();
        for words in ["0.893 [0.885, 0.901]", ">\n0.870\n<", "RoR", "Accuracy"] {
            assert!(figure.svg().contains(words), "{words}");
        }
        assert!(figure.svg().contains("gray: interval unknown"));
        assert!(!figure.svg().contains("[0.870"));
        // An error bar has a line, two ends and a point.
        assert_eq!(figure.svg().matches("stroke-width=\"2\"").count(), 4);
        assert_eq!(figure.svg().matches("<circle").count(), 2);
        for word in long.split(' ') {
            assert!(figure.svg().contains(word), "{word} is cut off");
        }
        assert!(lines(long).iter().all(|line| text_width(line, TEXT) <= LABEL));
    }

    #[test]
    fn a_breakdown_has_a_row_for_all_and_one_a_group() {
        let metrics = super::super::reliability::tests::metrics(600);
        let figure = breakdown("For whom", &metrics).unwrap();
        let rows = figure.svg().matches("<circle").count();
        assert_eq!(rows, 1 + metrics.slices.len());
        for words in ["all (600)", "age 10 to 19", "female (480)", "Indian (120)"] {
            assert!(figure.svg().contains(words), "{words}");
        }
    }

    #[test]
    fn unusable_rows_are_errors() {
        assert!(intervals("None", "Accuracy", &[]).is_err());
        for (value, low, high) in [(f64::NAN, 0.0, 1.0), (2.0, 0.0, 1.0), (0.5, 1.0, 0.0)] {
            assert!(intervals("Bad", "x", &[("a".to_string(), value, low, high)]).is_err());
        }
    }
}
