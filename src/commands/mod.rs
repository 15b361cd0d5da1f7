//! One file a command: its arguments, and what it does.

use clap::ValueEnum;
use ror::Task;

pub mod ablate;
pub mod data;
pub mod evaluate;
pub mod predict;
pub mod protocols;
pub mod results;
pub mod train;
pub mod visualize;

/// What a net estimates, on the command line.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Which {
    Gender,
    Age,
    /// Age in years.
    Years,
    /// Gender and age in years.
    Both,
}

impl From<Which> for Task {
    fn from(which: Which) -> Self {
        match which {
            Which::Gender => Task::Gender,
            Which::Age => Task::age(),
            Which::Years => Task::Years,
            Which::Both => Task::Both,
        }
    }
}
