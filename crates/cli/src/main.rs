//! The command-line program. Each command makes a few calls to the library.

#[macro_use]
mod commands;
mod gallery;
mod inputs;

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};

use commands::{
    ablate, completions, data, evaluate, export, lineage, models, predict, protocols, results,
    serve, train, visualize, worker,
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
    /// Summarize the data set: duplicates, genders, splits.
    Data,
    /// Show how each protocol splits the data set.
    Protocols(protocols::Args),
    /// Train a network, or fine-tune one on your own faces.
    Train(train::Args),
    /// Train variants of an experiment with several seeds and compare them.
    Ablate(ablate::Args),
    /// Measure a network on a test set, or on any folder or archive with UTKFace file names.
    Evaluate(evaluate::Args),
    /// Predict gender and age in photos, aligned crops, tar shards or images of the data set.
    Predict(predict::Args),
    /// List the networks: what each predicts, its size, training data and published results.
    Models(models::Args),
    /// Serve a page and an HTTP API that predict photos and the camera's images.
    Serve(serve::Args),
    /// Export a network to a folder for Python: for Hugging Face's loader, or as ONNX.
    Export(export::Args),
    /// Check the shipped networks for train/test leakage.
    Lineage,
    /// Print the published results; with --write, update the CSV file, docs and figures.
    Results(results::Args),
    /// Run a process that train --workers starts.
    #[command(hide = true)]
    Worker(worker::Args),
    /// Write one PNG per layer with all its channels, and the patterns that maximize its filters.
    Visualize(visualize::Args),
    /// Print a script that completes commands, options and names in a shell.
    Completions(completions::Args),
}

fn main() -> ExitCode {
    // SAFETY: sets the default action before any other thread runs. `ror data | head` then ends
    // quietly; otherwise Rust would panic on the closed pipe.
    #[cfg(unix)]
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
    utils::progress::show_progress(true);
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line with all causes and no backtrace. Quiet ranks print it too.
            utils::progress::to_stderr(&format!("error: {}", utils::escape::error(&error)));
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
        Command::Models(args) => models::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Lineage => lineage::run(),
        Command::Results(args) => results::run(&args),
        Command::Worker(args) => worker::run(&args),
        Command::Visualize(args) => visualize::run(args),
        Command::Completions(args) => completions::run(&args, Cli::command()),
    }
}
