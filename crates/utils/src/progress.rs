//! Progress of long steps: a bar that moves in a terminal and in a notebook whose kernel has a front,
//! whole lines elsewhere.

use std::io::{self, IsTerminal, Read, Write};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::live::{self, Live, in_notebook};

/// How long a step stays silent, in seconds, unless it says otherwise.
const SILENT: u64 = 2;

/// Whether another process speaks for this one.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Has this process say nothing and show no progress from now on: of several that do one work
/// together, the first speaks.
pub fn quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Whether [`quiet`] was called.
pub fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Has a program that cells start not take itself for one that runs cells, nor load the library of
/// their kernel, which may be of another build.
pub fn outside_notebook(command: &mut Command) {
    const SEARCHED: &str = "LD_LIBRARY_PATH";
    for (name, value) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("EVCXR_") {
            command.env_remove(name);
        } else if name == SEARCHED {
            let paths =
                std::env::split_paths(&value).filter(|path| !path.join("libror.so").exists());
            if let Ok(paths) = std::env::join_paths(paths) {
                command.env(SEARCHED, paths);
            }
        }
    }
}

/// Says one line to whoever watches: in the cell's output, or on standard error, which leaves
/// standard output to results.
pub fn say(line: &str) {
    if is_quiet() {
        return;
    }
    if in_notebook() {
        println!("{line}");
    } else {
        to_stderr(line);
    }
}

/// Writes one line to standard error, if that can be: in one piece, as several processes may write to
/// the same log.
#[doc(hidden)]
pub fn to_stderr(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// A whole number with thousands separated: `23,708`.
pub fn thousands(n: usize) -> String {
    HumanCount(n as u64).to_string()
}

/// Seconds left, in the unit that reads best; nothing in the last one: the end is told by what
/// comes next.
pub fn left(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => String::new(),
        s if s < 100.0 => format!(", about {s:.0} s left"),
        s if s < 6000.0 => format!(", about {:.0} min left", s / 60.0),
        s => format!(", about {:.1} h left", s / 3600.0),
    }
}

/// Where the progress of a step is shown.
enum Shown {
    Terminal(ProgressBar),
    /// In a notebook, once it has lasted longer than a moment.
    Live(Mutex<Option<Live>>),
    Lines,
    /// Another one reports, of which this is a part.
    Nowhere,
}

/// The progress of one step over `total` things. May be shared between threads.
pub struct Progress {
    what: String,
    total: usize,
    done: AtomicU64,
    /// Bytes that were read, where they are what counts.
    bytes: AtomicU64,
    /// What is said behind the numbers.
    note: Mutex<String>,
    start: Instant,
    clock: Mutex<Clock>,
    shown: Shown,
}

/// When the next report is due.
struct Clock {
    next: Duration,
    /// When the first thing was counted after that.
    since: Option<Duration>,
}

impl Clock {
    /// Things may be counted at once that were done long before: those of one moment say nothing of
    /// how long the others take, and wait for the next one.
    const MOMENT: Duration = Duration::from_millis(100);

    /// Whether a thing that is counted so long after the start is to be reported.
    fn is_due(&mut self, elapsed: Duration) -> bool {
        if elapsed < self.next {
            return false;
        }
        let due = elapsed - *self.since.get_or_insert(elapsed) >= Self::MOMENT;
        if due {
            self.since = None;
        }
        due
    }
}

/// How many steps report in the terminal or by lines: a step within another one does not.
static REPORTED: AtomicUsize = AtomicUsize::new(0);

impl Progress {
    /// Starts to report on `what`, such as "decoding pictures".
    pub fn new(what: &str, total: usize) -> Self {
        Self::after(SILENT, what, total)
    }

    /// Starts to report; where nothing moves, with a first line after `seconds`, the next
    /// ones ever further apart: a long step needs no more lines than a short one.
    pub fn after(seconds: u64, what: &str, total: usize) -> Self {
        let first = if live::has_front() { seconds.min(SILENT) } else { seconds };
        Self {
            what: what.to_owned(),
            total,
            done: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            note: Mutex::default(),
            start: Instant::now(),
            clock: Mutex::new(Clock { next: Duration::from_secs(first), since: None }),
            shown: Shown::here(what, total),
        }
    }

    /// Counts one more thing as done.
    ///
    /// # Errors
    /// Stop was pressed in a notebook: see [`keep_going`](crate::keep_going).
    pub fn step(&self) -> Result<()> {
        self.count();
        live::keep_going()
    }

    /// Counts bytes as read, of a step whose things are MiB.
    pub fn read(&self, bytes: usize) {
        let before = self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        (before >> 20..(before + bytes as u64) >> 20).for_each(|_| self.count());
    }

    /// Says this behind the numbers from now on, such as a rate.
    pub fn note(&self, words: String) {
        if let Shown::Terminal(bar) = &self.shown {
            bar.set_message(format!("{}, {words}", self.what));
        }
        if let Ok(mut note) = self.note.lock() {
            *note = format!("; {words}");
        }
    }

    /// Says a line, above the bar where there is one.
    pub fn say(&self, line: &str) {
        match &self.shown {
            Shown::Terminal(bar) => bar.suspend(|| say(line)),
            _ => say(line),
        }
    }

    /// Counts one more thing as done, whether or not it should stop.
    pub fn count(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
        match &self.shown {
            Shown::Terminal(bar) => return bar.inc(1),
            Shown::Nowhere => return,
            Shown::Live(_) | Shown::Lines => {}
        }
        // A thread that finds the clock taken leaves the line to the one that has it.
        let Ok(mut clock) = self.clock.try_lock() else {
            return;
        };
        let elapsed = self.start.elapsed();
        if !clock.is_due(elapsed) {
            return;
        }
        // Other threads have counted meanwhile.
        let done = self.done.load(Ordering::Relaxed);
        let share = done as f64 / self.total.max(1) as f64;
        let seconds = elapsed.as_secs_f64() * (1.0 / share - 1.0);
        let words = format!(
            "{}: {} of {} ({:.0} %){}{}",
            self.what,
            thousands(done as usize),
            thousands(self.total),
            share * 100.0,
            left(seconds),
            self.note.lock().map_or_else(|_| String::new(), |note| note.clone())
        );
        match &self.shown {
            Shown::Live(live) => {
                clock.next = elapsed + Duration::from_millis(100);
                let Ok(mut live) = live.lock() else { return };
                if live.is_none() {
                    *live = Live::open();
                }
                if let Some(live) = &*live
                    && live.is_due()
                {
                    live.show(live::bar(done as usize, self.total, &words), words);
                }
            }
            _ => {
                clock.next = elapsed.mul_f64(1.6);
                if seconds >= 1.0 {
                    say(&words);
                }
            }
        }
    }
}

/// Has the progress count what is read.
pub struct Counted<'a, R> {
    pub inner: R,
    pub progress: &'a Progress,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.progress.read(n);
        Ok(n)
    }
}

impl Shown {
    fn here(what: &str, total: usize) -> Self {
        if is_quiet() {
            return Self::Nowhere;
        }
        if live::has_front() {
            return Self::Live(Mutex::new(None));
        }
        if REPORTED.fetch_add(1, Ordering::Relaxed) > 0 {
            REPORTED.fetch_sub(1, Ordering::Relaxed);
            return Self::Nowhere;
        }
        if in_notebook() || !io::stderr().is_terminal() {
            return Self::Lines;
        }
        let bar = ProgressBar::new(total as u64);
        if let Ok(style) =
            ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {eta} left")
        {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        Self::Terminal(bar)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        match &self.shown {
            Shown::Terminal(bar) => {
                bar.finish_and_clear();
                REPORTED.fetch_sub(1, Ordering::Relaxed);
            }
            Shown::Lines => {
                REPORTED.fetch_sub(1, Ordering::Relaxed);
            }
            Shown::Live(live) => {
                let Ok(live) = live.lock() else { return };
                if let Some(live) = &*live {
                    let (done, seconds) =
                        (self.done.load(Ordering::Relaxed) as usize, self.start.elapsed());
                    let words = format!(
                        "{}: {} of {} in {:.1} s",
                        self.what,
                        thousands(done),
                        thousands(self.total),
                        seconds.as_secs_f64()
                    );
                    live.show(format!("<div style='font-size:13px'>{words}</div>"), words);
                }
            }
            Shown::Nowhere => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It once said "1 of 2,000 (0 %), about 8111 s left" when 2,000 that were done came at once.
    #[test]
    fn things_that_are_counted_at_once_are_not_reported_as_the_first_of_many() {
        let mut clock = Clock { next: Duration::from_secs(2), since: None };
        let mut due = |ms: u64| clock.is_due(Duration::from_millis(ms));
        assert!(!due(1_900) && !due(4_056));
        assert!((0..40).all(|ms| !due(4_056 + ms)));
        // Those that come one by one are, from the second on; then all begins anew.
        assert!(due(4_200) && !due(6_000) && due(9_000));
    }
}
