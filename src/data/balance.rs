//! Choosing rows of a records table: the original's three balancing steps.

use std::ops::RangeInclusive;

use anyhow::{Context, Result, ensure};
use polars::prelude::{BooleanChunked, DataFrame, NewChunkedArray};

use utils::hash::rank;

/// The original's balancing, in its order; see [`Records::balance`].
#[derive(Debug, Clone, PartialEq)]
pub struct Balance {
    /// Ages over-represented in UTKFace, and the share of them to keep. Default: 30 % of
    /// ages 24 to 28.
    pub peak: (RangeInclusive<u32>, f64),
    /// The highest age to keep, in years. Default: 60.
    pub oldest: u32,
    /// Small children, and the share of them to keep. Default: 50 % of ages 0 to 4.
    pub infants: (RangeInclusive<u32>, f64),
    /// Decides which pictures are kept. Default: 0.
    pub seed: u64,
}

impl Default for Balance {
    fn default() -> Self {
        Self { peak: (24..=28, 0.30), oldest: 60, infants: (0..=4, 0.50), seed: 0 }
    }
}

/// What can be done to a table of records. Each step makes a new table and keeps row order.
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
    /// Keeps a random `share` (0 to 1, rounded to whole pictures) of the rows whose age is in
    /// `ages`, and all other rows. The same seed keeps the same pictures on every machine.
    ///
    /// # Errors
    /// A share outside 0 to 1, ages that end before they start, or a table that is not one of
    /// records.
    fn thin(&self, ages: RangeInclusive<u32>, share: f64, seed: u64) -> Result<DataFrame>;

    /// Drops the rows of ages over `oldest` years.
    ///
    /// # Errors
    /// A table that is not one of records.
    fn up_to_age(&self, oldest: u32) -> Result<DataFrame> {
        self.between_ages(0..=oldest)
    }

    /// Keeps the rows whose age is in `ages`.
    ///
    /// # Errors
    /// Ages that end before they start, or a table that is not one of records.
    fn between_ages(&self, ages: RangeInclusive<u32>) -> Result<DataFrame>;

    /// All three steps of the original: thin the peak, drop the oldest, thin the infants.
    ///
    /// # Errors
    /// A share outside 0 to 1, ages that end before they start, or a table that is not one of
    /// records.
    fn balance(&self, balance: &Balance) -> Result<DataFrame>;
}

impl Records for DataFrame {
    fn thin(&self, ages: RangeInclusive<u32>, share: f64, seed: u64) -> Result<DataFrame> {
        ensure!((0.0..=1.0).contains(&share), "a share of {share} of the pictures: choose 0 to 1");
        let mut mask = rows_of(self, &ages)?;
        let files = self
            .column("file")
            .context("the table lacks the column `file` that records() has")?
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

/// Which rows' ages are in `ages`.
fn rows_of(table: &DataFrame, ages: &RangeInclusive<u32>) -> Result<Vec<bool>> {
    ensure!(
        !ages.is_empty(),
        "no age is in {} to {}: name the lower one first",
        ages.start(),
        ages.end()
    );
    let column = table
        .column("age")
        .context("the table lacks the column `age` that records() has")?
        .u32()
        .context("the column `age` should be u32, years")?;
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
            assert!(wrong.unwrap_err().to_string().contains("lower one first"));
        }
    }
}
