//! What answers are worth: the numbers that are published, each with its interval.

use std::fmt;

use anyhow::Result;
use polars::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Answers, Bin, Interval, Slice, calibration, slices};
use crate::Task;
use crate::progress::thousands;

/// The numbers that are published of a net, for one of its heads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// What was estimated: gender or an age.
    pub task: Task,
    /// How many pictures they were measured on.
    pub pictures: usize,
    /// Mean cross-entropy of the true class, nats.
    pub loss: Interval,
    /// Share of right answers, 0 to 1: of age, of the right group.
    pub accuracy: Interval,
    /// Age: share of answers that are right or one group off, 0 to 1.
    pub one_off: Option<Interval>,
    /// Age: mean absolute error in years of the expected age.
    pub mae: Option<Interval>,
    /// Age: share of expected ages at most 5 years off (cumulative score), 0 to 1.
    pub cs5: Option<Interval>,
    /// Expected calibration error, 0 to 1: how far confidence is from accuracy, over 15 bins.
    pub ece: Interval,
    /// What the best constant answer reaches.
    pub baseline: Baseline,
    /// Confidence against accuracy, a bin.
    pub reliability: Vec<Bin>,
    /// By age band, gender and race.
    pub slices: Vec<Slice>,
}

/// What giving every picture one and the same answer reaches, for each metric the best such.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// The most frequent class.
    pub accuracy: f64,
    /// The class that is most often right or one off.
    pub one_off: Option<f64>,
    /// The median age, years.
    pub mae: Option<f64>,
    /// The age that is most often within 5 years.
    pub cs5: Option<f64>,
}

fn share(values: impl Iterator<Item = bool>) -> f64 {
    let (mut hits, mut n) = (0, 0);
    for hit in values {
        hits += usize::from(hit);
        n += 1;
    }
    hits as f64 / f64::from(n.max(1))
}

fn best(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, f64::max)
}

impl Baseline {
    fn of(answers: &Answers) -> Self {
        let classes = answers.task().classes().len();
        let within = |reach: usize| {
            best(
                (0..classes)
                    .map(|class| share(answers.truth.iter().map(|t| t.abs_diff(class) <= reach))),
            )
        };
        let has_age = answers.task().has_age();
        let mut ages: Vec<u32> = answers.labels.iter().map(|label| label.age).collect();
        ages.sort_unstable();
        let median = f64::from(ages.get(ages.len() / 2).copied().unwrap_or(0));
        Self {
            accuracy: within(0),
            one_off: has_age.then(|| within(1)),
            mae: has_age.then(|| {
                ages.iter()
                    .map(|age| (f64::from(*age) - median).abs())
                    .sum::<f64>()
                    / ages.len().max(1) as f64
            }),
            cs5: has_age.then(|| {
                best(
                    (0..=crate::task::OLDEST)
                        .map(|answer| share(ages.iter().map(|age| age.abs_diff(answer) <= 5))),
                )
            }),
        }
    }
}

impl Metrics {
    /// Measures answers.
    pub fn of(answers: &Answers) -> Self {
        let has_age = answers.task().has_age();
        let (distances, errors) = (answers.distances(), answers.errors());
        let within = |reach: usize| {
            let hits: Vec<f64> = distances.iter().map(|d| f64::from(*d <= reach)).collect();
            Interval::of_mean(&hits)
        };
        let close: Vec<f64> = errors.iter().map(|e| f64::from(*e <= 5.0)).collect();
        let (ece, reliability) = calibration(answers);
        Self {
            task: answers.task(),
            pictures: answers.len(),
            loss: Interval::of_mean(&answers.losses()),
            accuracy: within(0),
            one_off: has_age.then(|| within(1)),
            mae: has_age.then(|| Interval::of_mean(&errors)),
            cs5: has_age.then(|| Interval::of_mean(&close)),
            ece,
            baseline: Baseline::of(answers),
            reliability,
            slices: slices(answers),
        }
    }

    /// Short name, value and baseline of each metric, in the order they are published.
    pub fn named(&self) -> Vec<(&'static str, Interval, Option<f64>)> {
        let Baseline {
            accuracy,
            one_off,
            mae,
            cs5,
        } = self.baseline;
        let mut named = vec![("accuracy", self.accuracy, Some(accuracy))];
        named.extend(self.one_off.map(|i| ("one-off accuracy", i, one_off)));
        named.extend(self.mae.map(|i| ("MAE", i, mae)));
        named.extend(self.cs5.map(|i| ("CS@5", i, cs5)));
        named.push(("ECE", self.ece, None));
        named.push(("loss", self.loss, None));
        named
    }

    /// One row a metric: name, value, lower and upper end of the 95 % interval, and what the
    /// best constant answer reaches.
    ///
    /// # Errors
    /// None that metrics can cause.
    pub fn table(&self) -> Result<DataFrame> {
        let rows = self.named();
        let column =
            |value: fn(&Interval) -> f64| rows.iter().map(|(_, i, _)| value(i)).collect::<Vec<_>>();
        Ok(df!(
            "metric" => rows.iter().map(|(name, ..)| *name).collect::<Vec<_>>(),
            "value" => column(|i| i.value),
            "low" => column(|i| i.low),
            "high" => column(|i| i.high),
            "constant answer" => rows.iter().map(|(_, _, baseline)| *baseline).collect::<Vec<_>>(),
        )?)
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "on {} pictures, with 95 % intervals, and what the best constant answer reaches:",
            thousands(self.pictures)
        )?;
        for (name, value, baseline) in self.named() {
            write!(f, "\n{name:<18}")?;
            match name {
                "loss" => write!(f, "{value}")?,
                "MAE" => write!(
                    f,
                    "{:.2} years ({:.2} to {:.2})",
                    value.value, value.low, value.high
                )?,
                _ => f.write_str(&value.percent())?,
            }
            match (name, baseline) {
                (_, None) => {}
                ("MAE", Some(baseline)) => write!(f, "; {baseline:.2} years")?,
                (_, Some(baseline)) => write!(f, "; {:.1} %", baseline * 100.0)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Gender, Label};
    use crate::evaluate::Estimate;

    #[test]
    fn metrics_of_a_hand_made_case() {
        let sure = |class: usize| {
            (0..12)
                .map(|i| if i == class { 0.89 } else { 0.01 })
                .collect::<Vec<_>>()
        };
        let label = |age| Label {
            age,
            gender: Gender::Female,
            race: Some(0),
        };
        let answers = Answers::new(
            Estimate {
                task: Task::age(),
                probabilities: vec![sure(0), sure(1), sure(5), sure(11)],
                years: vec![3.0, 8.0, 28.0, 58.0],
            },
            [3, 12, 8, 58].map(label).to_vec(),
        );
        let metrics = Metrics::of(&answers);
        assert_eq!(metrics.accuracy.value, 0.5);
        assert_eq!(metrics.one_off.unwrap().value, 0.75);
        assert_eq!(metrics.mae.unwrap().value, 6.0); // 0, 4, 20, 0
        assert_eq!(metrics.cs5.unwrap().value, 0.75);
        assert!((metrics.ece.value - (0.89 - 0.5)).abs() < 1e-12);
        assert!(
            (metrics.loss.value - (2.0 * -(0.89f64.ln()) - 2.0 * 0.01f64.ln()) / 4.0).abs() < 1e-12
        );
        let baseline = metrics.baseline;
        assert_eq!((baseline.accuracy, baseline.one_off), (0.25, Some(0.75)));
        assert_eq!((baseline.mae, baseline.cs5), (Some(14.75), Some(0.75))); // always 12; always 8
        let confusion = answers.confusion();
        assert_eq!(
            (confusion[2][1], confusion[1][5], confusion[0][0]),
            (1, 1, 1)
        );
        assert_eq!(confusion.iter().flatten().sum::<u64>(), 4);
        assert!(metrics.to_string().contains("MAE               6.00 years"));
    }
}
