//! Named ways to divide UTKFace, so that a published number says which one it is of.

use std::collections::HashSet;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::{Balance, Faces, Plan, Records, Split};
use crate::{Task, files};

/// A named split of the data set, by content.
///
/// All use the same ranking of contents by seed and hash, and deal train, validation and test
/// from its start. So the test parts of [`Protocol::Random`] and [`Protocol::Adults`] are also
/// out of reach of [`Protocol::Shared`]'s train and validation parts: a net trained by it may
/// be measured on both, or start another training for either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// The original project's: gender 14,000 / 3,500 / rest of all pictures; age groups
    /// 9,000 / 3,000 / rest of the balanced ones, up to 60 years. On drawings and small sets,
    /// [`Faces::plan`].
    #[serde(rename = "original")]
    Original,
    /// All ages, 80 % / 10 % / 10 %.
    #[serde(rename = "random-80-10-10")]
    Random,
    /// Ages 21 to 60, one fifth for test (13,147 / 3,287 before copies are removed), and a
    /// tenth of what is left for validation.
    #[serde(rename = "age-21-60")]
    Adults,
    /// All ages, 70 % / 10 % / 20 %: for nets that several protocols start from.
    #[serde(rename = "shared-70-10-20")]
    Shared,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Protocol; 4] = [
        Protocol::Original,
        Protocol::Random,
        Protocol::Adults,
        Protocol::Shared,
    ];

    /// Its name in commands and tables.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Original => "original",
            Protocol::Random => "random-80-10-10",
            Protocol::Adults => "age-21-60",
            Protocol::Shared => "shared-70-10-20",
        }
    }

    /// The protocol of a name.
    ///
    /// # Errors
    /// Another name; those there are, are listed.
    pub fn named(name: &str) -> Result<Self> {
        match Self::ALL.iter().find(|protocol| protocol.name() == name) {
            Some(protocol) => Ok(*protocol),
            None => bail!(
                "there is no protocol {name}: choose {}",
                Self::ALL.map(Protocol::name).join(", ")
            ),
        }
    }

    /// The tasks whose splits differ: two in the original's, one in all others.
    pub fn tasks(self) -> Vec<Task> {
        match self {
            Protocol::Original => vec![Task::Gender, Task::age()],
            _ => vec![Task::Both],
        }
    }

    /// Divides a data set. All protocols but the original's divide alike for every task:
    /// stratified by age group and gender, without the contents whose copies disagree on
    /// either.
    ///
    /// # Errors
    /// Too few pictures.
    pub fn split(self, faces: &Faces, task: Task) -> Result<Split> {
        let records = faces.records();
        let parts = |table: &polars::prelude::DataFrame, validation: f64, test: f64| {
            let rows = faces.divisible(table, Task::Both)?;
            let share = |share: f64| (rows as f64 * share).round() as usize;
            let (validation, test) = (share(validation), share(test));
            let plan = Plan {
                task: Task::Both,
                train: rows.saturating_sub(validation + test),
                validation,
                test: None,
                seed: 0,
            };
            faces.split(table, &plan)
        };
        match self {
            // A net for both is measured on gender, by gender's split.
            Protocol::Original => match task {
                Task::Gender | Task::Both => faces.split(records, &faces.plan(Task::Gender)),
                Task::AgeGroup { .. } | Task::Years => {
                    let gap = match task {
                        Task::AgeGroup { .. } => task,
                        _ => Task::age(),
                    };
                    faces.split(&records.balance(&Balance::default())?, &faces.plan(gap))
                }
            },
            Protocol::Random => parts(records, 0.1, 0.1),
            Protocol::Shared => parts(records, 0.1, 0.2),
            Protocol::Adults => {
                let test = 3_287.0 / 16_434.0;
                parts(&records.between_ages(21..=60)?, (1.0 - test) / 10.0, test)
            }
        }
    }

    /// The protocol and the split that have a fingerprint, of those for a task; none for a
    /// split of one's own.
    ///
    /// # Errors
    /// A data set that can't be divided at all.
    pub fn of_fingerprint(
        faces: &Faces,
        task: Task,
        fingerprint: &str,
    ) -> Result<Option<(Protocol, Split)>> {
        for protocol in Self::ALL {
            // A small set may be too small for some of them.
            if let Ok(split) = protocol.split(faces, task)
                && split.fingerprint == fingerprint
            {
                return Ok(Some((protocol, split)));
            }
        }
        Ok(None)
    }

    /// The file that lists the contents of each part, committed for all to check.
    pub fn file(self, task: Task) -> PathBuf {
        let name = match (self, task) {
            (Protocol::Original, Task::Gender | Task::Both) => "original-gender.txt".to_owned(),
            (Protocol::Original, _) => "original-age.txt".to_owned(),
            _ => format!("{}.txt", self.name()),
        };
        files::home().join("data").join("protocols").join(name)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Hexadecimal digits of a content's hash in a list: no two of UTKFace's contents share them.
const DIGITS: usize = 10;
/// Hashes in a line.
const IN_LINE: usize = 10;

/// A split in full: its plan, then the contents of each part, by the first 10 digits of
/// their SHA-256.
pub fn listing(protocol: Protocol, faces: &Faces, split: &Split) -> Result<String> {
    let mut text = format!(
        "# Protocol {protocol}, {}: contents of each part, the first {DIGITS} digits of the SHA-256 of each picture's file.\n\
         # Made by: ror protocols --write\n\
         # seed {}, split {}, data {}\n",
        split.plan.task,
        split.plan.seed,
        split.fingerprint,
        faces.fingerprint()
    );
    for (name, part) in [
        ("train", &split.train),
        ("validation", &split.validation),
        ("test", &split.test),
    ] {
        writeln!(text, "{name} {}", part.len())?;
        let mut hashes = part
            .iter()
            .map(|i| Ok(&faces.record(*i)?.content[..DIGITS]))
            .collect::<Result<Vec<_>>>()?;
        hashes.sort_unstable();
        for line in hashes.chunks(IN_LINE) {
            writeln!(text, "{}", line.join(" "))?;
        }
    }
    Ok(text)
}

/// The parts of a [`listing`]: contents by their first digits.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Learnt from.
    pub train: HashSet<String>,
    /// Chosen by.
    pub validation: HashSet<String>,
    /// Measured on.
    pub test: HashSet<String>,
}

/// Reads a [`listing`].
///
/// # Errors
/// A file that is missing, or not such a list; a part with another number of contents than it
/// says.
pub fn read_listing(path: &Path) -> Result<Listed> {
    let text = files::read_text(path)?;
    let mut listed = Listed::default();
    let mut sizes = vec![];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [part @ ("train" | "validation" | "test"), size] = words[..] {
            sizes.push((part.to_owned(), size.parse::<usize>()?));
            continue;
        }
        let part = match sizes.last().map(|(part, _)| part.as_str()) {
            Some("train") => &mut listed.train,
            Some("validation") => &mut listed.validation,
            Some("test") => &mut listed.test,
            _ => bail!("{} is not a list of a protocol's parts", path.display()),
        };
        part.extend(words.into_iter().map(str::to_owned));
    }
    for (part, size) in sizes {
        let found = match part.as_str() {
            "train" => &listed.train,
            "validation" => &listed.validation,
            _ => &listed.test,
        };
        anyhow::ensure!(
            found.len() == size,
            "{} lists {} contents for {part}, and says {size}",
            path.display(),
            found.len()
        );
    }
    Ok(listed)
}
