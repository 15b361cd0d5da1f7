//! Row selection in a records table: the original project's three balancing steps.

use std::ops::RangeInclusive;

use anyhow::{Context, Result, ensure};
use polars::prelude::{BooleanChunked, DataFrame, NewChunkedArray};

use utils::hash::rank;

/// Settings of the original project's balancing, in its order; see [`Records::balance`].
#[derive(Debug, Clone, PartialEq)]
pub struct Balance {
    /// Ages over-represented in UTKFace, and the share of them to keep. Default: 30 % of ages 24 to
    /// 28.
    pub peak: (RangeInclusive<u32>, f64),
    /// The highest age to keep, in years. Default: 60.
    pub oldest: u32,
    /// Ages of small children, and the share of them to keep. Default: 50 % of ages 0 to 4.
    pub infants: (RangeInclusive<u32>, f64),
    /// Seed that selects the images to keep. Default: 0.
    pub seed: u64,
}

impl Default for Balance {
    fn default() -> Self {
        Self { peak: (24..=28, 0.30), oldest: 60, infants: (0..=4, 0.50), seed: 0 }
    }
}

/// Operations on a records table. Each returns a new table and keeps the row order.
///
/// ```
/// use ror::data::{Balance, Faces, Records};
///
/// # fn main() -> anyhow::Result<()> {
/// let faces = Faces::synthetic(500, 0)?;
/// let young = faces.records().up_to_age(60)?;
/// let fewer = young.thin(24..=28, 0.30, 0)?;
/// assert!(fewer.height() < young.height());
/// assert!(faces.records().balance(&Balance::default())?.height() < fewer.height());
/// # Ok(())
/// # }
/// ```
pub trait Records {
    /// Keeps a random `share` (0 to 1, rounded to whole images) of the rows whose age is in `ages`,
    /// and all other rows. The same seed keeps the same images on every machine.
    ///
    /// # Errors
    /// A share outside 0 to 1, an empty age range, or a table that is not a records table.
    fn thin(&self, ages: RangeInclusive<u32>, share: f64, seed: u64) -> Result<DataFrame>;

    /// Drops the rows with ages over `oldest` years.
    ///
    /// # Errors
    /// A table that is not a records table.
    fn up_to_age(&self, oldest: u32) -> Result<DataFrame> {
        self.between_ages(0..=oldest)
    }

    /// Keeps the rows whose age is in `ages`.
    ///
    /// # Errors
    /// An empty age range, or a table that is not a records table.
    fn between_ages(&self, ages: RangeInclusive<u32>) -> Result<DataFrame>;

    /// Applies the three steps of the original: thins the peak, drops the oldest, thins the
    /// infants.
    ///
    /// # Errors
    /// A share outside 0 to 1, an empty age range, or a table that is not a records table.
    fn balance(&self, balance: &Balance) -> Result<DataFrame>;
}

impl Records for DataFrame {
    fn thin(&self, ages: RangeInclusive<u32>, share: f64, seed: u64) -> Result<DataFrame> {
        ensure!((0.0..=1.0).contains(&share), "the share is {share}: choose 0 to 1");
        let mut mask = rows_of(self, &ages)?;
        let files = self
            .column("file")
            .context("the table has no column `file`: pass a table from records()")?
            .str()?;
        let mut inside: Vec<(u64, usize)> = files
            .iter()
            .enumerate()
            .filter(|(row, _)| mask[*row])
            .map(|(row, file)| (rank(seed, file.unwrap_or_default()), row))
            .collect();
        inside.sort_unstable();
        let kept = (inside.len() as f64 * share).round() as usize;
        mask.fill(true);
        for (_, row) in &inside[kept..] {
            mask[*row] = false;
        }
        only(self, &mask)
    }

    fn between_ages(&self, ages: RangeInclusive<u32>) -> Result<DataFrame> {
        only(self, &rows_of(self, &ages)?)
    }

    fn balance(&self, balance: &Balance) -> Result<DataFrame> {
        let Balance { peak, oldest, infants, seed } = balance;
        self.thin(peak.0.clone(), peak.1, *seed)?.up_to_age(*oldest)?.thin(
            infants.0.clone(),
            infants.1,
            *seed,
        )
    }
}

/// For each row, whether its age is in `ages`.
fn rows_of(table: &DataFrame, ages: &RangeInclusive<u32>) -> Result<Vec<bool>> {
    ensure!(
        !ages.is_empty(),
        "the age range {} to {} is empty: put the lower age first",
        ages.start(),
        ages.end()
    );
    let column = table
        .column("age")
        .context("the table has no column `age`: pass a table from records()")?
        .u32()
        .context("the column `age` must have the type u32")?;
    let inside = |age: Option<u32>| age.is_some_and(|age| ages.contains(&age));
    Ok(column.iter().map(inside).collect())
}

fn only(table: &DataFrame, mask: &[bool]) -> Result<DataFrame> {
    Ok(table.filter(&BooleanChunked::from_slice("kept".into(), mask))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Faces;

    #[test]
    fn a_range_without_ages_is_an_error() {
        let faces = Faces::synthetic(50, 0).unwrap();
        let backwards = RangeInclusive::new(28, 24);
        for wrong in [
            faces.records().thin(backwards.clone(), 0.3, 0),
            faces.records().between_ages(backwards),
        ] {
            assert!(wrong.unwrap_err().to_string().contains("lower age first"));
        }
    }
}
