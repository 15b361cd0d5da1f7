//! A net measured on pictures.

use std::fmt;

use anyhow::{Context, Result};

use super::{Answers, Metrics};
use crate::Task;
use crate::plot::{self, Figure};

/// One head of a net, measured on some pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The answers.
    pub answers: Answers,
    /// What they are worth.
    pub metrics: Metrics,
}

/// A net measured on some pictures: one entry a head, gender before age.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The heads.
    pub heads: Vec<Measured>,
}

impl Evaluation {
    /// Measures answers, one entry a head.
    pub fn of(answers: Vec<Answers>) -> Self {
        let heads = answers
            .into_iter()
            .map(|answers| Measured {
                metrics: Metrics::of(&answers),
                answers,
            })
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
    /// A net that does not estimate it.
    pub fn gender(&self) -> Result<&Measured> {
        self.head(|task| task == Task::Gender)
            .context("this net does not estimate gender")
    }

    /// The head for age.
    ///
    /// # Errors
    /// A net that does not estimate it.
    pub fn age(&self) -> Result<&Measured> {
        self.head(Task::has_age)
            .context("this net does not estimate age")
    }

    fn head(&self, wanted: impl Fn(Task) -> bool) -> Option<&Measured> {
        self.heads.iter().find(|head| wanted(head.answers.task()))
    }

    /// Which class was taken for which, as a heat map: of the only head, or of age.
    ///
    /// # Errors
    /// A plot that can't be drawn.
    pub fn confusion(&self) -> Result<Figure> {
        self.heads
            .last()
            .context("nothing was measured")?
            .confusion()
    }
}

impl Measured {
    fn title(&self, what: &str) -> String {
        format!("{what}: {}", self.answers.task())
    }

    /// Which class was taken for which, as a heat map.
    ///
    /// # Errors
    /// A plot that can't be drawn.
    pub fn confusion(&self) -> Result<Figure> {
        plot::confusion(
            &self.title("Confusion"),
            &self.answers.task().classes(),
            &self.answers.confusion(),
        )
    }

    /// Confidence against accuracy.
    ///
    /// # Errors
    /// A plot that can't be drawn.
    pub fn reliability(&self) -> Result<Figure> {
        plot::reliability(&self.title("Reliability"), &self.metrics)
    }

    /// Accuracy or error by age band, gender and race.
    ///
    /// # Errors
    /// A plot that can't be drawn.
    pub fn breakdown(&self) -> Result<Figure> {
        plot::breakdown(&self.title("For whom"), &self.metrics)
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, head) in self.heads.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{}, {}", head.answers.task(), head.metrics)?;
        }
        Ok(())
    }
}
