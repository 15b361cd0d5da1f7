//! Search over batch size and learning rate.

use anyhow::{Context, Result, ensure};
#[cfg(feature = "tables")]
use polars::prelude::{DataFrame, df};

use super::Training;
use crate::store::Trained;
use utils::live::{self, Live};
use utils::progress::say;

/// One setting and how it did on the validation set.
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

/// A search as far as it is: the batch sizes and learning rates to try, and what was tried.
#[doc(hidden)]
pub struct SearchSoFar {
    pub batches: Vec<usize>,
    pub learning_rates: Vec<f64>,
    pub trials: Vec<SearchTrial>,
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
        let all = batches.len() * learning_rates.len();
        let mut so_far = SearchSoFar {
            batches: batches.to_vec(),
            learning_rates: learning_rates.to_vec(),
            trials: vec![],
        };
        let mut best: Option<Trained> = None;
        let mut highest = f64::NEG_INFINITY;
        let live = Live::open();
        for &batch in batches {
            for &learning_rate in learning_rates {
                if live.is_none() {
                    say(&format!("batch {batch}, learning rate {learning_rate}"));
                }
                let training = self.clone().batch(batch).learning_rate(learning_rate);
                let trained = training.train_or_load()?;
                let card = &trained.card;
                let first = card.validation.first().context("no head was validated")?;
                let accuracy = first.accuracy.value;
                so_far.trials.push(SearchTrial {
                    batch,
                    learning_rate,
                    epochs: card.history.epochs.len(),
                    loss: first.loss.value,
                    accuracy,
                    minutes: card.minutes,
                });
                if accuracy > highest {
                    highest = accuracy;
                    best = Some(trained);
                }
                if let Some(live) = &live {
                    let done = so_far.trials.len();
                    let words = format!("{done} of {all} settings tried");
                    // At the end, what was found shows itself.
                    let map = if done < all { live::drawn(&so_far) } else { String::new() };
                    live.show(live::bar(done, all, &words) + &map, words);
                }
            }
        }
        Ok(Search { trials: so_far.trials, best: best.context("no setting was tried")? })
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
        trials_table(&self.trials)
    }
}

#[cfg(feature = "tables")]
impl SearchSoFar {
    /// [`Search::table`] of the settings tried so far.
    pub fn table(&self) -> Result<DataFrame> {
        trials_table(&self.trials)
    }
}

#[cfg(feature = "tables")]
fn trials_table(trials: &[SearchTrial]) -> Result<DataFrame> {
    let column = |value: fn(&SearchTrial) -> f64| trials.iter().map(value).collect::<Vec<_>>();
    Ok(df!(
        "batch" => trials.iter().map(|t| t.batch as u32).collect::<Vec<_>>(),
        "learning rate" => column(|t| t.learning_rate),
        "epochs" => trials.iter().map(|t| t.epochs as u32).collect::<Vec<_>>(),
        "validation loss" => column(|t| t.loss),
        "validation accuracy" => column(|t| t.accuracy),
        "minutes" => column(|t| (100.0 * t.minutes).round() / 100.0),
    )?)
}
