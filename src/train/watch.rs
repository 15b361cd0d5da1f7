//! What a training shows while it runs: in a notebook a bar, the table of epochs and the learning
//! curves, in one live output; elsewhere one line per epoch.

use std::time::Instant;

use anyhow::{Error, Result};

use super::monitor::Monitor;
use super::{History, Recipe};
use crate::Task;
use utils::live::{self, Live, Stopped, keep_going};
use utils::progress::{Progress, left, say};

/// Shows what a training did, where outputs can move: then a cell that loads a net ends as one that
/// trains it.
pub(crate) fn show(task: Task, history: &History) {
    if let Some(live) = Live::open() {
        live.show(live::drawn(history), history.table(task.has_age()));
    }
}

/// Shows a training in the notebook or the terminal.
pub(crate) struct Watch {
    task: Task,
    /// The last epoch, unless the training stops early.
    epochs: usize,
    live: Option<Live>,
    /// The epochs so far, as HTML.
    drawn: String,
    text: String,
    began: Instant,
    /// Epochs that were done before.
    before: usize,
    /// The current epoch, its steps, and how many of them are done.
    number: usize,
    steps: usize,
    done: usize,
    /// Without live output.
    lines: Option<Progress>,
}

impl Watch {
    pub(crate) fn new(task: Task, recipe: &Recipe) -> Self {
        Self {
            task,
            epochs: recipe.stop.map_or(recipe.epochs, |stop| stop.min(recipe.epochs)),
            live: Live::open(),
            drawn: String::new(),
            text: String::new(),
            began: Instant::now(),
            before: 0,
            number: 0,
            steps: 0,
            done: 0,
            lines: None,
        }
    }
}

impl Monitor for Watch {
    fn begin(&mut self, history: &History) {
        if let Some(last) = history.epochs.last() {
            say(&format!("continuing after epoch {} of an interrupted training", last.epoch));
        }
        (self.began, self.before) = (Instant::now(), history.epochs.len());
        match self.live {
            Some(_) => self.epoch_done(history),
            None => history.print(self.task.has_age()),
        }
    }

    fn epoch(&mut self, number: usize, steps: usize) {
        (self.number, self.steps, self.done) = (number, steps, 0);
        let words = format!("epoch {number}, step");
        self.lines = self.live.is_none().then(|| Progress::after(20, &words, steps));
    }

    fn step(&mut self, loss: &dyn Fn() -> Result<f64>) -> Result<()> {
        self.done += 1;
        if let Some(lines) = &self.lines {
            return lines.step();
        }
        if let Some(live) = &self.live
            && live.is_due()
        {
            let done = (self.number - 1) * self.steps + self.done;
            let here = done - self.before * self.steps;
            let total = self.epochs * self.steps;
            let seconds = self.began.elapsed().as_secs_f64() * (total - done) as f64 / here as f64;
            let words = format!(
                "epoch {} of {}, step {} of {}, loss {:.3}{}",
                self.number,
                self.epochs,
                self.done,
                self.steps,
                loss()? / self.done as f64,
                left(seconds)
            );
            let html = live::bar(done, total, &words) + &self.drawn;
            live.show(html, format!("{}\n{words}", self.text));
        }
        keep_going()
    }

    fn epoch_done(&mut self, history: &History) {
        self.lines = None; // a bar in the terminal ends before the epoch's line
        let Some(live) = &self.live else {
            history.print_last();
            return;
        };
        self.drawn = live::drawn(history);
        self.text = history.table(self.task.has_age());
        live.show(self.drawn.clone(), self.text.clone());
    }

    fn explained(&self, error: Error, history: &History) -> Error {
        if !error.is::<Stopped>() {
            return error;
        }
        let words = match history.epochs.len() {
            0 => " in the first epoch: run the cell again to start over".to_owned(),
            last => format!(" after epoch {last}: run the cell again to continue"),
        };
        Stopped(words).into()
    }
}
