//! Progress of long steps: a moving bar in a terminal, whole lines elsewhere.
//!
//! A notebook kernel passes output on line by line, so a bar that redraws itself would never
//! move there; a line every few seconds does.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

/// How long a step stays silent, in seconds, unless it says otherwise.
const SILENT: u64 = 2;

/// Whether this process runs the cells of a notebook.
pub fn in_notebook() -> bool {
    std::env::var_os("EVCXR_IS_RUNTIME").is_some()
}

/// Says one line to whoever watches: in the cell's output, or on standard error, which leaves
/// standard output to results.
pub fn say(line: &str) {
    if in_notebook() {
        println!("{line}");
    } else {
        eprintln!("{line}");
    }
}

/// A whole number with thousands separated: `23,708`.
pub(crate) fn thousands(n: usize) -> String {
    HumanCount(n as u64).to_string()
}

/// The progress of one step over `total` things. May be shared between threads.
pub struct Progress {
    what: String,
    total: usize,
    done: AtomicU64,
    start: Instant,
    next: Mutex<Duration>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Starts to report on `what`, such as "decoding pictures".
    pub fn new(what: &str, total: usize) -> Self {
        Self::after(SILENT, what, total)
    }

    /// Starts to report; where there is no bar, with a first line after `seconds`, the next
    /// ones ever further apart: a long step needs no more lines than a short one.
    pub fn after(seconds: u64, what: &str, total: usize) -> Self {
        let bar = (!in_notebook() && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(total as u64);
            if let Ok(style) =
                ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {eta} left")
            {
                bar.set_style(style);
            }
            bar.set_message(what.to_owned());
            bar
        });
        Self {
            what: what.to_owned(),
            total,
            done: AtomicU64::new(0),
            start: Instant::now(),
            next: Mutex::new(Duration::from_secs(seconds)),
            bar,
        }
    }

    /// Counts one more thing as done.
    pub fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(bar) = &self.bar {
            bar.inc(1);
            return;
        }
        // A thread that finds the clock taken leaves the line to the one that has it.
        let Ok(mut next) = self.next.try_lock() else {
            return;
        };
        let elapsed = self.start.elapsed();
        if elapsed < *next {
            return;
        }
        *next = elapsed.mul_f64(1.6);
        drop(next);
        let share = done as f64 / self.total.max(1) as f64;
        let left = elapsed.as_secs_f64() * (1.0 / share - 1.0);
        // The end is told by what comes next.
        if left < 1.0 {
            return;
        }
        say(&format!(
            "{}: {} of {} ({:.0} %), about {left:.0} s left",
            self.what,
            thousands(done as usize),
            thousands(self.total),
            share * 100.0,
        ));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
