//! Predictions with the labels of the same images.

use super::Predictions;
use super::predictions::most_likely;
use crate::task::{Label, Task};

/// Predictions of one head, with the labels of the images.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LabelledPredictions {
    /// Predictions.
    pub predictions: Predictions,
    /// Label of each image.
    pub labels: Vec<Label>,
    /// True class of each image.
    pub truth: Vec<usize>,
}

impl LabelledPredictions {
    /// Combines predictions with labels in the same order.
    pub fn new(predictions: Predictions, labels: Vec<Label>) -> Self {
        let class = |label| predictions.task.class_of(label);
        Self { truth: labels.iter().map(class).collect(), predictions, labels }
    }

    /// The predicted task: gender or an age.
    pub fn task(&self) -> Task {
        self.predictions.task
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.truth.len()
    }

    /// The most likely class of each image.
    pub fn classes(&self) -> Vec<usize> {
        self.predictions.probabilities.iter().map(|p| most_likely(p)).collect()
    }

    /// Distance between predicted and true class for each image, in classes.
    pub fn distances(&self) -> Vec<usize> {
        self.classes()
            .into_iter()
            .zip(&self.truth)
            .map(|(class, truth)| class.abs_diff(*truth))
            .collect()
    }

    /// Absolute error of the expected age for each image, in years; empty for gender.
    pub fn errors(&self) -> Vec<f64> {
        self.predictions
            .years
            .iter()
            .zip(&self.labels)
            .map(|(years, label)| (years - f64::from(label.age)).abs())
            .collect()
    }

    /// Cross-entropy of the true class for each image, in nats.
    pub fn losses(&self) -> Vec<f64> {
        self.predictions
            .probabilities
            .iter()
            .zip(&self.truth)
            .map(|(p, truth)| -p[*truth].max(1e-12).ln())
            .collect()
    }

    /// Mean cross-entropy of the true classes, in nats.
    pub fn loss(&self) -> f64 {
        mean(&self.losses())
    }

    /// Share of correct predictions, 0 to 1.
    pub fn accuracy(&self) -> f64 {
        let right: Vec<f64> = self.distances().iter().map(|d| f64::from(*d == 0)).collect();
        mean(&right)
    }

    /// Mean absolute error of the expected age, in years; `None` for gender.
    pub fn mae(&self) -> Option<f64> {
        self.task().has_age().then(|| mean(&self.errors()))
    }

    /// Precision, recall, F1 score (each 0 to 1, NaN where undefined) and number of images of each
    /// class.
    #[cfg(feature = "tables")]
    pub fn by_class(&self) -> Vec<([f64; 3], u64)> {
        let confusion = self.confusion();
        let of = |class: usize| {
            let right = confusion[class][class] as f64;
            let support: u64 = confusion[class].iter().sum();
            let predicted: u64 = confusion.iter().map(|row| row[class]).sum();
            let (precision, recall) = (right / predicted as f64, right / support as f64);
            let f1 = 2.0 * right / (predicted + support) as f64;
            ([precision, recall, f1], support)
        };
        (0..confusion.len()).map(of).collect()
    }

    /// Confusion matrix: how often each true class (row) was predicted as each class (column).
    #[cfg(feature = "tables")]
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

#[cfg(all(test, feature = "tables"))]
mod tests {
    use super::*;
    use crate::task::Gender;

    #[test]
    fn precision_and_recall_are_shares_of_columns_and_rows() {
        let sure = |female: bool| vec![f64::from(!female), f64::from(female)];
        // Of three men one is taken for a woman; of one woman none is found.
        let probabilities = [true, false, false, false].map(sure).to_vec();
        let predictions = Predictions { task: Task::Gender, probabilities, years: vec![] };
        let labels = [Gender::Male, Gender::Male, Gender::Male, Gender::Female];
        let labels = labels.map(|gender| Label::new(30, gender)).to_vec();
        let labelled = LabelledPredictions::new(predictions, labels);
        assert_eq!(labelled.confusion(), [[2, 1], [1, 0]]);
        let [male, female] = labelled.by_class()[..] else { panic!("two classes") };
        let two_thirds = 2.0 / 3.0;
        assert_eq!(male, ([two_thirds, two_thirds, two_thirds], 3));
        assert_eq!(female, ([0.0, 0.0, 0.0], 1));
    }
}
