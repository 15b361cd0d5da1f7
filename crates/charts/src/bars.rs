//! Bars of probabilities, and values with their intervals.

use anyhow::{Result, ensure};
use polars::prelude::df;
use utils::progress::counted;

use crate::chart::{Chart, chart};
use crate::format::{decimals, number, percent};
use crate::stats::ticks;

/// Probabilities of the classes, each with its label; those that are below 1 % of all are added up.
/// `predicted`, the index of the predicted class, is highlighted, and `truth`, that of the true class,
/// is marked.
///
/// # Errors
/// No bars, a probability outside 0 to 1, or an index that is not one of `bars`.
pub fn probabilities(
    title: &str,
    bars: &[(String, f64)],
    predicted: usize,
    truth: Option<usize>,
) -> Result<Chart> {
    ensure!(!bars.is_empty(), "there are no probabilities to show");
    for (label, share) in bars {
        let valid = (0.0..=1.0).contains(share);
        ensure!(valid, "the probability of {label:?} is {share}: choose 0 to 1");
    }
    let (n, last) = (bars.len(), truth.unwrap_or(0).max(predicted));
    ensure!(last < n, "a class has index {last}, but there are only {n} classes");
    let (mut names, mut shares, mut kinds, mut others) = (vec![], vec![], vec![], vec![]);
    for (i, (label, share)) in bars.iter().enumerate() {
        let mark = if truth == Some(i) { "true: " } else { "" };
        if *share >= 0.01 || i == predicted || truth == Some(i) || n <= 3 {
            names.push(format!("{mark}{label}"));
            shares.push(*share);
            kinds.push(if i == predicted { "predicted" } else { "other" });
        } else {
            others.push(*share);
        }
    }
    if !others.is_empty() {
        names.push(counted(others.len(), "other"));
        shares.push(others.iter().sum());
        kinds.push("other");
    }
    let first = if kinds[0] == "predicted" { "#2C847A, #A0ABB6" } else { "#A0ABB6, #2C847A" };
    let table = df![
        "class" => &names,
        "share" => shares.iter().map(|share| 100.0 * share).collect::<Vec<_>>(),
        "words" => shares.iter().map(|share| percent(*share)).collect::<Vec<_>>(),
        "kind" => kinds,
    ]?;
    let chart = chart(&table).x("share").y("class").text("words").color("kind").bars().in_order();
    let chart = chart.palette(first).no_legend().size(400, 30 * names.len() as u32 + 62);
    Ok(chart.title(title).x_label("Probability (%)").y_label(""))
}

/// Values with error bars, one row each: label, value, lower and upper end, in the unit of `axis`.
/// If both ends are equal, the interval is unknown and the point is gray.
///
/// ```
/// # fn main() -> anyhow::Result<()> {
/// let rows = [("RoR".to_string(), 0.91, 0.90, 0.92)];
/// let chart = charts::intervals("Gender", "Accuracy (95 % interval)", &rows)?;
/// assert!(chart.figure()?.svg().contains("0.910 [0.900, 0.920]"));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// No rows, a number that is not finite, or a value outside its interval.
pub fn intervals(title: &str, axis: &str, rows: &[(String, f64, f64, f64)]) -> Result<Chart> {
    ensure!(!rows.is_empty(), "there are no intervals to show");
    for (label, value, low, high) in rows {
        let finite = value.is_finite() && low.is_finite() && high.is_finite();
        let valid = finite && low <= value && value <= high;
        ensure!(valid, "{label:?} has the value {value} outside its interval [{low}, {high}]");
    }
    let lowest = rows.iter().map(|row| row.2).fold(f64::INFINITY, f64::min);
    let highest = rows.iter().map(|row| row.3).fold(f64::NEG_INFINITY, f64::max);
    // Differences of a hundredth of the axis remain visible.
    let step = ticks(&(0.0..highest - lowest), 4);
    let digits = decimals(step.get(1).copied().unwrap_or(1.0)) + 1;
    let words = rows.iter().map(|(_, value, low, high)| {
        let [value, from, to] = [value, low, high].map(|n| number(*n, digits));
        if low == high { value } else { format!("{value} [{from}, {to}]") }
    });
    let column = |of: fn(&(String, f64, f64, f64)) -> f64| rows.iter().map(of).collect::<Vec<_>>();
    let table = df![
        "name" => rows.iter().map(|row| &row.0[..]).collect::<Vec<_>>(),
        "value" => column(|row| row.1),
        "low" => column(|row| row.2),
        "high" => column(|row| row.3),
        "words" => words.collect::<Vec<_>>(),
    ]?;
    let unknown = rows.iter().any(|row| row.2 == row.3);
    let chart = chart(&table).x("value").y("name").points().interval("low", "high").text("words");
    let note = ["", "; gray: interval unknown"][usize::from(unknown)];
    let chart = chart.in_order().title(title).x_label(axis).y_label("");
    Ok(chart.note(&format!("point: value, bar: interval{note}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn svg(chart: Result<Chart>) -> String {
        chart.unwrap().figure().unwrap().svg().to_string()
    }

    #[test]
    fn unlikely_classes_are_added_up_and_the_truth_stays() {
        let shares = [0.002, 0.523, 0.3, 0.17, 0.005];
        let bars: Vec<_> = shares.iter().zip(0..).map(|(s, i)| (format!("<{i}>"), *s)).collect();
        let svg = svg(probabilities("Age", &bars, 2, Some(4)));
        for words in ["52.3 %", "30.0 %", "true: &lt;4&gt;", ">\n1 other\n<", ">\n0.2 %\n<"] {
            assert!(svg.contains(words), "{words}");
        }
        assert_eq!(svg.matches("fill=\"#2C847A\"").count(), 1, "the predicted");
        assert!(!svg.contains(">\n100\n<"), "an axis to 100");
        assert!(probabilities("None", &[], 0, None).is_err());
        assert!(probabilities("Percent", &[("a".into(), 70.0)], 0, None).is_err());
        assert!(probabilities("Index", &bars, 0, Some(5)).is_err());
        assert!(probabilities("Index", &bars, 5, None).is_err());
    }

    #[test]
    fn rows_show_value_and_interval() {
        let rows = [("RoR".to_string(), 0.893, 0.885, 0.901), ("b".to_string(), 0.87, 0.87, 0.87)];
        let found = svg(intervals("Gender", "Accuracy", &rows));
        for words in ["0.893 [0.885, 0.901]", ">\n0.870\n<", "gray: interval unknown"] {
            assert!(found.contains(words), "{words}");
        }
        for (value, low, high) in [(f64::NAN, 0.0, 1.0), (2.0, 0.0, 1.0), (0.5, 1.0, 0.0)] {
            assert!(intervals("Bad", "x", &[("a".to_string(), value, low, high)]).is_err());
        }
    }
}
