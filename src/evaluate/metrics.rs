//! Answers of a net, and what they are worth.

use std::fmt;

use anyhow::{Result, ensure};
use polars::prelude::*;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::Interval;
use crate::Task;
use crate::dataset::Faces;
use crate::model::Net;
use crate::plot::{self, Figure};
use crate::progress::{Progress, thousands};

/// How many pictures are answered at a time.
const BATCH: i64 = 500;

/// A net's answers for some pictures, beside the truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// What was estimated.
    pub task: Task,
    /// Probability of each class, one row a picture.
    pub probabilities: Vec<Vec<f64>>,
    /// The true class of each picture.
    pub truth: Vec<usize>,
    /// The true age of each picture, years.
    pub ages: Vec<u32>,
}

/// Has the net answer for the pictures at `indices`.
///
/// # Errors
/// No pictures, an index outside the set, pictures that can't be decoded, or the net failing.
pub fn answers(net: &Net, task: Task, faces: &Faces, indices: &[usize]) -> Result<Answers> {
    answers_in(Kind::Float, net, task, faces, indices)
}

/// [`answers`] in another kind of number: training validates in the kind it trains in.
pub(crate) fn answers_in(
    kind: Kind,
    net: &Net,
    task: Task,
    faces: &Faces,
    indices: &[usize],
) -> Result<Answers> {
    ensure!(!indices.is_empty(), "there are no pictures to evaluate on");
    let labels = indices
        .iter()
        .map(|i| Ok(faces.record(*i)?.label))
        .collect::<Result<Vec<_>>>()?;
    let pictures = faces.pictures(net.config().input)?.tensor;
    let rows: Vec<i64> = indices.iter().map(|i| *i as i64).collect();
    let progress = Progress::after(
        10,
        "evaluating, pictures / 500",
        rows.len().div_ceil(BATCH as usize),
    );
    let mut probabilities = Vec::with_capacity(rows.len());
    for some in rows.chunks(BATCH as usize) {
        let chosen = pictures.f_index_select(0, &Tensor::f_from_slice(some)?)?;
        probabilities.extend(net.probabilities_in(kind, &chosen)?);
        progress.step();
    }
    Ok(Answers {
        task,
        probabilities,
        truth: labels.iter().map(|label| task.class_of(label)).collect(),
        ages: labels.iter().map(|label| label.age).collect(),
    })
}

impl Answers {
    /// The class with the highest probability, a picture.
    pub fn classes(&self) -> Vec<usize> {
        self.probabilities.iter().map(|p| most_likely(p)).collect()
    }

    fn each(&self, value: impl Fn(usize, usize) -> f64) -> Vec<f64> {
        self.classes()
            .into_iter()
            .zip(&self.truth)
            .map(|(answer, truth)| value(answer, *truth))
            .collect()
    }

    fn losses(&self) -> Vec<f64> {
        self.probabilities
            .iter()
            .zip(&self.truth)
            .map(|(p, truth)| -p[*truth].max(1e-12).ln())
            .collect()
    }

    /// Mean cross-entropy of the true classes, nats.
    pub fn loss(&self) -> f64 {
        self.losses().iter().sum::<f64>() / self.truth.len() as f64
    }

    /// Share of right answers, 0 to 1.
    pub fn accuracy(&self) -> f64 {
        self.each(|answer, truth| f64::from(answer == truth))
            .iter()
            .sum::<f64>()
            / self.truth.len() as f64
    }

    /// How often each true class (row) was answered as each class (column).
    pub fn confusion(&self) -> Vec<Vec<u64>> {
        let n = self.task.classes().len();
        let mut counts = vec![vec![0; n]; n];
        for (answer, truth) in self.classes().into_iter().zip(&self.truth) {
            counts[*truth][answer] += 1;
        }
        counts
    }
}

/// The class with the highest probability; the first of equals.
pub(crate) fn most_likely(probabilities: &[f64]) -> usize {
    (0..probabilities.len())
        .reduce(|best, i| {
            if probabilities[i] > probabilities[best] {
                i
            } else {
                best
            }
        })
        .unwrap_or(0)
}

/// The numbers that are published of a net.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// How many pictures they were measured on.
    pub pictures: usize,
    /// Mean cross-entropy, nats.
    pub loss: Interval,
    /// Share of right answers, 0 to 1.
    pub accuracy: Interval,
    /// Age: share of answers that are right or one group off, 0 to 1.
    pub one_off: Option<Interval>,
    /// Age: mean absolute error in years of the expected age, each group standing for its
    /// middle.
    pub mae: Option<Interval>,
    /// What always answering the most frequent class would reach, 0 to 1.
    pub most_frequent: f64,
}

impl Metrics {
    /// Measures answers.
    pub fn of(answers: &Answers) -> Self {
        let task = answers.task;
        let is_age = task != Task::Gender;
        let years = || -> Vec<f64> {
            let expected = |p: &Vec<f64>| {
                p.iter()
                    .enumerate()
                    .map(|(group, p)| p * task.middle(group))
                    .sum::<f64>()
            };
            answers
                .probabilities
                .iter()
                .zip(&answers.ages)
                .map(|(p, age)| (expected(p) - f64::from(*age)).abs())
                .collect()
        };
        let mut counts = vec![0usize; task.classes().len()];
        answers.truth.iter().for_each(|truth| counts[*truth] += 1);
        Self {
            pictures: answers.truth.len(),
            loss: Interval::of_mean(&answers.losses()),
            accuracy: Interval::of_mean(&answers.each(|answer, truth| f64::from(answer == truth))),
            one_off: is_age.then(|| {
                Interval::of_mean(
                    &answers.each(|answer, truth| f64::from(answer.abs_diff(truth) <= 1)),
                )
            }),
            mae: is_age.then(|| Interval::of_mean(&years())),
            most_frequent: counts.into_iter().max().unwrap_or(0) as f64
                / answers.truth.len().max(1) as f64,
        }
    }

    /// One row a metric: name, value, lower and upper end of the 95 % interval.
    ///
    /// # Errors
    /// None that metrics can cause.
    pub fn table(&self) -> Result<DataFrame> {
        let mut rows = vec![("loss", self.loss), ("accuracy", self.accuracy)];
        rows.extend(self.one_off.map(|one_off| ("one-off accuracy", one_off)));
        rows.extend(self.mae.map(|mae| ("MAE (years)", mae)));
        let column =
            |value: fn(&Interval) -> f64| rows.iter().map(|(_, i)| value(i)).collect::<Vec<_>>();
        Ok(df!(
            "metric" => rows.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            "value" => column(|i| i.value),
            "low" => column(|i| i.low),
            "high" => column(|i| i.high),
        )?)
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "on {} pictures, with 95 % intervals:",
            thousands(self.pictures)
        )?;
        writeln!(f, "loss              {}", self.loss)?;
        write!(
            f,
            "accuracy          {}; always the most frequent class: {:.1} %",
            self.accuracy.percent(),
            self.most_frequent * 100.0
        )?;
        if let Some(one_off) = self.one_off {
            write!(f, "\none-off accuracy  {}", one_off.percent())?;
        }
        if let Some(mae) = self.mae {
            write!(
                f,
                "\nMAE               {:.2} years ({:.2} to {:.2})",
                mae.value, mae.low, mae.high
            )?;
        }
        Ok(())
    }
}

/// A net measured on some pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The answers.
    pub answers: Answers,
    /// What they are worth.
    pub metrics: Metrics,
}

/// Measures a net on the pictures at `indices`.
///
/// # Errors
/// As [`answers`].
pub fn evaluate(net: &Net, task: Task, faces: &Faces, indices: &[usize]) -> Result<Evaluation> {
    let answers = answers(net, task, faces, indices)?;
    Ok(Evaluation {
        metrics: Metrics::of(&answers),
        answers,
    })
}

impl Evaluation {
    /// Which class was taken for which, as a heat map.
    ///
    /// # Errors
    /// A plot that can't be drawn.
    pub fn confusion(&self) -> Result<Figure> {
        let task = self.answers.task;
        plot::confusion(
            &format!("Confusion: {task}"),
            &task.classes(),
            &self.answers.confusion(),
        )
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.answers.task, self.metrics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_of_a_hand_made_case() {
        let sure = |class: usize| {
            (0..12)
                .map(|i| if i == class { 0.89 } else { 0.01 })
                .collect::<Vec<_>>()
        };
        let answers = Answers {
            task: Task::age(),
            probabilities: vec![sure(0), sure(1), sure(5), sure(11)],
            truth: vec![0, 2, 1, 11],
            ages: vec![3, 12, 8, 58],
        };
        let metrics = Metrics::of(&answers);
        assert_eq!(metrics.accuracy.value, 0.5);
        assert_eq!(metrics.one_off.unwrap().value, 0.75);
        assert!(
            (metrics.loss.value - (2.0 * -(0.89f64.ln()) - 2.0 * 0.01f64.ln()) / 4.0).abs() < 1e-12
        );
        assert_eq!(metrics.most_frequent, 0.25);
        let confusion = answers.confusion();
        assert_eq!(
            (confusion[2][1], confusion[1][5], confusion[0][0]),
            (1, 1, 1)
        );
        assert_eq!(confusion.iter().flatten().sum::<u64>(), 4);
    }
}
