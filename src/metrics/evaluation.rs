//! A net measured on pictures.

use std::fmt;

use anyhow::{Context, Result};

use super::{LabelledPredictions, Metrics};
use crate::Task;

/// One head of a net, measured on some pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadEvaluation {
    /// What was predicted, beside the labels.
    pub labelled: LabelledPredictions,
    /// How good that is.
    pub metrics: Metrics,
}

/// A net measured on some pictures: one entry a head, gender before age.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The heads.
    pub heads: Vec<HeadEvaluation>,
}

impl Evaluation {
    /// Measures predictions, one entry a head.
    pub fn of(labelled: Vec<LabelledPredictions>) -> Self {
        let heads = labelled
            .into_iter()
            .map(|labelled| HeadEvaluation { metrics: Metrics::of(&labelled), labelled })
            .collect();
        Self { heads }
    }

    /// The metrics alone.
    pub fn metrics(&self) -> Vec<Metrics> {
        self.heads.iter().map(|head| head.metrics.clone()).collect()
    }

    /// The head for gender.
    ///
    /// # Errors
    /// A net that does not predict it.
    pub fn gender(&self) -> Result<&HeadEvaluation> {
        self.head(|task| task == Task::Gender).context("this net does not predict gender")
    }

    /// The head for age.
    ///
    /// # Errors
    /// A net that does not predict it.
    pub fn age(&self) -> Result<&HeadEvaluation> {
        self.head(Task::has_age).context("this net does not predict age")
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
