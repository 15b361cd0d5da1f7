//! Estimates with their uncertainty.

use anyhow::{Result, ensure};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::figure::Figure;
use super::style::{
    ACCENT, Axis, BEFORE, INK, MARGIN, NOTE, SOFT_INK, TICK, axes, decimal, decimals, fit, header,
    limits, nice_step, page, text, text_width,
};

const WIDTH: u32 = 720;
/// Height of a row in pixels.
const ROW: u32 = 38;
/// Number of ticks to aim at.
const TICKS: usize = 6;

/// Values with error bars, one row each: for instance the accuracy of several
/// models with its 95 % interval.
///
/// `rows` are label, value, lower and upper end, all in the unit that `axis`
/// names. A row whose ends are equal is one whose interval is not known: a grey
/// point. Where values lie on both sides of 0, a line stands there.
///
/// # Errors
///
/// When there is no row, a number is not finite, or a value lies outside its
/// interval.
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
    let ends = rows.iter().flat_map(|(_, _, low, high)| [*low, *high]);
    let (from, to) = limits(ends).unwrap_or((0.0, 1.0));
    // Differences of a hundredth of the axis still show.
    let digits = decimals(nice_step(to - from, 3)) + 1;
    let numbers: Vec<String> = rows
        .iter()
        .map(|(_, value, low, high)| {
            let [value, low, high] = [value, low, high].map(|number| decimal(*number, digits));
            if low == high {
                value
            } else {
                format!("{value} [{low}, {high}]")
            }
        })
        .collect();
    let numbers_width = numbers
        .iter()
        .map(|number| text_width(number, NOTE))
        .fold(0.0, f64::max);
    let bare = |low: &f64, high: &f64| low == high;
    let note = if rows.iter().any(|(_, _, low, high)| bare(low, high)) {
        "point: estimate, bar: interval; grey: no interval known"
    } else {
        "point: estimate, bar: interval"
    };
    let height = header(note) as u32 + ROW * rows.len() as u32 + 76;
    page(WIDTH, height, title, note, |body| {
        let labels = rows
            .iter()
            .map(|(label, ..)| fit(label, TICK, TICK, 220.0).0)
            .collect();
        let x = Axis::new(axis, from, to, TICKS);
        let mut y = Axis::names("", labels);
        // The first row on top.
        y.range = y.range.end..y.range.start;
        y.grid = true;
        let right = numbers_width as i32 + 2 * MARGIN;
        let chart = axes(body, &x, &y, right)?;
        let plot = chart.plotting_area();
        // Differences are read against none.
        if from < 0.0 && to > 0.0 {
            let ends = vec![(0.0, y.range.start), (0.0, y.range.end)];
            plot.draw(&PathElement::new(ends, SOFT_INK))?;
        }
        for (i, ((_, value, low, high), number)) in rows.iter().zip(&numbers).enumerate() {
            let row = i as f64;
            if bare(low, high) {
                plot.draw(&Circle::new((*value, row), 5, BEFORE.filled()))?;
            } else {
                let line = ACCENT.stroke_width(2);
                plot.draw(&PathElement::new(vec![(*low, row), (*high, row)], line))?;
                for end in [*low, *high] {
                    let stroke = PathElement::new(vec![(0, -6), (0, 6)], line);
                    plot.draw(&(EmptyElement::at((end, row)) + stroke))?;
                }
                plot.draw(&Circle::new((*value, row), 5, ACCENT.filled()))?;
            }
            let style = text(NOTE, INK, HPos::Left, VPos::Center);
            plot.draw(
                &(EmptyElement::at((to, row)) + Text::new(number.clone(), (MARGIN, 0), style)),
            )?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_show_value_and_interval() {
        let rows = [
            ("ResNet".to_string(), 0.871, 0.862, 0.880),
            ("RoR".to_string(), 0.893, 0.885, 0.901),
        ];
        let figure = intervals("Gender", "Accuracy", &rows).unwrap();
        for words in [
            "0.871 [0.862, 0.880]",
            "0.893 [0.885, 0.901]",
            "ResNet",
            "Accuracy",
        ] {
            assert!(figure.svg().contains(words), "{words}");
        }
        assert_eq!(figure.svg().matches("<circle").count(), 2);
        // A bar and two ends for each row.
        assert_eq!(figure.svg().matches("stroke-width=\"2\"").count(), 6);
    }

    #[test]
    fn an_interval_of_no_width_is_drawn() {
        assert!(intervals("Sure", "Accuracy", &[("a".to_string(), 1.0, 1.0, 1.0)]).is_ok());
    }

    #[test]
    fn a_number_without_interval_is_grey_and_alone() {
        let rows = [
            ("ours".to_string(), 4.6, 4.5, 4.7),
            ("theirs".to_string(), 4.8, 4.8, 4.8),
        ];
        let figure = intervals("Age", "MAE", &rows).unwrap();
        assert!(figure.svg().contains("grey: no interval known"));
        assert!(!figure.svg().contains("[4.80"), "{}", figure.svg());
    }

    #[test]
    fn unusable_rows_are_errors() {
        assert!(intervals("None", "Accuracy", &[]).is_err());
        for (value, low, high) in [(f64::NAN, 0.0, 1.0), (2.0, 0.0, 1.0), (0.5, 1.0, 0.0)] {
            assert!(intervals("Bad", "x", &[("a".to_string(), value, low, high)]).is_err());
        }
    }
}
