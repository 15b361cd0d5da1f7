//! Live output of a running notebook cell, and its Stop button.
//!
//! The kernel's front (`setup/front`) reads marked lines in a cell's output and shows them as an
//! output that later lines replace. Long-running code opens a [`Live`] to show its progress. Nested
//! ones appear below it in the same output. Without a front (plain evcxr, a terminal, a pipe),
//! [`Live::open`] returns `None` and plain lines are printed instead.

use std::any::Any;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::html::escape;

/// Prefix of lines for the front. A word follows that only the front and this process know, so that
/// no text that is printed, such as a file's name, passes for such a line.
const MARK: &str = "EVCXR_FRONT ";
/// Shortest and longest interval between updates. The interval grows with the elapsed time.
const OFTEN: Duration = Duration::from_millis(250);
const RARELY: Duration = Duration::from_secs(1);

/// Whether this process runs notebook cells.
pub fn in_notebook() -> bool {
    std::env::var_os("EVCXR_IS_RUNTIME").is_some()
}

/// The word of the front's messages, where a front reads what is printed.
static WORD: LazyLock<Option<String>> =
    LazyLock::new(|| std::env::var("EVCXR_FRONT").ok().filter(|_| in_notebook()));

/// Whether a front displays [`Live`] output.
pub fn has_front() -> bool {
    WORD.is_some()
}

/// The content of every open [`Live`], outermost first.
struct Shown {
    /// Number of the notebook output.
    output: u64,
    open: Vec<(u64, Content)>,
    began: Instant,
    sent: Option<Instant>,
    /// Whether the content has changed since it was sent.
    waits: bool,
}

#[derive(Default)]
struct Content {
    html: String,
    text: String,
}

static SHOWN: LazyLock<Mutex<Shown>> = LazyLock::new(|| {
    Mutex::new(Shown { output: 0, open: vec![], began: Instant::now(), sent: None, waits: false })
});

fn shown() -> MutexGuard<'static, Shown> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shown {
    fn is_due(&self) -> bool {
        let pause = (self.began.elapsed() / 40).clamp(OFTEN, RARELY);
        self.sent.is_none_or(|sent| sent.elapsed() >= pause)
    }

    fn send(&mut self) {
        self.sent = Some(Instant::now());
        self.waits = false;
        let joined = |part: fn(&Content) -> &str, between| {
            let parts = self.open.iter().map(|(_, content)| part(content));
            parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(between)
        };
        let data = serde_json::json!({
            "text/html": joined(|content| &content.html, ""),
            "text/plain": joined(|content| &content.text, "\n"),
        });
        tell(&serde_json::json!({ "display": self.output.to_string(), "data": data }));
    }
}

/// Sends a message to the front, in order with what the cell prints.
pub fn tell(message: &serde_json::Value) {
    // In one piece: standard output would send a kilobyte at a time.
    let line = format!("{MARK}{} {message}\n", WORD.as_deref().unwrap_or_default());
    print!("{line}");
}

/// Sends what a [`Live`] still holds back. Called at the end of a cell, because a [`Live`] that a
/// variable keeps open would otherwise lack its last state.
pub fn send_waiting() {
    let mut shown = shown();
    if shown.waits {
        shown.send();
    }
}

/// Tells the front that the cell failed. evcxr does not report a panic as an error, so Run All
/// would continue.
pub fn tell_failed(why: &str) {
    if has_front() {
        tell(&serde_json::json!({ "failed": why }));
    }
}

/// A part of a cell's output that is updated while the cell runs.
pub struct Live {
    number: u64,
}

impl Live {
    /// Opens a new part below those that are open. Returns `None` without a front.
    pub fn open() -> Option<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        if !has_front() {
            return None;
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut shown = shown();
        if shown.open.is_empty() {
            shown.output = number;
            shown.began = Instant::now();
            shown.sent = None;
        }
        shown.open.push((number, Content::default()));
        Some(Self { number })
    }

    /// Whether any part is open. Plain lines should then not be printed.
    pub fn is_open() -> bool {
        !shown().open.is_empty()
    }

    /// Whether [`Live::show`] would send its content immediately. Check it before drawing something
    /// expensive.
    pub fn is_due(&self) -> bool {
        shown().is_due()
    }

    /// Replaces the content of this part. It is sent at most four times per second; otherwise it
    /// is sent with the next update.
    pub fn show(&self, html: String, text: String) {
        let mut shown = shown();
        if let Some((_, content)) = shown.open.iter_mut().find(|(own, _)| *own == self.number) {
            *content = Content { html, text };
            shown.waits = true;
        }
        if shown.is_due() {
            shown.send();
        }
    }
}

impl Drop for Live {
    /// Removes this part from the output. The outermost part stays as it was last shown.
    fn drop(&mut self) {
        let mut shown = shown();
        let Some(at) = shown.open.iter().position(|(own, _)| *own == self.number) else {
            return;
        };
        let alone = shown.open.len() == 1;
        if alone && (shown.sent.is_some() || !shown.open[at].1.html.is_empty()) {
            shown.send();
        }
        shown.open.remove(at);
        if !alone && shown.is_due() {
            shown.send();
        }
    }
}

/// Formats a progress bar as HTML: `done` of `total`, followed by `words`.
pub fn bar(done: usize, total: usize, words: &str) -> String {
    let share = 100.0 * done as f64 / total.max(1) as f64;
    format!(
        "<div style='font-size:13px;font-variant-numeric:tabular-nums'>\
         <span style='display:inline-block;width:240px;height:8px;margin-right:12px;background:#e1e5e9;border-radius:4px'>\
         <span style='display:block;width:{share:.1}%;height:8px;background:#3b6ea5;border-radius:4px'></span></span>{words}</div>"
    )
}

type Draw = fn(&dyn Any) -> Result<String>;
static DRAW: OnceLock<Draw> = OnceLock::new();

/// Sets the function that draws tables and plots as HTML. Crates above this one provide it.
pub fn draw_with(draw: Draw) {
    let _ = DRAW.set(draw);
}

/// Draws a table or plot as HTML. Returns an empty string if no function was set.
pub fn drawn(what: &dyn Any) -> String {
    match DRAW.get().map(|draw| draw(what)) {
        Some(Ok(html)) => html,
        Some(Err(error)) => format!("<p>{}</p>", escape(&format!("{error:#}"))),
        None => String::new(),
    }
}

/// The error returned after the user pressed Stop, with a hint how to continue.
#[derive(Debug)]
pub struct Stopped(pub String);

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped by you{}", self.0)
    }
}

impl std::error::Error for Stopped {}

/// Returns an error once Stop was pressed in the notebook. Call it with `?` in your own long loops:
/// the cell ends and its variables are kept. The crate's own loops do the same. It is cheap: it
/// checks only every 50 milliseconds.
///
/// ```
/// # use utils::live as ror;
/// # fn main() -> anyhow::Result<()> {
/// for number in 0..1_000_000_u64 {
///     std::hint::black_box(number * number);
///     ror::keep_going()?;
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Stop was pressed while this cell ran.
pub fn keep_going() -> Result<()> {
    static FILE: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| std::env::var_os("EVCXR_FRONT_STOP").map(PathBuf::from));
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    static LOOKED: AtomicU64 = AtomicU64::new(0);
    static STOP: AtomicBool = AtomicBool::new(false);
    let Some(file) = &*FILE else {
        return Ok(());
    };
    // The offset makes the first call check.
    let now = START.elapsed().as_millis() as u64 + 1000;
    if now - LOOKED.load(Ordering::Relaxed).min(now) >= 50 {
        LOOKED.store(now, Ordering::Relaxed);
        let stop = file.exists();
        if stop && !STOP.swap(stop, Ordering::Relaxed) {
            tell(&serde_json::json!({ "stopping": true }));
        }
        STOP.store(stop, Ordering::Relaxed);
    }
    match STOP.load(Ordering::Relaxed) {
        true => Err(Stopped(": run the cell again to start over".to_owned()).into()),
        false => Ok(()),
    }
}
