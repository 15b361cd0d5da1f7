//! Predictions beside the labels of the same pictures.

use super::Predictions;
use super::predictions::most_likely;
use crate::task::{Label, Task};

/// What one head predicts for some pictures, beside their labels.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledPredictions {
    /// What is predicted.
    pub predictions: Predictions,
    /// The label of each picture.
    pub labels: Vec<Label>,
    /// The true class of each picture.
    pub truth: Vec<usize>,
}

impl LabelledPredictions {
    /// Puts labels beside predictions, in the same order.
    pub fn new(predictions: Predictions, labels: Vec<Label>) -> Self {
        let class = |label| predictions.task.class_of(label);
        Self { truth: labels.iter().map(class).collect(), predictions, labels }
    }

    /// What is predicted: gender or an age.
    pub fn task(&self) -> Task {
        self.predictions.task
    }

    /// How many pictures there are.
    pub fn len(&self) -> usize {
        self.truth.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.truth.is_empty()
    }

    /// The class with the highest probability, a picture.
    pub fn classes(&self) -> Vec<usize> {
        self.predictions.probabilities.iter().map(|p| most_likely(p)).collect()
    }

    /// How far off the predicted class is, in classes, a picture.
    pub fn distances(&self) -> Vec<usize> {
        self.classes()
            .into_iter()
            .zip(&self.truth)
            .map(|(class, truth)| class.abs_diff(*truth))
            .collect()
    }

    /// How far off the expected age is, in years, a picture; empty for gender.
    pub fn errors(&self) -> Vec<f64> {
        self.predictions
            .years
            .iter()
            .zip(&self.labels)
            .map(|(years, label)| (years - f64::from(label.age)).abs())
            .collect()
    }

    /// Cross-entropy of the true class, nats, a picture.
    pub fn losses(&self) -> Vec<f64> {
        self.predictions
            .probabilities
            .iter()
            .zip(&self.truth)
            .map(|(p, truth)| -p[*truth].max(1e-12).ln())
            .collect()
    }

    /// Mean cross-entropy of the true classes, nats.
    pub fn loss(&self) -> f64 {
        mean(&self.losses())
    }

    /// Share of right predictions, 0 to 1.
    pub fn accuracy(&self) -> f64 {
        let right: Vec<f64> = self.distances().iter().map(|d| f64::from(*d == 0)).collect();
        mean(&right)
    }

    /// Mean absolute error of the expected age, years; none for gender.
    pub fn mae(&self) -> Option<f64> {
        self.task().has_age().then(|| mean(&self.errors()))
    }

    /// How often each true class (row) was predicted as each class (column).
    pub fn confusion(&self) -> Vec<Vec<u64>> {
        let n = self.task().classes().len();
        let mut counts = vec![vec![0; n]; n];
        for (class, truth) in self.classes().into_iter().zip(&self.truth) {
            counts[*truth][class] += 1;
        }
        counts
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
