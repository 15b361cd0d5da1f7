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

/// One row per record: `index`, `file`, `age`, `gender`, `race`, `content`.
#[cfg(feature = "tables")]
pub(super) fn table(records: &[Record]) -> Result<polars::prelude::DataFrame> {
    let column = |text: fn(&Record) -> &str| records.iter().map(text).collect::<Vec<_>>();
    Ok(polars::prelude::df!(
        "index" => (0..records.len() as u32).collect::<Vec<_>>(),
        "file" => column(|r| &r.file),
        "age" => records.iter().map(|r| r.label.age).collect::<Vec<_>>(),
        "gender" => column(|r| r.label.gender.name()),
        "race" => records.iter().map(|r| r.label.race.map(|race| RACES[usize::from(race)])).collect::<Vec<_>>(),
        "content" => column(|r| &r.content),
    )?)
}
