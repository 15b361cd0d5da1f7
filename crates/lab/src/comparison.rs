//! The student project's numbers beside those of a run of this one.

use std::fmt;

use anyhow::{Context, Result};
use polars::prelude::{DataFrame, df};

use super::rivals::rivals;
use ror::data::Protocol;
use ror::metrics::{Evaluation, Interval, Metric};
use ror::plot::{self, Chart};
use utils::progress::thousands;

/// The original notebook's numbers in `rivals.csv`, and those of its networks measured on images
/// that they have not seen.
const REPORTED: &str = "original notebook, as reported";
const MEASURED: &str = "original network, split by image hash";

/// One metric of the original notebook, of its networks measured honestly, and of this run.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// What is compared, such as `gender`.
    pub what: &'static str,
    /// The share that the original notebook reported, 0 to 1, if it did.
    pub reported: Option<f64>,
    /// The share that its network reaches on images that it has not seen, 0 to 1.
    pub measured: f64,
    /// The share of this run, 0 to 1.
    pub ours: Interval,
    /// Number of images that this run was measured on.
    pub images: usize,
}

/// The original project and a run of this one, metric by metric. A notebook shows it as a table and a
/// plot; its text is one sentence.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison(Vec<Compared>);

impl Comparison {
    /// Compares evaluations on the test sets of [`Protocol::OriginalGender`] and
    /// [`Protocol::OriginalAge`] with the original project's numbers.
    ///
    /// # Errors
    /// An evaluation of a network that does not predict gender, or age.
    pub fn with_original(gender: &Evaluation, age: &Evaluation) -> Result<Self> {
        let (gender, age) = (&gender.gender()?.metrics, &age.age()?.metrics);
        let one_off = age.one_off.context("the evaluation has no age groups")?;
        let row = |what, protocol, metric, ours, images| {
            let of = |system: &str| {
                let all = rivals()?.into_iter();
                let mut own = all.filter(|r| r.protocol == protocol && r.metric == metric);
                anyhow::Ok(own.find(|r| r.system == system).map(|r| r.value))
            };
            let measured = of(MEASURED)?.with_context(|| format!("{MEASURED} has no {what}"))?;
            anyhow::Ok(Compared { what, reported: of(REPORTED)?, measured, ours, images })
        };
        use Protocol::{OriginalAge, OriginalGender};
        let n = age.pictures;
        Ok(Self(vec![
            row("gender", OriginalGender, Metric::Accuracy, gender.accuracy, gender.pictures)?,
            row("age group", OriginalAge, Metric::Accuracy, age.accuracy, n)?,
            row("age group or one next to it", OriginalAge, Metric::OneOff, one_off, n)?,
        ]))
    }

    /// The metrics.
    pub fn rows(&self) -> &[Compared] {
        &self.0
    }

    /// Returns one row per metric, in words.
    ///
    /// # Errors
    /// polars fails, which is not expected.
    pub fn table(&self) -> Result<DataFrame> {
        let column = |of: fn(&Compared) -> String| self.0.iter().map(of).collect::<Vec<_>>();
        Ok(df!(
            "correct" => column(|row| row.what.to_owned()),
            "original notebook" => column(|row| row.reported.map_or("not reported".into(), percent)),
            "its networks on new images" => column(|row| percent(row.measured)),
            "this run, 95 % interval" => column(|row| row.ours.percent()),
            "images" => self.0.iter().map(|row| row.images as u32).collect::<Vec<_>>(),
        )?)
    }

    /// Plots all shares, with the intervals of this run.
    ///
    /// # Errors
    /// A plot that can't be drawn.
    pub fn plot(&self) -> Result<Chart> {
        let mut rows = vec![];
        for row in &self.0 {
            let known = |system: &str, share: f64| {
                (format!("{}: {system}", row.what), 100.0 * share, 100.0 * share, 100.0 * share)
            };
            rows.extend(row.reported.map(|share| known("original notebook", share)));
            rows.push(known("its network", row.measured));
            let [value, low, high] =
                [row.ours.value, row.ours.low, row.ours.high].map(|share| 100.0 * share);
            rows.push((format!("{}: this run", row.what), value, low, high));
        }
        plot::intervals("The original and this run", "Correct (%)", &rows)
    }
}

fn percent(share: f64) -> String {
    Metric::Accuracy.format(share)
}

impl fmt::Display for Comparison {
    /// One sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.0.iter().map(|row| {
            let points = 100.0 * (row.ours.value - row.measured);
            let more = if points < 0.0 { "fewer" } else { "more" };
            let (share, n) = (percent(row.ours.value), thousands(row.images));
            format!(
                "the {} is right for {share} of {n} new images, {:.1} points {more}",
                row.what,
                points.abs()
            )
        });
        let mut sentence = parts.collect::<Vec<_>>().join("; ");
        if let Some(first) = sentence.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        write!(f, "{sentence} than with the original's networks.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_original_stands_beside_this_run() {
        let ours = Interval { value: 0.9, low: 0.89, high: 0.91 };
        let row = |what, reported| Compared { what, reported, measured: 0.86, ours, images: 1000 };
        let compared = Comparison(vec![row("gender", Some(0.85)), row("age group", None)]);
        let words = "The gender is right for 90.0 % of 1,000 new images, 4.0 points more; the age \
                     group is right for 90.0 % of 1,000 new images, 4.0 points more than with the \
                     original's networks.";
        assert_eq!(compared.to_string(), words);
        let table = compared.table().unwrap();
        let of = |name: &str| table.column(name).unwrap().str().unwrap().get(1).unwrap().to_owned();
        assert_eq!(of("original notebook"), "not reported");
        assert_eq!(of("its networks on new images"), "86.0 %");
        let svg = compared.plot().unwrap().figure().unwrap().svg().to_owned();
        assert_eq!(svg.matches("gender: ").count(), 3, "notebook, network, this run");
        assert_eq!(svg.matches("age group: ").count(), 2);
    }
}
