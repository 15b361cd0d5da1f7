//! Sets, splits and duplicates as polars tables.

use anyhow::{Context, Result};
use polars::prelude::{DataFrame, df};

use super::duplicates::Group;
use super::{Duplicates, Faces, Record, Split, SplitSizes};
use crate::task::RACES;

impl Faces {
    /// One row a picture: `index`, `file`, `age` (years), `gender`, `race`, `content`.
    pub fn records(&self) -> &DataFrame {
        self.table()
    }

    /// The indices of a table's rows: its column `index`.
    ///
    /// # Errors
    /// A table without that column, or with an index outside this set.
    pub fn indices(&self, table: &DataFrame) -> Result<Vec<usize>> {
        let column = table
            .column("index")
            .context("the table lacks the column `index` that records() has")?;
        let index = |index: Option<u32>| {
            let index = index.context("the column `index` has a null")? as usize;
            self.record(index).map(|_| index)
        };
        column.u32()?.iter().map(index).collect()
    }
}

impl Split {
    /// Divides the images of `table` into train, validation and test by their image hashes.
    ///
    /// # Errors
    /// A table that is not of this set, fewer images than `sizes` needs, or a part of size 0.
    pub fn new(faces: &Faces, table: &DataFrame, sizes: &SplitSizes) -> Result<Self> {
        Self::of(faces, &faces.indices(table)?, sizes)
    }
}

impl Duplicates {
    /// One row a content, those furthest apart first: `content`, `files`, `youngest`, `oldest`,
    /// `years apart`, `genders`.
    ///
    /// # Errors
    /// None that duplicates can cause.
    pub fn table(&self) -> Result<DataFrame> {
        let years = |of: fn(&Group) -> u32| self.0.iter().map(of).collect::<Vec<_>>();
        let words = |of: fn(&Group) -> &str| self.0.iter().map(of).collect::<Vec<_>>();
        Ok(df!(
            "content" => words(|g| &g.content),
            "files" => years(|g| g.ages.len() as u32),
            "youngest" => years(Group::youngest),
            "oldest" => years(Group::oldest),
            "years apart" => years(Group::spread),
            "genders" => words(|g| if g.genders_differ { "both" } else { "one" }),
        )?)
    }
}

/// `index`, `file`, `age`, `gender`, `race`, `content`: one row a record.
pub(super) fn table(records: &[Record]) -> Result<DataFrame> {
    let column = |text: fn(&Record) -> &str| records.iter().map(text).collect::<Vec<_>>();
    Ok(df!(
        "index" => (0..records.len() as u32).collect::<Vec<_>>(),
        "file" => column(|r| &r.file),
        "age" => records.iter().map(|r| r.label.age).collect::<Vec<_>>(),
        "gender" => column(|r| r.label.gender.name()),
        "race" => records.iter().map(|r| r.label.race.map(|race| RACES[usize::from(race)])).collect::<Vec<_>>(),
        "content" => column(|r| &r.content),
    )?)
}
