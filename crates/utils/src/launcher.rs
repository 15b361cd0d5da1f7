//! What torchrun and Slurm say of a process by environment variables.

use std::env;

use anyhow::{Context, Result};

/// A variable of the environment.
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.is_empty())
}

/// The number that a variable says; none where `get` knows none.
pub fn number(get: impl Fn(&str) -> Option<String>, name: &str) -> Result<Option<usize>> {
    let parsed = |text: String| -> Result<usize> {
        text.parse().with_context(|| format!("{name} is {text}, no number"))
    };
    get(name).map(parsed).transpose()
}

/// This process's number, from 0, and how many there are, as a launcher says them by two variables;
/// none where the first is not set.
pub fn numbered(
    get: impl Fn(&str) -> Option<String>,
    [own, all]: [&str; 2],
) -> Result<Option<(usize, usize)>> {
    let Some(rank) = number(&get, own)? else {
        return Ok(None);
    };
    let size = number(&get, all)?
        .with_context(|| format!("{own} is set, and {all} is not: set both, or neither"))?;
    Ok(Some((rank, size)))
}

/// What torchrun sets.
pub const RANK: [&str; 2] = ["RANK", "WORLD_SIZE"];

/// This process's rank in a training of several processes, as torchrun says it; 0 alone. Rank 0
/// speaks for all.
pub fn rank() -> usize {
    match numbered(variable, RANK) {
        Ok(Some((rank, 2..))) => rank,
        _ => 0,
    }
}
