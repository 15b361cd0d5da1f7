//! One file per command, with its arguments.

use std::fmt::Arguments;
use std::io::{Write, stdout};
use std::path::Path;

use anyhow::{Context, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use ror::data::{Faces, Protocol, Split};
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
    print(format_args!("{}", escape::to_json(value)?))
}

/// Writes to standard error. With torchrun, only the first process prints.
pub fn note(words: Arguments) {
    if !is_quiet() {
        to_stderr(&words.to_string());
    }
}

/// Opens the data set of a command: the one at `--data`, or else `$ROR_DATA` or what is in data/, or
/// with `--synthetic` synthetic faces.
///
/// # Errors
/// No data set. Minutes of work on synthetic faces are only done if somebody asks for them.
pub fn data_set(data: Option<&Path>, synthetic: bool) -> Result<Faces> {
    match data {
        Some(path) => Faces::open_at(path),
        None if synthetic => Faces::stand_in(),
        None => Faces::find()?.context(
            "there is no data set: put UTKFace.tar.gz into data/ or set ROR_DATA to its path \
             (data/README.md says how to get it), or use --synthetic for synthetic faces",
        ),
    }
}

/// Parses the name of a protocol. The shell completes it, and a misspelled one gets a suggestion.
pub fn protocol() -> impl TypedValueParser<Value = Protocol> {
    PossibleValuesParser::new(Protocol::ALL.map(Protocol::name))
        .try_map(|name| name.parse::<Protocol>())
}

/// Returns a split with its protocol's name.
pub fn named(protocol: Protocol, split: &Split) -> String {
    match split.protocol {
        Some(_) => split.to_string(),
        None => format!("{protocol}, by sizes as this is not UTKFace: {split}"),
    }
}

pub mod ablate;
pub mod completions;
pub mod data;
pub mod evaluate;
pub mod export;
pub mod lineage;
pub mod models;
pub mod predict;
mod printed;
pub mod protocols;
pub mod results;
pub mod serve;
pub mod train;
pub mod visualize;
pub mod worker;
