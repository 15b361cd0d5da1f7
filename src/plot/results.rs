//! Charts of evaluations, trainings and searches.

use anyhow::{Context, Result};
use charts::format::percent;
use polars::prelude::df;

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
        let tried = || trials.iter().filter(|trial| trial.accuracy.is_finite());
        let best = tried().max_by(|a, b| a.accuracy.total_cmp(&b.accuracy));
        let best = best.context("there is nothing to plot: no setting was tried")?;
        let note = format!(
            "{} of {} settings tried; best: {} with batches of {} and a learning rate of {:e}",
            tried().count(),
            trials.len(),
            percent(best.accuracy),
            best.batch,
            best.learning_rate
        );
        let table = df![
            "Learning rate" => trials.iter().map(|t| format!("{:e}", t.learning_rate)).collect::<Vec<_>>(),
            "Batch size" => trials.iter().map(|t| t.batch.to_string()).collect::<Vec<_>>(),
            "accuracy" => trials.iter().map(|t| t.accuracy).collect::<Vec<_>>(),
            "words" => trials.iter().map(|t| percent(t.accuracy)).collect::<Vec<_>>(),
        ]?;
        let chart = plot::chart(&table).x("Learning rate").y("Batch size").color("accuracy");
        let chart = chart.text("words").heat_map().outline_highest();
        Ok(chart.title("Validation accuracy").note(&note))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_setting_is_outlined_and_missing_ones_are_gray() {
        let trial = |batch, learning_rate, accuracy| SearchTrial {
            batch,
            learning_rate,
            epochs: 3,
            loss: 0.5,
            accuracy,
            minutes: 1.0,
        };
        let untried = trial(32, 0.01, f64::NAN);
        let trials =
            [trial(64, 0.1, 0.5), trial(32, 0.1, 0.75), untried.clone(), trial(64, 0.01, 0.6)];
        let figure = SearchTrial::plot(&trials).unwrap().figure().unwrap();
        let svg = figure.svg();
        assert!(svg.contains("3 of 4 settings tried; best: 75.0 % with batches of 32"), "{svg}");
        assert!(svg.contains(">\n50.0 %\n<"), "as many digits as the note: {svg}");
        assert_eq!(svg.matches("stroke-width=\"4\"").count(), 1);
        assert_eq!(svg.matches(">\n-\n<").count(), 1, "the missing cell");
        let equal = SearchTrial::plot(&[trial(64, 0.1, 0.5), trial(32, 0.1, 0.5)]).unwrap();
        assert_eq!(equal.figure().unwrap().svg().matches("stroke-width=\"4\"").count(), 2);
        assert!(SearchTrial::plot(&[untried]).is_err());
    }
}
