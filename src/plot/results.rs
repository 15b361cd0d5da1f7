//! Charts of evaluations, trainings and searches.

use anyhow::{Context, Result};

use crate::experiment::{Search, SearchTrial};
use crate::metrics::{Evaluation, HeadEvaluation};
use crate::plot::{self, Chart};
use crate::store::{Card, Model, Trained};

impl Trained {
    /// Loss and accuracy on the training and validation sets by epoch.
    ///
    /// # Errors
    /// A history without epochs.
    pub fn curves(&self) -> Result<Chart> {
        curves(self.name().as_deref(), &self.card)
    }
}

impl Model {
    /// Draws [`Trained::curves`] without the weights.
    ///
    /// # Errors
    /// A history without epochs.
    pub fn curves(&self) -> Result<Chart> {
        curves(Some(&self.name), &self.card)
    }
}

fn curves(name: Option<&str>, card: &Card) -> Result<Chart> {
    let task = card.task;
    let title = match name {
        Some(name) => format!("Training of {name}: {task}"),
        None => format!("Training: {task}"),
    };
    plot::curves(&title, &card.history)
}

impl Evaluation {
    /// Confusion matrix of the only head, or of the one for age.
    ///
    /// # Errors
    /// A plot that can't be drawn.
    pub fn confusion(&self) -> Result<Chart> {
        let last = self.heads.last().context("the evaluation has no heads")?;
        last.confusion()
    }
}

impl HeadEvaluation {
    fn title(&self, what: &str) -> String {
        format!("{what}: {}", self.labelled.task())
    }

    /// Confusion matrix.
    ///
    /// # Errors
    /// A plot that can't be drawn.
    pub fn confusion(&self) -> Result<Chart> {
        let (title, classes) = (self.title("Confusion"), self.labelled.task().classes());
        plot::confusion(&title, &classes, &self.labelled.confusion())
    }

    /// Reliability diagram: accuracy by confidence.
    ///
    /// # Errors
    /// A plot that can't be drawn.
    pub fn reliability(&self) -> Result<Chart> {
        plot::reliability(&self.title("Reliability"), &self.metrics)
    }

    /// Accuracy or error by age band, gender and race.
    ///
    /// # Errors
    /// A plot that can't be drawn.
    pub fn breakdown(&self) -> Result<Chart> {
        plot::breakdown(&self.title("By group"), &self.metrics)
    }
}

impl Search {
    /// Validation accuracy by batch size and learning rate.
    ///
    /// # Errors
    /// A plot that can't be drawn.
    pub fn plot(&self) -> Result<Chart> {
        SearchTrial::plot(&self.trials)
    }
}

impl SearchTrial {
    /// [`Search::plot`] of some trials, gray where they were not tried yet.
    ///
    /// # Errors
    /// No setting that was tried.
    pub fn plot(trials: &[Self]) -> Result<Chart> {
        let mut batches: Vec<usize> = trials.iter().map(|t| t.batch).collect();
        let mut rates: Vec<f64> = trials.iter().map(|t| t.learning_rate).collect();
        batches.sort_unstable();
        batches.dedup();
        rates.sort_by(f64::total_cmp);
        rates.dedup();
        let accuracy = |batch: usize, rate: f64| {
            let found = trials.iter().find(|t| t.batch == batch && t.learning_rate == rate);
            found.map(|trial| trial.accuracy)
        };
        let row = |batch: &usize| rates.iter().map(|rate| accuracy(*batch, *rate)).collect();
        let values: Vec<Vec<Option<f64>>> = batches.iter().map(row).collect();
        let rates: Vec<String> = rates.iter().map(|rate| format!("{rate:e}")).collect();
        let batches: Vec<String> = batches.iter().map(usize::to_string).collect();
        let (x, y) = (("Learning rate", &rates[..]), ("Batch size", &batches[..]));
        plot::score_map("Validation accuracy", x, y, &values)
    }
}
