//! What a cell shows while a training or a search runs.

use std::any::Any;

use anyhow::{Result, bail};

use super::display::{row, table};
use crate::experiment::SearchSoFar;
use crate::plot;
use crate::train::History;

/// Epochs in a table before it leaves out the oldest.
const EPOCHS: usize = 12;

/// Tables and plots of what is going on, as HTML.
pub(super) fn draw(what: &dyn Any) -> Result<String> {
    if let Some(history) = what.downcast_ref::<History>() {
        return epochs(history);
    }
    if let Some(search) = what.downcast_ref::<SearchSoFar>() {
        return Ok(search.plot()?.html());
    }
    bail!("nothing is known of how to draw this")
}

/// The last epochs, the best one in bold, above the learning curves.
fn epochs(history: &History) -> Result<String> {
    if history.epochs.is_empty() {
        return Ok(String::new());
    }
    let age = history.epochs.iter().any(|epoch| epoch.validation_mae.is_some());
    let mut heading =
        vec!["epoch", "training loss", "accuracy", "validation loss", "accuracy", "seconds"];
    if age {
        heading.insert(5, "MAE");
    }
    let mut rows = row(&heading);
    let best = history.best().map(|best| best.epoch);
    let left_out = history.epochs.len().saturating_sub(EPOCHS);
    if left_out > 0 {
        rows += &row(&["..."]);
    }
    for epoch in &history.epochs[left_out..] {
        let mut cells = vec![
            epoch.epoch.to_string(),
            format!("{:.4}", epoch.train_loss),
            format!("{:.2} %", 100.0 * epoch.train_accuracy),
            format!("{:.4}", epoch.validation_loss),
            format!("{:.2} %", 100.0 * epoch.validation_accuracy),
            format!("{:.1}", epoch.seconds),
        ];
        if age {
            let mae = epoch.validation_mae.map_or(String::new(), |mae| format!("{mae:.2}"));
            cells.insert(5, mae);
        }
        let line = row(&cells.iter().map(String::as_str).collect::<Vec<_>>());
        rows += &match best == Some(epoch.epoch) {
            true => line.replacen("<tr>", "<tr style='font-weight:bold'>", 1),
            false => line,
        };
    }
    Ok(table(&rows) + &plot::curves("Training", history)?.html())
}
