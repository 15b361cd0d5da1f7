//! Search over batch size and learning rate.

use anyhow::{Context, Result, ensure};
#[cfg(feature = "tables")]
use polars::prelude::{DataFrame, df};

use super::Training;
use crate::store::Trained;
use utils::live::{self, Live};
use utils::progress::say;

/// One setting and how it did on the validation set; NaN where it was not tried yet.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchTrial {
    /// Batch size.
    pub batch: usize,
    /// The (highest) learning rate.
    pub learning_rate: f64,
    /// Epochs it was trained for.
    pub epochs: usize,
    /// Validation loss of the first head, nats.
    pub loss: f64,
    /// Validation accuracy of the first head, 0 to 1.
    pub accuracy: f64,
    /// Minutes of training.
    pub minutes: f64,
}

/// What [`Training::search`] found.
#[derive(Debug)]
pub struct Search {
    /// One entry a setting.
    pub trials: Vec<SearchTrial>,
    /// The network with the highest validation accuracy.
    pub best: Trained,
}

impl Training {
    /// Trains one network for each batch size and learning rate, and compares them on the validation
    /// part. Settings trained before are loaded, so a search that was stopped goes on.
    ///
    /// # Errors
    /// No settings to try, one that can't train (its range is named), images that can't be
    /// decoded, a loss that is not a number, or a folder that can't be written.
    pub fn search(&self, batches: &[usize], learning_rates: &[f64]) -> Result<Search> {
        ensure!(
            !batches.is_empty() && !learning_rates.is_empty(),
            "name at least one batch size and one learning rate"
        );
        let setting = |&batch: &usize| {
            learning_rates.iter().map(move |&learning_rate| SearchTrial::new(batch, learning_rate))
        };
        let mut trials: Vec<SearchTrial> = batches.iter().flat_map(setting).collect();
        let all = trials.len();
        let mut best: Option<Trained> = None;
        let mut highest = f64::NEG_INFINITY;
        let live = Live::open();
        for i in 0..all {
            let SearchTrial { batch, learning_rate, .. } = trials[i];
            if live.is_none() {
                say(&format!("batch {batch}, learning rate {learning_rate}"));
            }
            let training = self.clone().batch(batch).learning_rate(learning_rate);
            let trained = training.train_or_load()?;
            let card = &trained.card;
            let first = card.validation.first().context("no head was validated")?;
            trials[i].epochs = card.history.epochs.len();
            trials[i].minutes = card.minutes;
            trials[i].loss = first.loss.value;
            trials[i].accuracy = first.accuracy.value;
            if first.accuracy.value > highest {
                highest = first.accuracy.value;
                best = Some(trained);
            }
            if let Some(live) = &live {
                let words = format!("{} of {all} settings tried", i + 1);
                // At the end, what was found shows itself.
                let map = if i + 1 < all { live::drawn(&trials) } else { String::new() };
                live.show(live::bar(i + 1, all, &words) + &map, words);
            }
        }
        Ok(Search { trials, best: best.context("no setting was tried")? })
    }
}

impl SearchTrial {
    fn new(batch: usize, learning_rate: f64) -> Self {
        let (loss, accuracy) = (f64::NAN, f64::NAN);
        Self { batch, learning_rate, epochs: 0, loss, accuracy, minutes: 0.0 }
    }
}

#[cfg(feature = "tables")]
impl Search {
    /// One row per setting: batch size, learning rate, epochs, validation loss and accuracy,
    /// minutes.
    ///
    /// # Errors
    /// Only internal errors of polars.
    pub fn table(&self) -> Result<DataFrame> {
        SearchTrial::table(&self.trials)
    }
}

#[cfg(feature = "tables")]
impl SearchTrial {
    /// [`Search::table`] of the settings that were tried.
    ///
    /// # Errors
    /// Only internal errors of polars.
    pub fn table(trials: &[Self]) -> Result<DataFrame> {
        let tried = || trials.iter().filter(|trial| trial.epochs > 0);
        let column = |value: fn(&Self) -> f64| tried().map(value).collect::<Vec<_>>();
        let whole =
            |value: fn(&Self) -> usize| tried().map(|t| value(t) as u32).collect::<Vec<_>>();
        Ok(df!(
            "batch" => whole(|t| t.batch),
            "learning rate" => column(|t| t.learning_rate),
            "epochs" => whole(|t| t.epochs),
            "validation loss" => column(|t| t.loss),
            "validation accuracy" => column(|t| t.accuracy),
            "minutes" => column(|t| (100.0 * t.minutes).round() / 100.0),
        )?)
    }
}
