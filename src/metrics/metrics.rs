//! Published metrics, each with its interval.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::calibration::{Bin, calibration};
use super::slices::slices;
use super::{Interval, LabelledPredictions, Slice};
use crate::Task;
use utils::progress::counted;

/// A published metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Metric {
    /// Share of correct predictions, 0 to 1; for age, of the correct group.
    #[serde(rename = "accuracy")]
    Accuracy,
    /// Age: off-by-one accuracy, the share of predictions at most one group off, 0 to 1.
    #[serde(rename = "one-off accuracy")]
    OneOff,
    /// Age: mean absolute error of the expected age, in years.
    #[serde(rename = "MAE")]
    Mae,
    /// Age: share of expected ages at most 5 years off (cumulative score), 0 to 1.
    #[serde(rename = "CS@5")]
    Cs5,
    /// Expected calibration error, 0 to 1.
    #[serde(rename = "ECE")]
    Ece,
    /// Mean cross-entropy, in nats.
    #[serde(rename = "loss")]
    Loss,
}

impl Metric {
    /// Name in tables: `MAE`.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Accuracy => "accuracy",
            Metric::OneOff => "one-off accuracy",
            Metric::Mae => "MAE",
            Metric::Cs5 => "CS@5",
            Metric::Ece => "ECE",
            Metric::Loss => "loss",
        }
    }

    /// Whether it is published with an interval. The calibration error is not, because it is biased
    /// upward in a bootstrap resample.
    pub fn has_interval(self) -> bool {
        self != Metric::Ece
    }

    /// Formats a value with its unit: `91.2 %`, `4.50 years`.
    pub fn format(self, value: f64) -> String {
        match self {
            Metric::Mae => format!("{value:.2} years"),
            Metric::Loss => format!("{value:.3}"),
            _ => format!("{:.1} %", value * 100.0),
        }
    }

    /// Formats a value with its unit and interval: `91.2 % (90.5 to 91.9)`.
    pub fn format_interval(self, interval: &Interval) -> String {
        let Interval { value, low, high } = interval;
        match self {
            Metric::Mae => format!("{value:.2} years ({low:.2} to {high:.2})"),
            Metric::Loss => interval.to_string(),
            Metric::Ece => self.format(*value),
            _ => interval.percent(),
        }
    }
}

/// Published metrics of one head of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// The predicted task: gender or an age.
    pub task: Task,
    /// Number of images.
    pub pictures: usize,
    /// Mean cross-entropy of the true class, in nats.
    pub loss: Interval,
    /// Share of correct predictions, 0 to 1; for age, of the correct group.
    pub accuracy: Interval,
    /// Age: off-by-one accuracy, the share of predictions at most one group off, 0 to 1.
    pub one_off: Option<Interval>,
    /// Age: mean absolute error of the expected age, in years.
    pub mae: Option<Interval>,
    /// Age: share of expected ages at most 5 years off (cumulative score), 0 to 1.
    pub cs5: Option<Interval>,
    /// Expected calibration error over 15 bins, 0 to 1.
    #[serde(deserialize_with = "number_or_interval")]
    pub ece: f64,
    /// Metrics of the best constant prediction.
    pub(crate) baseline: ConstantBaseline,
    /// Confidence and accuracy per bin.
    pub(crate) reliability: Vec<Bin>,
    /// Metrics by age band, gender and race.
    pub slices: Vec<Slice>,
}

/// Metrics of predicting the same for every image, with the best constant for each metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct ConstantBaseline {
    /// Of the most frequent class.
    pub accuracy: f64,
    /// Of the class with the best off-by-one accuracy.
    pub one_off: Option<f64>,
    /// Of the median age, in years.
    pub mae: Option<f64>,
    /// Of the age that is most often within 5 years.
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

impl ConstantBaseline {
    fn new(labelled: &LabelledPredictions) -> Self {
        let classes = labelled.task().classes().len();
        let within = |reach: usize| {
            best(
                (0..classes)
                    .map(|class| share(labelled.truth.iter().map(|t| t.abs_diff(class) <= reach))),
            )
        };
        let has_age = labelled.task().has_age();
        let mut ages: Vec<u32> = labelled.labels.iter().map(|label| label.age).collect();
        ages.sort_unstable();
        let median = f64::from(ages.get(ages.len() / 2).copied().unwrap_or(0));
        Self {
            accuracy: within(0),
            one_off: has_age.then(|| within(1)),
            mae: has_age.then(|| {
                ages.iter().map(|age| (f64::from(*age) - median).abs()).sum::<f64>()
                    / ages.len().max(1) as f64
            }),
            cs5: has_age.then(|| {
                best(
                    (0..=crate::task::OLDEST)
                        .map(|same| share(ages.iter().map(|age| age.abs_diff(same) <= 5))),
                )
            }),
        }
    }
}

/// Cards of before version 0.4 have an interval.
fn number_or_interval<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(f64),
        Interval(Interval),
    }
    Ok(match Either::deserialize(from)? {
        Either::Number(value) | Either::Interval(Interval { value, .. }) => value,
    })
}

impl Metrics {
    pub(crate) fn new(labelled: &LabelledPredictions) -> Self {
        let has_age = labelled.task().has_age();
        let (distances, errors) = (labelled.distances(), labelled.errors());
        let within = |reach: usize| {
            let hits: Vec<f64> = distances.iter().map(|d| f64::from(*d <= reach)).collect();
            Interval::of_mean(&hits)
        };
        let close: Vec<f64> = errors.iter().map(|e| f64::from(*e <= 5.0)).collect();
        let (ece, reliability) = calibration(labelled);
        Self {
            task: labelled.task(),
            pictures: labelled.len(),
            loss: Interval::of_mean(&labelled.losses()),
            accuracy: within(0),
            one_off: has_age.then(|| within(1)),
            mae: has_age.then(|| Interval::of_mean(&errors)),
            cs5: has_age.then(|| Interval::of_mean(&close)),
            ece,
            baseline: ConstantBaseline::new(labelled),
            reliability,
            slices: slices(labelled),
        }
    }

    /// What the best constant prediction reaches in a metric; `None` for metrics without one.
    pub fn constant(&self, metric: Metric) -> Option<f64> {
        self.values().into_iter().find(|(own, ..)| *own == metric)?.2
    }

    /// Each metric with its value and that of the best constant prediction, in the order of
    /// publication. [`Metric::has_interval`] says whether the interval is more than the value.
    pub fn values(&self) -> Vec<(Metric, Interval, Option<f64>)> {
        let ConstantBaseline { accuracy, one_off, mae, cs5 } = self.baseline;
        let mut values = vec![(Metric::Accuracy, self.accuracy, Some(accuracy))];
        values.extend(self.one_off.map(|i| (Metric::OneOff, i, one_off)));
        values.extend(self.mae.map(|i| (Metric::Mae, i, mae)));
        values.extend(self.cs5.map(|i| (Metric::Cs5, i, cs5)));
        let ece = Interval { value: self.ece, low: self.ece, high: self.ece };
        values.push((Metric::Ece, ece, None));
        values.push((Metric::Loss, self.loss, None));
        values
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "on {}, with 95 % confidence intervals:", counted(self.pictures, "image"))?;
        for (metric, value, baseline) in self.values() {
            write!(f, "\n{:<18}{}", metric.name(), metric.format_interval(&value))?;
            if let Some(baseline) = baseline {
                write!(f, ", best constant prediction {}", metric.format(baseline))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Predictions;
    use crate::task::{Gender, Label};

    #[test]
    fn metrics_of_a_hand_made_case() {
        let sure = |class: usize| {
            (0..12).map(|i| if i == class { 0.89 } else { 0.01 }).collect::<Vec<_>>()
        };
        let label = |age| Label { age, gender: Gender::Female, race: Some(0) };
        let labelled = LabelledPredictions::new(
            Predictions {
                task: Task::age_group(),
                probabilities: vec![sure(0), sure(1), sure(5), sure(11)],
                years: vec![3.0, 8.0, 28.0, 58.0],
            },
            [3, 12, 8, 58].map(label).to_vec(),
        );
        let metrics = Metrics::new(&labelled);
        assert_eq!(metrics.accuracy.value, 0.5);
        assert_eq!(metrics.one_off.unwrap().value, 0.75);
        assert_eq!(metrics.mae.unwrap().value, 6.0); // 0, 4, 20, 0
        assert_eq!(metrics.cs5.unwrap().value, 0.75);
        assert!((metrics.ece - (0.89 - 0.5)).abs() < 1e-12);
        assert!(
            (metrics.loss.value - (2.0 * -(0.89f64.ln()) - 2.0 * 0.01f64.ln()) / 4.0).abs() < 1e-12
        );
        let baseline = metrics.baseline;
        assert_eq!((baseline.accuracy, baseline.one_off), (0.25, Some(0.75)));
        assert_eq!((baseline.mae, baseline.cs5), (Some(14.75), Some(0.75))); // always 12; always 8
        assert!(metrics.to_string().contains("MAE               6.00 years"));
    }
}
