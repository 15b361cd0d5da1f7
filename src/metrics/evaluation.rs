//! Evaluation of a network on images.

use std::fmt;

use anyhow::{Context, Result};
#[cfg(feature = "tables")]
use polars::prelude::{DataFrame, df};

use super::{LabelledPredictions, Metrics, Predictions};
use crate::task::{Label, Task};

/// One head of a network, evaluated on images.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadEvaluation {
    pub(crate) labelled: LabelledPredictions,
    /// Metrics of the predictions.
    pub metrics: Metrics,
}

/// A network evaluated on images: one entry per head, gender before age.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// One entry per head.
    pub heads: Vec<HeadEvaluation>,
}

impl Evaluation {
    /// Evaluates predictions, one entry per head, with the labels of the same images in their order.
    pub fn new(heads: Vec<Predictions>, labels: &[Label]) -> Self {
        let evaluate = |predictions| {
            let labelled = LabelledPredictions::new(predictions, labels.to_vec());
            HeadEvaluation { metrics: Metrics::new(&labelled), labelled }
        };
        Self { heads: heads.into_iter().map(evaluate).collect() }
    }

    /// The metrics of each head.
    pub fn metrics(&self) -> Vec<Metrics> {
        self.heads.iter().map(|head| head.metrics.clone()).collect()
    }

    /// Returns the head for gender.
    ///
    /// # Errors
    /// A network that does not predict gender.
    pub fn gender(&self) -> Result<&HeadEvaluation> {
        self.head(|task| task == Task::Gender).context("this network does not predict gender")
    }

    /// Returns the head for age.
    ///
    /// # Errors
    /// A network that does not predict age.
    pub fn age(&self) -> Result<&HeadEvaluation> {
        self.head(Task::has_age).context("this network does not predict age")
    }

    fn head(&self, wanted: impl Fn(Task) -> bool) -> Option<&HeadEvaluation> {
        self.heads.iter().find(|head| wanted(head.labelled.task()))
    }
}

impl HeadEvaluation {
    /// What was predicted: probabilities and ages, in the order of the images.
    pub fn predictions(&self) -> &Predictions {
        &self.labelled.predictions
    }

    /// One row per class: `class`, `precision`, `recall` and `f1` (0 to 1), and `support`, its number
    /// of images, as scikit-learn's `classification_report`.
    ///
    /// # Errors
    /// Only internal errors of polars.
    #[cfg(feature = "tables")]
    pub fn by_class(&self) -> Result<DataFrame> {
        let rows = self.labelled.by_class();
        let column = |of: usize| rows.iter().map(|row| row.0[of]).collect::<Vec<_>>();
        Ok(df!(
            "class" => self.labelled.task().classes(),
            "precision" => column(0),
            "recall" => column(1),
            "f1" => column(2),
            "support" => rows.iter().map(|row| row.1 as u32).collect::<Vec<_>>(),
        )?)
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, head) in self.heads.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{}, {}", head.labelled.task(), head.metrics)?;
        }
        Ok(())
    }
}
