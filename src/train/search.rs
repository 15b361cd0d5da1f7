//! Search over batch size and learning rate.

use anyhow::{Context, Result, ensure};
use polars::prelude::*;

use super::{Recipe, Trained, Training};
use crate::dataset::{Faces, Split};
use crate::model::NetConfig;
use crate::plot::{self, Figure};
use crate::progress::say;

/// One setting and how it did on the validation part.
#[derive(Debug, Clone, PartialEq)]
struct Trial {
    batch: usize,
    learning_rate: f64,
    epochs: usize,
    loss: f64,
    accuracy: f64,
    minutes: f64,
}

/// What a [`search`] found.
#[derive(Debug)]
pub struct Search {
    trials: Vec<Trial>,
    /// The net with the highest validation accuracy.
    pub best: Trained,
}

/// Trains one net for each batch size and learning rate, and compares them on the validation
/// part. Settings trained before are loaded, so a search that was stopped goes on.
///
/// # Errors
/// No settings to try, or what [`Training::run`] returns.
pub fn search(
    faces: &Faces,
    split: &Split,
    net: &NetConfig,
    recipe: &Recipe,
    batches: &[usize],
    learning_rates: &[f64],
) -> Result<Search> {
    ensure!(
        !batches.is_empty() && !learning_rates.is_empty(),
        "name at least one batch size and one learning rate"
    );
    let mut trials = vec![];
    let mut best: Option<Trained> = None;
    let mut top = f64::NEG_INFINITY;
    for &batch in batches {
        for &learning_rate in learning_rates {
            say(&format!("batch {batch}, learning rate {learning_rate}"));
            let recipe = Recipe {
                batch,
                learning_rate,
                ..recipe.clone()
            };
            let trained = Training::new(faces, split)
                .net(net.clone())
                .recipe(recipe)
                .run()?;
            let card = &trained.card;
            let first = card.validation.first().context("no head was validated")?;
            let (loss, accuracy) = (first.loss.value, first.accuracy.value);
            trials.push(Trial {
                batch,
                learning_rate,
                epochs: card.history.epochs.len(),
                loss,
                accuracy,
                minutes: card.minutes,
            });
            if accuracy > top {
                top = accuracy;
                best = Some(trained);
            }
        }
    }
    Ok(Search {
        trials,
        best: best.context("no setting was tried")?,
    })
}

impl Search {
    /// One row a setting: batch, learning rate, epochs, validation loss and accuracy, minutes.
    ///
    /// # Errors
    /// None that a search's own numbers can cause.
    pub fn table(&self) -> Result<DataFrame> {
        let column = |value: fn(&Trial) -> f64| self.trials.iter().map(value).collect::<Vec<_>>();
        Ok(df!(
            "batch" => self.trials.iter().map(|t| t.batch as u32).collect::<Vec<_>>(),
            "learning rate" => column(|t| t.learning_rate),
            "epochs" => self.trials.iter().map(|t| t.epochs as u32).collect::<Vec<_>>(),
            "validation loss" => column(|t| t.loss),
            "validation accuracy" => column(|t| t.accuracy),
            "minutes" => column(|t| t.minutes),
        )?)
    }

    /// Validation accuracy by batch size and learning rate.
    ///
    /// # Errors
    /// A plot that can't be drawn.
    pub fn plot(&self) -> Result<Figure> {
        let mut batches: Vec<usize> = self.trials.iter().map(|t| t.batch).collect();
        batches.sort_unstable();
        batches.dedup();
        let mut rates: Vec<f64> = self.trials.iter().map(|t| t.learning_rate).collect();
        rates.sort_by(f64::total_cmp);
        rates.dedup();
        let values: Vec<Vec<Option<f64>>> = batches
            .iter()
            .map(|batch| {
                let at = |rate: &f64| {
                    self.trials
                        .iter()
                        .find(|t| t.batch == *batch && t.learning_rate == *rate)
                };
                rates
                    .iter()
                    .map(|rate| at(rate).map(|t| t.accuracy))
                    .collect()
            })
            .collect();
        plot::score_map(
            "Validation accuracy",
            "Learning rate",
            &rates
                .iter()
                .map(|rate| format!("{rate:e}"))
                .collect::<Vec<_>>(),
            "Batch size",
            &batches.iter().map(usize::to_string).collect::<Vec<_>>(),
            &values,
        )
    }
}
