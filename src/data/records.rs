//! Records: which pictures a set has, and their table.

use anyhow::{Result, ensure};

use crate::task::{Label, RACES};

/// One picture of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// File name, below the set's folder where it has one.
    pub file: String,
    /// Age, gender, race.
    pub label: Label,
    /// SHA-256 of the picture's bytes, in hexadecimal: duplicates share it.
    pub content: String,
}

impl Record {
    /// Refuses values outside the ranges that the fields promise.
    pub(super) fn check(&self) -> Result<()> {
        let Self { file, label, content } = self;
        ensure!(label.age <= 130, "{file}: an age of {} years is over 130", label.age);
        ensure!(
            label.race.is_none_or(|race| usize::from(race) < RACES.len()),
            "{file}: race {:?} is not 0 to {}",
            label.race,
            RACES.len() - 1
        );
        ensure!(
            content.len() == 64 && content.bytes().all(|b| b.is_ascii_hexdigit()),
            "{file}: its content should be a SHA-256, 64 hexadecimal digits, not {content:?}"
        );
        Ok(())
    }
}
