//! Live output of a cell while a training or a search runs.

use std::any::Any;
use std::cell::RefCell;

use anyhow::{Result, bail};

use super::Table;
use super::display::{row, table};
use super::show::{Output, Show};
use ror::experiment::SearchTrial;
use ror::plot;
use ror::train::{Epoch, History};
use utils::html::escape;
use utils::live::Live;

/// A figure, or anything else that is shown, that is updated while its cell runs: one output,
/// redrawn at most four times per second.
///
/// If the kernel has no front (plain evcxr), only the text of the last is printed, when this is
/// dropped.
///
/// ```
/// use notebook::prelude::*;
///
/// # fn main() -> anyhow::Result<()> {
/// let faces = Faces::synthetic(300, 0)?;
/// let moving = Moving::new();
/// for n in (100..=300).step_by(100) {
///     let first = faces.records().head(Some(n));
///     moving.show(&plot::ages(&first)?.title(&format!("The first {n}")));
///     ror::keep_going()?; // Stop ends the loop
/// }
/// # Ok(())
/// # }
/// ```
pub struct Moving {
    live: Option<Live>,
    last: RefCell<Option<Output>>,
}

impl Moving {
    /// Opens the output.
    pub fn new() -> Self {
        Self { live: Live::open(), last: RefCell::default() }
    }

    /// Replaces what is shown.
    pub fn show(&self, value: &(impl Show + ?Sized)) {
        match (&self.live, value.output()) {
            (Some(live), Ok(Output { text, html: Some(html) })) => live.show(html, text),
            (Some(live), Ok(Output { text, html: None })) => {
                live.show(format!("<pre>{}</pre>", escape(&text)), text);
            }
            (None, Ok(output)) => *self.last.borrow_mut() = Some(output),
            (_, Err(error)) => eprintln!("{error}"),
        }
    }
}

impl Default for Moving {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        if let Some(last) = self.last.take() {
            println!("{}", last.text);
        }
    }
}

/// Maximum number of epochs in the table; the oldest are left out.
const EPOCHS: usize = 12;

/// Draws the current state of a training or a search as HTML.
pub(super) fn draw(what: &dyn Any) -> Result<String> {
    if let Some(history) = what.downcast_ref::<History>() {
        return epochs(history);
    }
    if let Some(trials) = what.downcast_ref::<Vec<SearchTrial>>() {
        let (table, map) = (SearchTrial::table(trials)?, SearchTrial::plot(trials)?);
        return Ok(table.to_html(trials.len())? + &map.figure()?.html());
    }
    bail!("this type can't be drawn")
}

/// Formats a cell in the table of epochs; `None` if an epoch does not have this number.
type Cell = fn(&Epoch) -> Option<String>;
const COLUMNS: [(&str, Cell); 7] = [
    ("epoch", |epoch| Some(epoch.epoch.to_string())),
    ("training loss", |epoch| Some(format!("{:.4}", epoch.train_loss))),
    ("accuracy", |epoch| Some(format!("{:.2} %", 100.0 * epoch.train_accuracy))),
    ("validation loss", |epoch| Some(format!("{:.4}", epoch.validation_loss))),
    ("accuracy", |epoch| Some(format!("{:.2} %", 100.0 * epoch.validation_accuracy))),
    ("MAE", |epoch| epoch.validation_mae.map(|mae| format!("{mae:.2}"))),
    ("seconds", |epoch| Some(format!("{:.1}", epoch.seconds))),
];

/// Formats the last epochs, the best one in bold, above the learning curves.
fn epochs(history: &History) -> Result<String> {
    let (Some(last), Some(best)) = (history.epochs.last(), history.best()) else {
        return Ok(String::new());
    };
    // Gender has no MAE.
    let columns: Vec<_> = COLUMNS.into_iter().filter(|(_, cell)| cell(last).is_some()).collect();
    let mut rows = row(&columns.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    let left_out = history.epochs.len().saturating_sub(EPOCHS);
    if left_out > 0 {
        rows += &row(&["..."]);
    }
    for epoch in &history.epochs[left_out..] {
        let cells = columns.iter().map(|(_, cell)| cell(epoch).unwrap_or_default());
        let cells: Vec<String> = cells.collect();
        let line = row(&cells.iter().map(String::as_str).collect::<Vec<_>>());
        rows += &match epoch.epoch == best.epoch {
            true => line.replacen("<tr>", "<tr style='font-weight:bold'>", 1),
            false => line,
        };
    }
    Ok(table(&rows) + &plot::curves("Training", history)?.figure()?.html())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_shows_what_was_tried_and_what_is_still_to_come() -> Result<()> {
        let trial = |n: usize| SearchTrial {
            batch: 8 * n,
            learning_rate: 1e-3,
            epochs: if n <= 15 { 7 } else { 0 },
            loss: 0.5,
            accuracy: if n <= 15 { 0.625 } else { f64::NAN },
            minutes: 0.25,
        };
        let trials: Vec<_> = (1..=20).map(trial).collect();
        let html = draw(&trials)?;
        let (rows, map) = html.split_once("</table>").unwrap();
        // The header, and every setting that was tried.
        assert_eq!(rows.matches("<tr").count(), 1 + 15, "{rows}");
        assert!(rows.contains("validation accuracy") && rows.contains("0.625"), "{rows}");
        assert!(!rows.contains(">160<") && map.contains("<img"), "{map}");
        Ok(())
    }
}
