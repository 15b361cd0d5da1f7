//! The end of a training.

use super::{History, Recipe};

/// Whether a training with this history is over: by its number of epochs, its `stop` or its
/// `patience`.
pub(super) fn is_over(recipe: &Recipe, history: &History) -> bool {
    let done = history.epochs.len();
    let last = recipe.stop.unwrap_or(recipe.epochs).min(recipe.epochs);
    let waited = history.best().map_or(0, |best| done - best.epoch);
    done >= last || recipe.patience.is_some_and(|patience| waited >= patience)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Task;
    use crate::train::Epoch;

    #[test]
    fn a_training_ends_by_epochs_stop_or_patience() {
        let history = |losses: &[f64]| History {
            epochs: (1..)
                .zip(losses)
                .map(|(epoch, &validation_loss)| Epoch {
                    epoch,
                    validation_loss,
                    ..Epoch::default()
                })
                .collect(),
        };
        let recipe = |epochs, stop, patience| Recipe {
            epochs,
            stop,
            patience,
            ..Recipe::report(Task::Gender)
        };
        let over = |recipe, losses: &[f64]| is_over(&recipe, &history(losses));
        assert!(!over(recipe(3, None, None), &[]));
        assert!(!over(recipe(3, None, None), &[1.0, 2.0]));
        assert!(over(recipe(3, None, None), &[3.0, 2.0, 1.0]));
        assert!(over(recipe(9, Some(2), None), &[2.0, 1.0]));
        assert!(!over(recipe(9, None, Some(2)), &[1.0, 2.0]));
        assert!(over(recipe(9, None, Some(2)), &[1.0, 2.0, 1.5]));
        assert!(!over(recipe(9, None, Some(2)), &[1.0, 2.0, 0.5]));
    }
}
