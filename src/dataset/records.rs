//! The records as a polars table, and the original's three balancing steps on it.

use std::ops::RangeInclusive;

use anyhow::{Context, Result, ensure};
use polars::prelude::{BooleanChunked, DataFrame, NewChunkedArray, UInt32Chunked, df};

use super::{RACES, Record};
use crate::hash::rank;

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
        Self {
            peak: (24..=28, 0.30),
            oldest: 60,
            infants: (0..=4, 0.50),
            seed: 0,
        }
    }
}

/// What can be done to a table of records. Each step makes a new table and keeps row order.
///
/// ```
/// use ror::dataset::{Balance, Faces, Records};
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
    /// A share outside 0 to 1, or a table that is not one of records.
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
    /// A table that is not one of records.
    fn between_ages(&self, ages: RangeInclusive<u32>) -> Result<DataFrame>;

    /// All three steps of the original: thin the peak, drop the oldest, thin the infants.
    ///
    /// # Errors
    /// As its steps.
    fn balance(&self, balance: &Balance) -> Result<DataFrame>;
}

impl Records for DataFrame {
    fn thin(&self, ages: RangeInclusive<u32>, share: f64, seed: u64) -> Result<DataFrame> {
        ensure!(
            (0.0..=1.0).contains(&share),
            "a share of {share} of the pictures: choose 0 to 1"
        );
        let files = self
            .column("file")
            .context("the table lacks the column `file`")?
            .str()?;
        let mut inside: Vec<(u64, usize)> = vec![];
        for (row, (age, file)) in self.age_column()?.iter().zip(files.iter()).enumerate() {
            if let (Some(age), Some(file)) = (age, file)
                && ages.contains(&age)
            {
                inside.push((rank(seed, file), row));
            }
        }
        inside.sort_unstable();
        let kept = (inside.len() as f64 * share).round() as usize;
        let mut mask = vec![true; self.height()];
        for (_, row) in &inside[kept..] {
            mask[*row] = false;
        }
        Ok(self.filter(&BooleanChunked::from_slice("kept".into(), &mask))?)
    }

    fn between_ages(&self, ages: RangeInclusive<u32>) -> Result<DataFrame> {
        let mask: BooleanChunked = self
            .age_column()?
            .iter()
            .map(|age| age.is_some_and(|age| ages.contains(&age)))
            .collect();
        Ok(self.filter(&mask)?)
    }

    fn balance(&self, balance: &Balance) -> Result<DataFrame> {
        let Balance {
            peak,
            oldest,
            infants,
            seed,
        } = balance;
        self.thin(peak.0.clone(), peak.1, *seed)?
            .up_to_age(*oldest)?
            .thin(infants.0.clone(), infants.1, *seed)
    }
}

/// The age column, checked once for all steps.
trait AgeColumn {
    fn age_column(&self) -> Result<&UInt32Chunked>;
}

impl AgeColumn for DataFrame {
    fn age_column(&self) -> Result<&UInt32Chunked> {
        let column = self
            .column("age")
            .context("the table lacks the column `age` that records() has")?;
        column
            .u32()
            .context("the column `age` should be u32, years")
    }
}
