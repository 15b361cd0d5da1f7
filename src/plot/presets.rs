//! Charts of ages, genders and other values that the project draws often.

use anyhow::{Context, Result, ensure};
use charts::format::{number, percent, summary};
use charts::{Chart, chart, intervals};
use frames::Values;
use polars::prelude::{Column, DataFrame, df};
use utils::progress::counted;

use crate::Task;
use crate::metrics::{Interval, Metric, Metrics};

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
    let (before, after) = (age_column(before)?, age_column(after)?);
    let kept = percent(after.len() as f64 / before.len() as f64);
    let named = |step: &str, ages| format!("{step}: {}", summary(ages, "image", " years"));
    let names = [named("Before", &before), named("After", &after)];
    let steps = [vec![names[0].as_str(); before.len()], vec![&names[1]; after.len()]].concat();
    let table = df!["age" => [before, after].concat(), "step" => steps]?;
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
    let images = column(records, "gender")?.len();
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
    column(records, "gender")?;
    let note = format!(
        "{}; box: quartiles and median, whiskers: 1.5 box lengths, dots: ages beyond",
        counted(images, "image")
    );
    let chart = chart(records).x("gender").y("age").color("gender").boxes();
    Ok(chart.x_label("Gender").y_label(AGE).title("Age by gender").note(&note))
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
    rows.extend(
        metrics.slices.iter().map(|slice| row(&slice.people(), slice.pictures, &slice.value)),
    );
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

fn column<'a>(records: &'a DataFrame, name: &str) -> Result<&'a Column> {
    let column = records.column(name);
    let column = column.with_context(|| format!("the table has no column `{name}` to plot"))?;
    ensure!(!column.is_empty(), "there are no records to plot: the table is empty");
    Ok(column)
}

fn age_column(records: &DataFrame) -> Result<Vec<f64>> {
    let ages = column(records, "age")?.numbers()?;
    let wrong = ages.iter().find(|age| !(0.0..=OLDEST).contains(*age));
    if let Some(age) = wrong {
        anyhow::bail!("column `age` has an age of {age} years: drop it first (0 to {OLDEST} fit)");
    }
    Ok(ages)
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
    fn groups_have_a_row_each_and_confidence_a_dot() {
        let found = svg(breakdown("For whom", &metrics(600)));
        for words in ["all (600)", "age 10 to 19", "female (480)", "Indian (120)"] {
            assert!(found.contains(words), "{words}");
        }
        let found = svg(reliability("Reliability", &metrics(600)));
        assert!(
            found.contains("600 images") && found.contains(&Metric::Ece.format(metrics(600).ece))
        );
        assert!(reliability("None", &metrics(0)).is_err());
    }
}
