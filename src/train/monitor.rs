//! What a training tells those who watch it.

use anyhow::{Error, Result};

use super::History;

/// Is told what a training does. The defaults do nothing.
pub(crate) trait Monitor {
    /// The training begins, or continues after these epochs.
    fn begin(&mut self, _history: &History) {}

    /// An epoch of so many steps begins, counted from 1.
    fn epoch(&mut self, _number: usize, _steps: usize) {}

    /// A step is done; `loss` computes the sum of the losses of this epoch's steps.
    ///
    /// # Errors
    /// The training should stop.
    fn step(&mut self, _loss: &dyn Fn() -> Result<f64>) -> Result<()> {
        Ok(())
    }

    /// The last epoch of the history is done.
    fn epoch_done(&mut self, _history: &History) {}

    /// The words of an error that ends the training after these epochs.
    fn explained(&self, error: Error, _history: &History) -> Error {
        error
    }
}

/// Shows nothing.
#[cfg(test)]
pub(super) struct Silent;

#[cfg(test)]
impl Monitor for Silent {}
