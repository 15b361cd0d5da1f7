//! One file per command, with its arguments.

use std::fmt::Arguments;
use std::io::{Write, stdout};

use anyhow::{Context, Result};
use serde::Serialize;
use utils::escape;
use utils::progress::{is_quiet, to_stderr};

/// `println!` for results that returns errors, because standard output may be a file on a full
/// disk.
macro_rules! out {
    ($($words:tt)*) => { $crate::commands::print(format_args!($($words)*)) };
}

/// `eprintln!` for everything else. Errors are ignored.
macro_rules! note {
    ($($words:tt)*) => { $crate::commands::note(format_args!($($words)*)) };
}

/// Writes a result to standard output. What could move the cursor is escaped.
pub fn print(words: Arguments) -> Result<()> {
    writeln!(stdout(), "{}", escape::lines(&words.to_string()))
        .context("cannot write to standard output (is the disk full?)")
}

/// Writes a value as JSON to standard output, on one line.
pub fn print_json(value: &impl Serialize) -> Result<()> {
    print(format_args!("{}", escape::json(&serde_json::to_string(value)?)))
}

/// Writes to standard error. With torchrun, only the first process prints.
pub fn note(words: Arguments) {
    if !is_quiet() {
        to_stderr(&words.to_string());
    }
}

pub mod ablate;
pub mod data;
pub mod evaluate;
pub mod export;
pub mod lineage;
pub mod predict;
pub mod protocols;
pub mod results;
pub mod train;
pub mod visualize;
pub mod worker;
