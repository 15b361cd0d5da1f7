//! Evaluation of a network on images.

use std::fmt;

use anyhow::{Context, Result};

use super::{LabelledPredictions, Metrics};
use crate::Task;

/// One head of a network, evaluated on images.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadEvaluation {
    /// Predictions and labels.
    pub labelled: LabelledPredictions,
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
    /// Evaluates predictions, one entry per head.
    pub fn new(labelled: Vec<LabelledPredictions>) -> Self {
        let heads = labelled
            .into_iter()
            .map(|labelled| HeadEvaluation { metrics: Metrics::new(&labelled), labelled })
            .collect();
        Self { heads }
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
