//! The history of a training, epoch by epoch.

use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use utils::files;
use utils::progress::say;

/// One pass over the training set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Number, from 1.
    pub epoch: usize,
    /// Side length of the images in pixels.
    #[serde(default)]
    pub size: u32,
    /// Mean training loss, over augmented images.
    pub train_loss: f64,
    /// Training accuracy on those images, 0 to 1; of gender if both are predicted.
    pub train_accuracy: f64,
    /// Mean cross-entropy on the validation set, in nats.
    pub validation_loss: f64,
    /// Validation accuracy, 0 to 1; of gender if both are predicted.
    pub validation_accuracy: f64,
    /// Mean absolute error of the expected age on the validation set, in years; `None` for gender.
    #[serde(default)]
    pub validation_mae: Option<f64>,
    /// Learning rate at the end of the epoch.
    pub learning_rate: f64,
    /// Duration in seconds, validation included.
    pub seconds: f64,
}

impl Epoch {
    /// The heading of [`Epoch::row`], with a column for the MAE if an `age` is predicted.
    fn heading(age: bool) -> String {
        let mae = if age { "     MAE" } else { "" };
        format!(
            "epoch   train loss  accuracy   validation loss  accuracy{mae}   learning rate   seconds"
        )
    }

    /// The epoch as a line of the table.
    fn row(&self, best: bool) -> String {
        format!(
            "{:>5}   {:>10.4}  {:>6.2} %   {:>15.4}  {:>6.2} %{}   {:>13.2e}   {:>7.1}{}",
            self.epoch,
            self.train_loss,
            self.train_accuracy * 100.0,
            self.validation_loss,
            self.validation_accuracy * 100.0,
            self.validation_mae.map_or(String::new(), |mae| format!("  {mae:>6.2}")),
            self.learning_rate,
            self.seconds,
            if best { "  best" } else { "" },
        )
    }
}

/// All epochs of a training, in order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The epochs.
    pub epochs: Vec<Epoch>,
}

impl History {
    /// The epoch whose weights are kept: the first with the lowest validation loss, among those
    /// with the image size of the last epoch.
    pub fn best(&self) -> Option<&Epoch> {
        let size = self.epochs.last()?.size;
        self.epochs.iter().filter(|epoch| epoch.size == size).reduce(|best, epoch| {
            if epoch.validation_loss < best.validation_loss { epoch } else { best }
        })
    }

    /// The table of epochs as text.
    pub(super) fn table(&self, age: bool) -> String {
        let rows = (1..=self.epochs.len()).map(|done| self.row(done));
        std::iter::once(Epoch::heading(age)).chain(rows).collect::<Vec<_>>().join("\n")
    }

    /// The row of an epoch by its number, marked if it was the best so far.
    fn row(&self, done: usize) -> String {
        let so_far = History { epochs: self.epochs[..done].to_vec() };
        self.epochs[done - 1].row(so_far.best().is_some_and(|best| best.epoch == done))
    }

    /// Prints the table so far.
    pub(super) fn print(&self, age: bool) {
        say(&self.table(age));
    }

    /// Prints the last epoch.
    pub(super) fn print_last(&self) {
        if !self.epochs.is_empty() {
            say(&self.row(self.epochs.len()));
        }
    }

    /// Writes the history atomically as CSV, one row per epoch.
    ///
    /// # Errors
    /// A path that can't be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        files::write_csv(path, &self.epochs)
    }

    /// Total duration of all epochs in seconds.
    pub fn seconds(&self) -> f64 {
        self.epochs.iter().map(|epoch| epoch.seconds).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_epoch_has_the_lowest_validation_loss() {
        let epoch =
            |epoch, validation_loss| Epoch { epoch, validation_loss, size: 32, ..Epoch::default() };
        let history = History {
            epochs: vec![epoch(1, 0.9), epoch(2, 0.4), epoch(3, 0.4), epoch(4, f64::NAN)],
        };
        assert_eq!(history.best().map(|e| e.epoch), Some(2));
        assert_eq!(History::default().best(), None);
        let mut grown = history.clone();
        grown.epochs.extend(
            [(5, 0.8), (6, 0.7)].map(|(number, loss)| Epoch { size: 64, ..epoch(number, loss) }),
        );
        assert_eq!(
            grown.best().map(|e| e.epoch),
            Some(6),
            "the best epoch on small images is not kept for large ones"
        );
    }
}
