//! The environment variables that torchrun and Slurm set for each process.

use std::env;

use anyhow::{Context, Result};

/// Returns an environment variable, or `None` if it is unset or empty.
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.is_empty())
}

/// Parses the number in a variable that `get` looks up; `None` if it is not set.
pub fn number(get: impl Fn(&str) -> Option<String>, name: &str) -> Result<Option<usize>> {
    let parsed = |text: String| -> Result<usize> {
        text.parse().with_context(|| format!("{name} is {text}, which is not a number"))
    };
    get(name).map(parsed).transpose()
}

/// Reads this process's rank, from 0, and the number of processes from two variables that a
/// launcher sets; `None` if the first is not set.
pub fn numbered(
    get: impl Fn(&str) -> Option<String>,
    [own, all]: [&str; 2],
) -> Result<Option<(usize, usize)>> {
    let Some(rank) = number(&get, own)? else {
        return Ok(None);
    };
    let size = number(&get, all)?
        .with_context(|| format!("{own} is set but {all} is not: set both or neither"))?;
    Ok(Some((rank, size)))
}

/// The variables that torchrun sets.
pub const RANK: [&str; 2] = ["RANK", "WORLD_SIZE"];

/// Returns this process's rank in distributed training as set by torchrun, or 0 for a single
/// process. Only rank 0 prints messages.
pub fn rank() -> usize {
    match numbered(variable, RANK) {
        Ok(Some((rank, 2..))) => rank,
        _ => 0,
    }
}
