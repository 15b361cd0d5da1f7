//! Progress of long steps: a bar in a terminal and in a notebook whose kernel has a front, plain
//! lines elsewhere.

use std::io::{self, IsTerminal, Read, Write};
use std::process::Command;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::escape::lines;
use super::live::{self, Live, in_notebook};

/// Default time in seconds before a step prints its first line.
const SILENT: u64 = 2;

/// Whether [`show_progress`] turned messages on or off.
static SHOWS: Mutex<Option<bool>> = Mutex::new(None);

/// Turns progress and messages of this process on or off. They are off in a program that does not
/// ask for them, and on in a notebook. They go to standard error, or to the cell's output.
pub fn show_progress(on: bool) {
    *SHOWS.lock().unwrap_or_else(PoisonError::into_inner) = Some(on);
}

/// Whether progress and messages are off: see [`show_progress`].
pub fn is_quiet() -> bool {
    !SHOWS.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(in_notebook)
}

/// Removes the kernel's environment from a program that a cell starts. Otherwise it would behave as
/// if it ran cells, and load the kernel's shared library, which may be from another build.
pub fn outside_notebook(command: &mut Command) {
    const SEARCHED: &str = "LD_LIBRARY_PATH";
    for (name, value) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("EVCXR_") {
            command.env_remove(name);
        } else if name == SEARCHED {
            let paths =
                std::env::split_paths(&value).filter(|path| !path.join("libnotebook.so").exists());
            if let Ok(paths) = std::env::join_paths(paths) {
                command.env(SEARCHED, paths);
            }
        }
    }
}

/// Prints a message to the cell's output in a notebook, otherwise to standard error. Standard
/// output is reserved for results. What could move the cursor is escaped.
pub fn say(line: &str) {
    if is_quiet() {
        return;
    }
    if in_notebook() {
        println!("{}", lines(line));
    } else {
        to_stderr(line);
    }
}

/// Writes a message to standard error in a single write, because several processes may share a log.
/// Ignores errors. What could move the cursor is escaped.
#[doc(hidden)]
pub fn to_stderr(line: &str) {
    let _ = io::stderr().write_all(format!("{}\n", lines(line)).as_bytes());
}

/// Formats an integer with thousands separators: `23,708`.
pub fn thousands(n: usize) -> String {
    HumanCount(n as u64).to_string()
}

/// Counts things: `1 image`, `23,708 images`.
pub fn counted(n: usize, what: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {what}{s}", thousands(n))
}

/// Formats the remaining time, such as `, about 12 s left`. Empty below one second.
pub fn left(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => String::new(),
        s if s < 100.0 => format!(", about {s:.0} s left"),
        s if s < 6000.0 => format!(", about {:.0} min left", s / 60.0),
        s => format!(", about {:.1} h left", s / 3600.0),
    }
}

/// Where a step's progress is shown.
enum Shown {
    Terminal(ProgressBar),
    /// In a notebook; opened at the first report.
    Live(Mutex<Option<Live>>),
    Lines,
    /// Not shown, because an enclosing step reports.
    Nowhere,
}

/// The progress of a step over `total` items. Can be shared between threads.
pub struct Progress {
    what: String,
    total: usize,
    done: AtomicU64,
    /// Bytes read, for steps that count MiB.
    bytes: AtomicU64,
    /// Text shown after the numbers.
    note: Mutex<String>,
    start: Instant,
    clock: Mutex<Clock>,
    shown: Shown,
}

/// When the next report is due.
struct Clock {
    next: Duration,
    /// When the first item was counted after `next`.
    since: Option<Duration>,
}

impl Clock {
    /// Items that were finished earlier may be counted all at once, which says nothing about the
    /// speed. A report therefore waits for a second item at least this long after the first.
    const MOMENT: Duration = Duration::from_millis(100);

    /// Whether to report now, `elapsed` after the start.
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

/// Number of steps that report in the terminal or as lines. A nested step does not report.
static REPORTED: AtomicUsize = AtomicUsize::new(0);

impl Progress {
    /// Starts a step described by `what`, such as "decoding images".
    pub fn new(what: &str, total: usize) -> Self {
        Self::after(SILENT, what, total)
    }

    /// Like [`Progress::new`], but plain lines start after `seconds`. Their intervals grow.
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

    /// Counts one item as done.
    ///
    /// # Errors
    /// Stop was pressed in a notebook, see [`live::keep_going`].
    pub fn step(&self) -> Result<()> {
        self.count();
        live::keep_going()
    }

    /// Adds bytes read, for a step whose items are MiB.
    pub fn read(&self, bytes: usize) {
        let before = self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        (before >> 20..(before + bytes as u64) >> 20).for_each(|_| self.count());
    }

    /// Sets the text shown after the numbers, such as a rate.
    pub fn note(&self, words: String) {
        if let Shown::Terminal(bar) = &self.shown {
            bar.set_message(format!("{}, {words}", self.what));
        }
        if let Ok(mut note) = self.note.lock() {
            *note = format!("; {words}");
        }
    }

    /// Prints a line, above the bar if there is one.
    pub fn say(&self, line: &str) {
        match &self.shown {
            Shown::Terminal(bar) => bar.suspend(|| say(line)),
            _ => say(line),
        }
    }

    /// Counts one item as done without checking for Stop.
    pub fn count(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
        match &self.shown {
            Shown::Terminal(bar) => return bar.inc(1),
            Shown::Nowhere => return,
            Shown::Live(_) | Shown::Lines => {}
        }
        // If another thread holds the clock, that thread reports.
        let Ok(mut clock) = self.clock.try_lock() else {
            return;
        };
        let elapsed = self.start.elapsed();
        if !clock.is_due(elapsed) {
            return;
        }
        // Load again: other threads may have counted since.
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

/// A reader that counts the bytes it reads.
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

    #[test]
    fn one_thing_has_no_plural() {
        assert_eq!(counted(1, "image"), "1 image");
        assert_eq!(counted(23_708, "image"), "23,708 images");
    }

    /// Guards against "1 of 2,000 (0 %), about 8111 s left" when 2,000 finished items are counted
    /// at once.
    #[test]
    fn things_that_are_counted_at_once_are_not_reported_as_the_first_of_many() {
        let mut clock = Clock { next: Duration::from_secs(2), since: None };
        let mut due = |ms: u64| clock.is_due(Duration::from_millis(ms));
        assert!(!due(1_900) && !due(4_056));
        assert!((0..40).all(|ms| !due(4_056 + ms)));
        // Items that come one by one are reported from the second on; then the clock restarts.
        assert!(due(4_200) && !due(6_000) && due(9_000));
    }
}
