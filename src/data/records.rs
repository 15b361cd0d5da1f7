//! Records: the images of a set and their labels.

use anyhow::{Result, ensure};

use crate::task::{Label, RACES};

/// One image of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// File name, relative to the set's folder if it has one.
    pub file: String,
    /// Age, gender and race.
    pub label: Label,
    /// Image hash: SHA-256 of the image file, in hexadecimal. Duplicates share it.
    pub content: String,
}

impl Record {
    /// Rejects values outside the ranges of the fields.
    pub(super) fn check(&self) -> Result<()> {
        let Self { file, label, content } = self;
        ensure!(label.age <= 130, "{file}: the age of {} years is over 130", label.age);
        ensure!(
            label.race.is_none_or(|race| usize::from(race) < RACES.len()),
            "{file}: race {:?} is not 0 to {}",
            label.race,
            RACES.len() - 1
        );
        ensure!(
            content.len() == 64 && content.bytes().all(|b| b.is_ascii_hexdigit()),
            "{file}: the image hash should be 64 hexadecimal digits (SHA-256), not {content:?}"
        );
        Ok(())
    }
}
