//! Sets, splits and duplicates as polars tables.

use anyhow::{Context, Result};
use polars::prelude::{DataFrame, df};

use super::duplicates::Group;
use super::{Duplicates, Faces, Split, SplitSizes};

impl Faces {
    /// One row per image: `index`, `file`, `age` (years), `gender`, `race`, `content` (image hash).
    pub fn records(&self) -> &DataFrame {
        self.table()
    }

    /// Returns the indices in a table's column `index`.
    ///
    /// # Errors
    /// A table without that column, or with an index outside this set.
    pub fn indices(&self, table: &DataFrame) -> Result<Vec<usize>> {
        let column = table
            .column("index")
            .context("the table has no column `index`: pass a table from records()")?;
        let index = |index: Option<u32>| {
            let index = index.context("the column `index` has a null")? as usize;
            self.record(index).map(|_| index)
        };
        column.u32()?.iter().map(index).collect()
    }
}

impl Split {
    /// Splits the images of `table` into training, validation and test sets by image hash.
    ///
    /// # Errors
    /// A table that is not of this set, fewer images than `sizes` needs, or a set of size 0.
    pub fn new(faces: &Faces, table: &DataFrame, sizes: &SplitSizes) -> Result<Self> {
        Self::from_indices(faces, &faces.indices(table)?, sizes)
    }
}

impl Duplicates {
    /// One row per duplicated image, largest age difference first: `content`, `files`, `youngest`,
    /// `oldest`, `years apart`, `genders`.
    ///
    /// # Errors
    /// Only internal errors of polars.
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
