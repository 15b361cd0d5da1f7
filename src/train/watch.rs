//! Display of a running training: in a notebook a progress bar, the table of epochs and the
//! learning curves in one updating output; elsewhere one line per epoch.

use std::time::Instant;

use anyhow::Result;

use super::History;
use crate::Task;
use utils::live::{self, Live, Stopped, keep_going};
use utils::progress::{Progress, left};

/// Shows the history of a training if outputs can be updated, so that a cell that loads a network
/// ends like one that trains it.
pub(crate) fn show(task: Task, history: &History) {
    if let Some(live) = Live::open() {
        live.show(live::drawn(history), history.table(task.has_age()));
    }
}

pub(super) struct Watch {
    task: Task,
    /// The last epoch, unless the training ends earlier.
    epochs: usize,
    live: Option<Live>,
    /// The epochs so far, as HTML.
    drawn: String,
    text: String,
    began: Instant,
    /// Number of epochs when it began.
    before: usize,
}

/// The display of one epoch.
pub(super) struct Steps<'a> {
    watch: &'a Watch,
    number: usize,
    steps: usize,
    done: usize,
    /// Progress if outputs cannot be updated.
    lines: Option<Progress>,
}

impl Watch {
    pub(super) fn new(task: Task, epochs: usize, history: &History) -> Self {
        let mut watch = Self {
            task,
            epochs,
            live: Live::open(),
            drawn: String::new(),
            text: String::new(),
            began: Instant::now(),
            before: history.epochs.len(),
        };
        match watch.live {
            Some(_) => watch.epoch(history),
            None => history.print(task.has_age()),
        }
        watch
    }

    /// Starts the display of an epoch of `steps` steps.
    pub(super) fn steps(&self, number: usize, steps: usize) -> Steps<'_> {
        let lines = self
            .live
            .is_none()
            .then(|| Progress::after(20, &format!("epoch {number}, step"), steps));
        Steps { watch: self, number, steps, done: 0, lines }
    }

    /// Shows the history with its new last epoch.
    pub(super) fn epoch(&mut self, history: &History) {
        let Some(live) = &self.live else {
            history.print_last();
            return;
        };
        self.drawn = live::drawn(history);
        self.text = history.table(self.task.has_age());
        live.show(self.drawn.clone(), self.text.clone());
    }

    /// Adds to a stop how to continue the training.
    pub(super) fn explained(&self, error: anyhow::Error, history: &History) -> anyhow::Error {
        match error.is::<Stopped>() {
            true => {
                let words = match history.epochs.len() {
                    0 => " in the first epoch: run the cell again to start over".to_owned(),
                    last => format!(" after epoch {last}: run the cell again to continue"),
                };
                Stopped(words).into()
            }
            false => error,
        }
    }
}

impl Steps<'_> {
    /// Counts a step; `loss` returns the mean loss of the epoch so far and is called if it is
    /// shown.
    ///
    /// # Errors
    /// Stop was pressed.
    pub(super) fn step(&mut self, loss: impl FnOnce() -> Result<f64>) -> Result<()> {
        self.done += 1;
        if let Some(lines) = &self.lines {
            return lines.step();
        }
        let watch = self.watch;
        if let Some(live) = &watch.live
            && live.is_due()
        {
            let done = (self.number - 1) * self.steps + self.done;
            let here = done - watch.before * self.steps;
            let total = watch.epochs * self.steps;
            let seconds = watch.began.elapsed().as_secs_f64() * (total - done) as f64 / here as f64;
            let words = format!(
                "epoch {} of {}, step {} of {}, loss {:.3}{}",
                self.number,
                watch.epochs,
                self.done,
                self.steps,
                loss()? / self.done as f64,
                left(seconds)
            );
            let html = live::bar(done, total, &words) + &watch.drawn;
            live.show(html, format!("{}\n{words}", watch.text));
        }
        keep_going()
    }
}
