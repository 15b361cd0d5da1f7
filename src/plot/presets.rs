//! Charts of ages, genders and other values that the project draws often.

use anyhow::{Result, ensure};
use polars::prelude::{DataFrame, df};

use super::chart::{Chart, chart};
use super::column::read;
use super::stats::{quantile, ticks};
use super::style::{counted, decimals, number, percent, short};
use crate::Task;
use crate::metrics::{By, Interval, Metric, Metrics};

/// Highest plausible age in years; a higher one is an error in the data.
const OLDEST: f64 = 130.0;
const AGE: &str = "Age (years)";

/// Histogram of the ages in bins of one year.
///
/// # Errors
/// A table without rows or without the column `age`, or an age below 0 or above 130 years.
///
/// ```
/// # fn main() -> anyhow::Result<()> {
/// use ror::plot;
///
/// let records = ror::polars::df!["age" => [1u32, 26, 26, 80]]?;
/// let figure = plot::ages(&records)?.title("My records").bins(10).figure()?;
/// assert!(figure.svg().contains("4 images, 1 to 80 years, median 26"));
/// # Ok(())
/// # }
/// ```
pub fn ages(records: &DataFrame) -> Result<Chart> {
    let note = summary(&age_column(records)?, "image", " years");
    Ok(by_year(records).title("Age distribution").note(&note))
}

fn by_year(records: &DataFrame) -> Chart {
    chart(records).x("age").histogram().bin_width(1.0).x_label(AGE).y_label("Images")
}

/// Histograms of the ages before and after a step such as balancing, on the same axes.
///
/// # Errors
/// Those of [`ages`], for either table.
pub fn ages_before_after(before: &DataFrame, after: &DataFrame) -> Result<Chart> {
    let (mut ages, mut steps) = (vec![], vec![]);
    let both = [("Before", age_column(before)?), ("After", age_column(after)?)];
    let kept = percent(both[1].1.len() as f64 / both[0].1.len() as f64);
    for (step, values) in both {
        let step = format!("{step}: {}", summary(&values, "image", " years"));
        steps.extend(vec![step; values.len()]);
        ages.extend(values);
    }
    let table = df!["age" => ages, "step" => &steps]?;
    let chart = by_year(&table).facet("step").color("step").columns(1).in_order();
    Ok(chart
        .palette("#A0ABB6, #2C847A")
        .title("Age distribution before and after")
        .note(&format!("{kept} of the images are kept")))
}

/// Number of images by gender.
///
/// # Errors
/// A table without rows or without the column `gender`.
pub fn genders(records: &DataFrame) -> Result<Chart> {
    let images = read(records, "gender", false)?.len();
    ensure!(images > 0, "there are no records to plot: the table is empty");
    let chart = chart(records).x("gender").color("gender").bars();
    Ok(chart
        .title("Gender distribution")
        .note(&counted(images, "image"))
        .x_label("Gender")
        .y_label("Images"))
}

/// Box plot of the ages by gender.
///
/// # Errors
/// Those of [`ages`] and [`genders`].
pub fn ages_by_gender(records: &DataFrame) -> Result<Chart> {
    let images = age_column(records)?.len();
    read(records, "gender", false)?;
    let note = format!(
        "{}; box: quartiles and median, whiskers: 1.5 box lengths, dots: ages beyond",
        counted(images, "image")
    );
    let chart = chart(records).x("gender").y("age").color("gender").boxes();
    Ok(chart.x_label("Gender").y_label(AGE).title("Age by gender").note(&note))
}

/// Histogram of numbers; `axis` names them and their unit.
///
/// # Errors
/// No finite values.
pub fn histogram(title: &str, axis: &str, values: &[f64]) -> Result<Chart> {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    ensure!(!finite.is_empty(), "there are no values to show");
    let chart = chart(&df!["value" => values]?).x("value").histogram();
    Ok(chart.title(title).x_label(axis).note(&summary(&finite, "value", "")))
}

/// Horizontal bars of named values, in their order; `axis` names the values and their unit.
///
/// # Errors
/// No rows.
pub fn bars(title: &str, axis: &str, rows: &[(String, f64)]) -> Result<Chart> {
    ensure!(!rows.is_empty(), "there are no bars to show");
    let (names, values): (Vec<&str>, Vec<f64>) = rows.iter().map(|row| (&row.0[..], row.1)).unzip();
    let chart = chart(&df!["name" => names, "value" => values]?).x("value").y("name").bars();
    Ok(chart.in_order().title(title).x_label(axis).y_label(""))
}

/// Points; `x` and `y` are an axis title, with its unit, and a value per point.
///
/// ```
/// # fn main() -> anyhow::Result<()> {
/// let (truth, predicted) = ([20.0, 31.0, 64.0], [22.5, 30.1, 57.0]);
/// let x = ("True age (years)", &truth[..]);
/// ror::plot::scatter("Ages", x, ("Predicted age (years)", &predicted))?.diagonal().figure()?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// No points, or different numbers of values in `x` and `y`.
pub fn scatter(title: &str, x: (&str, &[f64]), y: (&str, &[f64])) -> Result<Chart> {
    let (n, m) = (x.1.len(), y.1.len());
    ensure!(n == m, "there are {n} values of {:?}, but {m} of {:?}", x.0, y.0);
    ensure!(n > 0, "there are no points to show");
    let chart = chart(&df!["x" => x.1, "y" => y.1]?).x("x").y("y").points();
    Ok(chart.title(title).x_label(x.0).y_label(y.0).note(&counted(n, "point")))
}

/// Probabilities of the classes, each with its label; those that are below 1 % of all are added up.
/// The largest is highlighted, and `truth`, the index of the true class, is marked.
///
/// # Errors
/// No bars, a probability outside 0 to 1, or a `truth` that is not an index of `bars`.
pub fn probabilities(title: &str, bars: &[(String, f64)], truth: Option<usize>) -> Result<Chart> {
    ensure!(!bars.is_empty(), "there are no probabilities to show");
    for (label, share) in bars {
        let valid = (0.0..=1.0).contains(share);
        ensure!(valid, "the probability of {label:?} is {share}: choose 0 to 1");
    }
    let (n, last) = (bars.len(), truth.unwrap_or(0));
    ensure!(last < n, "the true class has index {last}, but there are only {n} classes");
    let largest = bars.iter().map(|bar| bar.1).fold(0.0, f64::max);
    let (mut names, mut shares, mut others) = (vec![], vec![], vec![]);
    for (i, (label, share)) in bars.iter().enumerate() {
        let mark = if truth == Some(i) { "true: " } else { "" };
        if *share >= 0.01 || truth == Some(i) || n <= 3 {
            names.push(format!("{mark}{label}"));
            shares.push(*share);
        } else {
            others.push(*share);
        }
    }
    if !others.is_empty() {
        names.push(counted(others.len(), "other"));
        shares.push(others.iter().sum());
    }
    let kinds = shares.iter().map(|share| if *share == largest { "largest" } else { "other" });
    let table = df![
        "class" => &names,
        "share" => shares.iter().map(|share| 100.0 * share).collect::<Vec<_>>(),
        "words" => shares.iter().map(|share| percent(*share)).collect::<Vec<_>>(),
        "kind" => kinds.collect::<Vec<_>>(),
    ]?;
    let chart = chart(&table).x("share").y("class").text("words").color("kind").bars().in_order();
    let first = if shares[0] == largest { "#2C847A, #A0ABB6" } else { "#A0ABB6, #2C847A" };
    let chart = chart.palette(first).no_legend().size(400, 30 * names.len() as u32 + 62);
    Ok(chart.title(title).x_label("Probability (%)").y_label(""))
}

/// Values with error bars, one row each: label, value, lower and upper end, in the unit of `axis`.
/// If both ends are equal, the interval is unknown and the point is gray.
///
/// ```
/// # fn main() -> anyhow::Result<()> {
/// let rows = [("RoR".to_string(), 0.91, 0.90, 0.92)];
/// let chart = ror::plot::intervals("Gender", "Accuracy (95 % interval)", &rows)?;
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

/// Accuracy of gender, or mean absolute error of age, by age band, gender and race, each with its
/// 95 % interval; the first row is for all images.
///
/// # Errors
/// Only internal errors of polars.
pub fn breakdown(title: &str, metrics: &Metrics) -> Result<Chart> {
    let gender = metrics.task == Task::Gender;
    let (scale, axis) = match gender {
        true => (100.0, "Accuracy (%), 95 % interval"),
        false => (1.0, "Mean absolute error (years), 95 % interval"),
    };
    let row = |of: &str, images: usize, v: &Interval| {
        let name = format!("{of} ({})", number(images as f64, 0));
        (name, v.value * scale, v.low * scale, v.high * scale)
    };
    let all = metrics.mae.filter(|_| !gender).unwrap_or(metrics.accuracy);
    let mut rows = vec![row("all", metrics.pictures, &all)];
    rows.extend(metrics.slices.iter().map(|slice| {
        let by = if slice.by == By::Age { "age " } else { "" };
        row(&format!("{by}{}", slice.of), slice.pictures, &slice.value)
    }));
    intervals(title, axis, &rows)
}

/// Reliability diagram: accuracy by confidence. A calibrated network lies on the diagonal, an
/// underconfident one above it. Larger dots stand for more images.
///
/// # Errors
/// Metrics of no images.
pub fn reliability(title: &str, metrics: &Metrics) -> Result<Chart> {
    let bins = &metrics.reliability;
    ensure!(!bins.is_empty(), "there are no predictions to show");
    let table = df![
        "confidence" => bins.iter().map(|bin| 100.0 * bin.confidence).collect::<Vec<_>>(),
        "accuracy" => bins.iter().map(|bin| 100.0 * bin.accuracy).collect::<Vec<_>>(),
        "images" => bins.iter().map(|bin| bin.pictures as u32).collect::<Vec<_>>(),
    ]?;
    let note = format!(
        "{}; expected calibration error {}\ndashed: perfect calibration; above it: underconfident",
        counted(metrics.pictures, "image"),
        Metric::Ece.format(metrics.ece)
    );
    let base = chart(&table).x("confidence").y("accuracy").palette("#2C847A");
    let chart = base.clone().line().layer(base.points().area("images")).diagonal();
    let chart = chart.x_range(-3.0..103.0).y_range(-3.0..103.0).size(520, 460);
    Ok(chart.title(title).note(&note).x_label("Confidence (%)").y_label("Accuracy (%)"))
}

fn age_column(records: &DataFrame) -> Result<Vec<f64>> {
    let column = read(records, "age", false)?;
    ensure!(column.len() > 0, "there are no records to plot: the table is empty");
    let mut ages = column.numbers("age")?.to_vec();
    ages.retain(|age| !age.is_nan());
    let wrong = ages.iter().find(|age| !(0.0..=OLDEST).contains(*age));
    if let Some(age) = wrong {
        anyhow::bail!("column `age` has an age of {age} years: drop it first (0 to {OLDEST} fit)");
    }
    Ok(ages)
}

/// "23,708 images, 1 to 116 years, median 29".
fn summary(values: &[f64], what: &str, unit: &str) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let [low, median, high] = [0.0, 0.5, 1.0].map(|share| short(quantile(&sorted, share)));
    format!("{}, {low} to {high}{unit}, median {median}", counted(values.len(), what))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::metrics::{LabelledPredictions, Predictions};
    use crate::task::{Gender, Label};

    /// Of `n` predictions of gender: 80 % are women, all are taken for women.
    pub(in super::super) fn metrics(n: u32) -> Metrics {
        let share = |i: u32| 0.5 + 0.5 * f64::from(i) / f64::from(n);
        let predictions = Predictions {
            task: Task::Gender,
            probabilities: (0..n).map(|i| vec![1.0 - share(i), share(i)]).collect(),
            years: vec![],
        };
        let label = |i| Label {
            age: 10 + i % 70,
            gender: [Gender::Male, Gender::Female][usize::from(i % 5 > 0)],
            race: Some((i % 5) as u8),
        };
        Metrics::new(&LabelledPredictions::new(predictions, (0..n).map(label).collect()))
    }

    fn svg(chart: Result<Chart>) -> String {
        chart.unwrap().figure().unwrap().svg().to_string()
    }

    fn records() -> DataFrame {
        let genders = ["male", "female", "male", "female", "male", "male"];
        df!["age" => [1u32, 26, 26, 26, 80, 116], "gender" => genders].unwrap()
    }

    #[test]
    fn ages_and_genders_say_what_they_hold() {
        let records = records();
        let found = svg(ages(&records));
        for words in ["6 images, 1 to 116 years, median 26", AGE, ">\nImages\n<"] {
            assert!(found.contains(words), "{words}");
        }
        let both = svg(ages_before_after(&records, &records.head(Some(2))));
        assert!(both.contains("33.3 % of the images are kept") && both.contains("After: 2 images"));
        let genders = svg(genders(&records));
        assert!(genders.contains("4 (66.7 %)") && genders.contains("2 (33.3 %)"));
        assert!(svg(ages_by_gender(&records)).contains("6 images; box"));
        let empty = records.head(Some(0));
        for preset in [ages, super::genders, ages_by_gender] {
            let message = preset(&empty).unwrap_err().to_string();
            assert!(message.contains("empty"), "{message}");
        }
        assert!(ages_before_after(&records, &empty).is_err());
        for bad in [df!["years" => [1u32]], df!["age" => [131i64]], df!["age" => ["old"]]] {
            assert!(ages(&bad.unwrap()).is_err());
        }
    }

    #[test]
    fn unlikely_classes_are_added_up_and_the_truth_stays() {
        let shares = [0.002, 0.523, 0.3, 0.17, 0.005];
        let bars: Vec<_> = shares.iter().zip(0..).map(|(s, i)| (format!("<{i}>"), *s)).collect();
        let svg = svg(probabilities("Age", &bars, Some(4)));
        for words in ["52.3 %", "30.0 %", "true: &lt;4&gt;", ">\n1 other\n<", ">\n0.2 %\n<"] {
            assert!(svg.contains(words), "{words}");
        }
        assert_eq!(svg.matches("fill=\"#2C847A\"").count(), 1, "the largest");
        assert!(!svg.contains(">\n100\n<"), "an axis to 100");
        assert!(probabilities("None", &[], None).is_err());
        assert!(probabilities("Percent", &[("a".into(), 70.0)], None).is_err());
        assert!(probabilities("Index", &bars, Some(5)).is_err());
    }

    #[test]
    fn rows_show_value_and_interval() {
        let rows = [("RoR".to_string(), 0.893, 0.885, 0.901), ("b".to_string(), 0.87, 0.87, 0.87)];
        let found = svg(intervals("Gender", "Accuracy", &rows));
        for words in ["0.893 [0.885, 0.901]", ">\n0.870\n<", "gray: interval unknown"] {
            assert!(found.contains(words), "{words}");
        }
        let found = svg(breakdown("For whom", &metrics(600)));
        for words in ["all (600)", "age 10 to 19", "female (480)", "Indian (120)"] {
            assert!(found.contains(words), "{words}");
        }
        for (value, low, high) in [(f64::NAN, 0.0, 1.0), (2.0, 0.0, 1.0), (0.5, 1.0, 0.0)] {
            assert!(intervals("Bad", "x", &[("a".to_string(), value, low, high)]).is_err());
        }
        let found = svg(reliability("Reliability", &metrics(600)));
        assert!(
            found.contains("600 images") && found.contains(&Metric::Ece.format(metrics(600).ece))
        );
        assert!(reliability("None", &metrics(0)).is_err());
    }

    #[test]
    fn numbers_of_your_own_are_charts_too() {
        assert!(svg(histogram("H", "x", &[0.4, 1.5, f64::NAN])).contains("2 values, 0.4 to 1.5"));
        let rows = [("<a>".to_string(), 2.5), ("b".to_string(), -1.25), (String::new(), 10_078.0)];
        let found = svg(bars("Rows", "Years", &rows));
        for words in ["&lt;a&gt;", ">\n2.5\n", ">\n-1.25\n", ">\n10,078\n", "missing"] {
            assert!(found.contains(words), "{words}");
        }
        let plot = |x: &[f64], y: &[f64]| scatter("Points", ("x", x), ("y", y));
        assert_eq!(svg(plot(&[1.0, 2.0], &[3.0, 3.0])).matches("<circle").count(), 2);
        assert!(plot(&[], &[]).is_err() && plot(&[1.0], &[]).is_err());
    }
}
