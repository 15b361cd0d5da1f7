//! The command line: thin, every command a few calls into the library.

#[macro_use]
mod commands;
mod gallery;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use commands::{
    ablate, data, evaluate, export, lineage, predict, protocols, results, train, visualize, worker,
};

/// Face age-group and gender estimation with residual networks of residual networks.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say what the data set holds: duplicates, pictures by gender, splits.
    Data,
    /// Say how each protocol splits the data set.
    Protocols(protocols::Args),
    /// Train a net, or fine-tune one on faces of your own.
    Train(train::Args),
    /// Train variants of an experiment by several seeds, and say what each is worth.
    Ablate(ablate::Args),
    /// Measure a saved net on a folder or archive of pictures with UTKFace's names.
    Evaluate(evaluate::Args),
    /// Predict gender and age of picture files, or of the picture at an index of the data set.
    Predict(predict::Args),
    /// Write a net as a folder for Python: for Hugging Face's loader, or as ONNX.
    Export(export::Args),
    /// Say what each net that ships has seen: of published test and validation parts, nothing.
    Lineage,
    /// Print the published results as a table; with --write, put it into README.md.
    Results(results::Args),
    /// One of the processes that train --workers starts.
    #[command(hide = true)]
    Worker(worker::Args),
    /// Write one picture a layer with all its channels, and the patterns that excite its filters.
    Visualize(visualize::Args),
}

fn main() -> ExitCode {
    // SAFETY: sets the default action, before any other thread runs: `ror data | head` ends
    // quietly, where Rust would panic on the closed pipe.
    #[cfg(unix)]
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The causes in one line; a backtrace says nothing to who uses the program. Of every rank,
            // also of one that is quiet.
            utils::progress::to_stderr(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Data => data::run(),
        Command::Protocols(args) => protocols::run(&args),
        Command::Train(args) => train::run(args),
        Command::Ablate(args) => ablate::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Lineage => lineage::run(),
        Command::Results(args) => results::run(&args),
        Command::Worker(args) => worker::run(&args),
        Command::Visualize(args) => visualize::run(args),
    }
}
