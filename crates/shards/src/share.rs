//! This process's share of the work: from `--shard i/n`, torchrun or Slurm.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, anyhow, ensure};

use utils::launcher::{self, RANK, variable};

/// The share of the work that one of several processes does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    number: usize,
    of: usize,
    /// What set it, such as `--shard`.
    by: String,
}

impl Share {
    /// Creates share `number` (from 0) of `of`.
    ///
    /// # Errors
    /// `number` is too large.
    pub fn new(number: usize, of: usize, by: &str) -> Result<Self> {
        ensure!(
            number < of,
            "{by} asks for share {number} of {of}: shares are numbered from 0, choose less than {of}"
        );
        Ok(Self { number, of, by: by.to_owned() })
    }

    /// Reads this process's share from the environment: its task in a Slurm array, and within that
    /// its rank in torchrun, otherwise in `srun`. Without any of them, the share is everything.
    ///
    /// # Errors
    /// The variables contradict each other.
    pub fn from_env() -> Result<Self> {
        Self::by_variables(variable)
    }

    fn by_variables(get: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let number = |name: &str| launcher::number(&get, name);
        let pair = |names: [&str; 2]| -> Result<Option<Self>> {
            let said = launcher::numbered(&get, names);
            let said =
                said.context("cannot read the share from the environment (use --shard i/n)")?;
            said.map(|(number, of)| Self::new(number, of, &names.join(" and "))).transpose()
        };
        let task = match number("SLURM_ARRAY_TASK_ID")? {
            None => None,
            Some(id) => {
                let of = number("SLURM_ARRAY_TASK_COUNT")?.context(
                    "SLURM_ARRAY_TASK_ID is set but SLURM_ARRAY_TASK_COUNT is not: use --shard i/n",
                )?;
                let first = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
                let step = number("SLURM_ARRAY_TASK_STEP")?.unwrap_or(1).max(1);
                let last =
                    number("SLURM_ARRAY_TASK_MAX")?.unwrap_or(first + (of.max(1) - 1) * step);
                let at = id.checked_sub(first).filter(|at| at % step == 0).map(|at| at / step);
                let even = last.checked_sub(first) == Some((of.max(1) - 1) * step);
                let at = at.filter(|at| even && *at < of).with_context(|| {
                    format!(
                        "the array has {of} tasks from {first} to {last}, with gaps, so task {id} has no \
                         share: submit it as --array=0-{} or use --shard i/n",
                        of.max(1) - 1
                    )
                })?;
                Some(Self::new(at, of, "SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT")?)
            }
        };
        let process = match pair(RANK)? {
            Some(rank) => Some(rank),
            // A batch script is process 0, and Slurm only sets the number if it was requested.
            None if get("SLURM_NTASKS").is_none() => None,
            None => pair(["SLURM_PROCID", "SLURM_NTASKS"])?,
        };
        if let Some(process) = &process
            && process.by.starts_with("SLURM")
            && process.of > 1
            && get("SLURM_JOB_ID").is_some()
            && get("SLURM_STEP_NUM_TASKS").is_none()
        {
            return Err(anyhow!(
                "Slurm has {} tasks for this job, but this one was started without srun: put srun \
                 before the command or use --shard 0/1",
                process.of
            ));
        }
        Ok(match (task, process) {
            (Some(task), Some(process)) if process.of > 1 => Self {
                number: task.number * process.of + process.number,
                of: task.of * process.of,
                by: format!("{}, {}", task.by, process.by),
            },
            (Some(one), _) | (None, Some(one)) => one,
            (None, None) => Self { number: 0, of: 1, by: "nothing".to_owned() },
        })
    }

    /// Returns this share of some items: every `of`-th, starting with its number.
    pub fn take<T>(&self, all: Vec<T>) -> Vec<T> {
        all.into_iter().skip(self.number).step_by(self.of).collect()
    }

    /// Whether the share is everything.
    pub fn is_all(&self) -> bool {
        self.of == 1
    }
}

impl FromStr for Share {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text.split_once('/').and_then(|(number, of)| {
            Some((number.parse().ok()?, of.parse().ok().filter(|of| *of > 0)?))
        });
        let (number, of) =
            parts.with_context(|| format!("{text} is not a share: use i/n, such as 0/3"))?;
        Self::new(number, of, "--shard")
    }
}

impl fmt::Display for Share {
    /// Formats the share as `share 0/3 by --shard`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "share {}/{} by {}", self.number, self.of, self.by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(variables: &[(&str, &str)]) -> Result<Share> {
        let find = |name: &str| variables.iter().find(|(own, _)| *own == name);
        Share::by_variables(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    fn numbers(share: Result<Share>) -> (usize, usize) {
        let share = share.unwrap();
        (share.number, share.of)
    }

    #[test]
    fn shares_together_are_everything_once() {
        let mut all: Vec<usize> =
            (0..3).flat_map(|i| Share::new(i, 3, "").unwrap().take((0..20).collect())).collect();
        all.sort_unstable();
        assert_eq!(all, (0..20).collect::<Vec<_>>());
        assert_eq!(numbers("2/3".parse()), (2, 3));
        for wrong in ["3/3", "0/0", "1", "a/2", "-1/2", "1/2/3"] {
            let error = wrong.parse::<Share>().unwrap_err().to_string();
            assert!(error.contains("from 0") || error.contains("such as 0/3"), "{error}");
        }
    }

    #[test]
    fn torchrun_and_slurm_say_the_share() {
        const ARRAY: [(&str, &str); 4] = [
            ("SLURM_ARRAY_TASK_ID", "7"),
            ("SLURM_ARRAY_TASK_COUNT", "3"),
            ("SLURM_ARRAY_TASK_MIN", "5"),
            ("SLURM_ARRAY_TASK_STEP", "2"),
        ];
        assert_eq!(numbers(by(&[])), (0, 1));
        assert_eq!(numbers(by(&[("RANK", "1"), ("WORLD_SIZE", "4")])), (1, 4));
        assert_eq!(numbers(by(&ARRAY)), (1, 3));
        assert_eq!(numbers(by(&[ARRAY[0], ("SLURM_ARRAY_TASK_COUNT", "8")])), (7, 8));
        let step = [("SLURM_PROCID", "1"), ("SLURM_NTASKS", "2"), ("SLURM_STEP_NUM_TASKS", "2")];
        assert_eq!(numbers(by(&step)), (1, 2));
        // With torchrun under srun, ranks already count all processes.
        let ranks = [("RANK", "5"), ("WORLD_SIZE", "8")];
        assert_eq!(numbers(by(&[&ranks[..], &step].concat())), (5, 8));
        // Processes within the tasks of an array.
        let both = by(&[&ARRAY[..], &step].concat());
        assert_eq!(both.as_ref().unwrap().to_string().matches("SLURM_").count(), 4);
        assert_eq!(numbers(both), (3, 6));
        let alone = [("SLURM_PROCID", "0"), ("SLURM_JOB_ID", "12"), ("SLURM_NTASKS", "1")];
        assert_eq!(numbers(by(&[&ARRAY[..], &alone].concat())), (1, 3));
        assert_eq!(numbers(by(&[&ARRAY[..], &alone[..2]].concat())), (1, 3));
    }

    #[test]
    fn variables_that_leave_shares_out_are_refused() {
        for (variables, says) in [
            (&[("RANK", "1")][..], "WORLD_SIZE is not"),
            (&[("RANK", "x"), ("WORLD_SIZE", "4")], "RANK is x"),
            (&[("RANK", "4"), ("WORLD_SIZE", "4")], "less than 4"),
            // --array=3,7
            (
                &[
                    ("SLURM_ARRAY_TASK_ID", "3"),
                    ("SLURM_ARRAY_TASK_COUNT", "2"),
                    ("SLURM_ARRAY_TASK_MIN", "3"),
                    ("SLURM_ARRAY_TASK_MAX", "7"),
                ],
                "with gaps",
            ),
            (
                &[("SLURM_JOB_ID", "12"), ("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4")],
                "without srun",
            ),
        ] {
            let error = format!("{:#}", by(variables).unwrap_err());
            assert!(error.contains(says), "{error}");
        }
    }
}
