//! Table methods known from polars in Python that polars in Rust lacks.

mod columns;
mod correlation;
mod crosstab;
mod csv_file;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use polars::prelude::{
    Column, DataFrame, DataType, Expr, IdxCa, IntoLazy, JoinArgs, JoinType, MaintainOrderJoin,
    QuantileMethod, SortMultipleOptions, col, len,
};

use columns::known;
use utils::random::Random;

pub use csv_file::read_csv;

/// Summaries, parts and joins of tables, and CSV output.
///
/// ```
/// use frames::{Frame, Values};
///
/// # fn main() -> anyhow::Result<()> {
/// let people = polars::df!["age" => [31, 8, 31], "gender" => ["male", "female", "male"]]?;
/// let genders = people.count_by(&["gender"])?;
/// assert_eq!(genders["count"].numbers()?, [2.0, 1.0]);
/// println!("{}", people.describe()?);
/// assert_eq!(people.crosstab("age", "gender")?["male"].numbers()?, [0.0, 2.0]);
/// assert_eq!(people.filter_by(polars::prelude::col("age").gt(20))?.height(), 2);
/// assert_eq!(people.sample(1, 0)?.height(), 1);
/// people.write_csv(std::env::temp_dir().join("people.csv"))?;
/// # Ok(())
/// # }
/// ```
pub trait Frame {
    /// Returns one row per column: its number of values and of missing values, and for numbers the
    /// mean, standard deviation, minimum, quartiles and maximum.
    ///
    /// # Errors
    /// Only internal errors of polars.
    fn describe(&self) -> Result<DataFrame>;

    /// Counts each combination of values of some columns, the most frequent first: these columns,
    /// and `count`.
    ///
    /// # Errors
    /// A column that the table does not have (the message lists the existing ones).
    fn count_by(&self, columns: &[&str]) -> Result<DataFrame>;

    /// Counts the rows for each value of one column (down) and of another (across). A missing value
    /// counts as `null`.
    ///
    /// # Errors
    /// A column that the table does not have, twice the same, or more than 1,000 values across.
    fn crosstab(&self, down: &str, across: &str) -> Result<DataFrame>;

    /// Returns Pearson's correlation of two numeric columns, -1 to 1. Rows in which a value is
    /// missing don't count.
    ///
    /// # Errors
    /// A column that the table does not have or that is not numeric, or a column without two
    /// different values.
    fn corr(&self, a: &str, b: &str) -> Result<f64>;

    /// Returns the rows for which a condition holds, such as `col("age").gt(60)`.
    ///
    /// # Errors
    /// A condition with a column that the table does not have, or that is neither true nor false.
    fn filter_by(&self, condition: Expr) -> Result<DataFrame>;

    /// Returns `n` random rows in random order, none of them twice. The same seed draws the same
    /// rows on every machine.
    ///
    /// # Errors
    /// More rows than the table has.
    fn sample(&self, n: usize, seed: u64) -> Result<DataFrame>;

    /// Returns the rows of both tables that agree in a column, side by side, in the order of this
    /// one: for example predictions beside records, by `index`.
    ///
    /// # Errors
    /// A column that one of the tables does not have, or has as another type.
    fn join_by(&self, column: &str, other: &DataFrame) -> Result<DataFrame>;

    /// Same as [`Frame::join_by`], with polars' name and order of arguments.
    ///
    /// # Errors
    /// As [`Frame::join_by`].
    fn inner_join(&self, other: &DataFrame, column: &str) -> Result<DataFrame> {
        self.join_by(column, other)
    }

    /// Writes the table atomically as CSV: comma-separated, with a header, UTF-8, empty for a
    /// missing value. A text that a spreadsheet would run as a formula gets an apostrophe in front.
    ///
    /// # Errors
    /// A path that can't be written.
    fn write_csv(&self, path: impl AsRef<Path>) -> Result<()>;
}

/// Values of a column, and their counts.
///
/// ```
/// use frames::Values;
///
/// # fn main() -> anyhow::Result<()> {
/// let people = polars::df!["age" => [31, 8, 31], "gender" => ["male", "female", "male"]]?;
/// assert_eq!(people["age"].numbers()?, [31.0, 8.0, 31.0]);
/// assert!(people["age"].mean().is_some() && people["gender"].mean().is_none());
/// assert_eq!(people["age"].median(), Some(31.0));
/// assert_eq!(people["age"].quantile(0.25)?, 19.5);
/// assert_eq!(people["gender"].value_counts()?["count"].numbers()?, [2.0, 1.0]);
/// # Ok(())
/// # }
/// ```
pub trait Values {
    /// Returns the values as numbers, without missing ones.
    ///
    /// # Errors
    /// A column that is not numeric.
    fn numbers(&self) -> Result<Vec<f64>>;

    /// Returns the values as text, missing ones as "".
    ///
    /// # Errors
    /// A column whose values can't be written as text.
    fn texts(&self) -> Result<Vec<String>>;

    /// Counts each value of the column, the most frequent first: the value, and `count`.
    ///
    /// # Errors
    /// Only internal errors of polars.
    fn value_counts(&self) -> Result<DataFrame>;

    /// The mean, or `None` for a column without numbers.
    fn mean(&self) -> Option<f64> {
        let numbers = self.numbers().ok()?;
        (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
    }

    /// The median, or `None` for a column without numbers.
    fn median(&self) -> Option<f64> {
        self.quantile(0.5).ok()
    }

    /// Returns the value below which a share of the values lies, interpolated between neighbors:
    /// `quantile(0.9)` for 90 %.
    ///
    /// # Errors
    /// A share outside 0 to 1, or a column without numbers.
    fn quantile(&self, share: f64) -> Result<f64> {
        ensure!((0.0..=1.0).contains(&share), "the share is {share}: choose 0 to 1");
        let mut numbers = self.numbers()?;
        ensure!(!numbers.is_empty(), "the column has no values");
        numbers.sort_by(f64::total_cmp);
        let at = share * (numbers.len() - 1) as f64;
        let [below, above] = [at.floor(), at.ceil()].map(|row| numbers[row as usize]);
        Ok(below + (above - below) * at.fract())
    }
}

impl Values for Column {
    fn numbers(&self) -> Result<Vec<f64>> {
        ensure!(
            self.dtype().is_primitive_numeric() || self.dtype().is_bool(),
            "the column `{}` holds {}, not numbers",
            self.name(),
            self.dtype()
        );
        Ok(self.cast(&DataType::Float64)?.f64()?.iter().flatten().collect())
    }

    fn texts(&self) -> Result<Vec<String>> {
        let texts = self.cast(&DataType::String)?;
        Ok(texts.str()?.iter().map(|text| text.unwrap_or_default().to_owned()).collect())
    }

    fn value_counts(&self) -> Result<DataFrame> {
        self.clone().into_frame().count_by(&[self.name()])
    }
}

impl Frame for DataFrame {
    fn describe(&self) -> Result<DataFrame> {
        let columns = self.columns();
        let mut rows: [Vec<Option<f64>>; 7] = Default::default();
        for column in columns {
            let series = column.as_materialized_series();
            let is_number = column.dtype().is_primitive_numeric();
            let quantile = |share: f64| {
                let found = column.quantile_reduce(share, QuantileMethod::Linear).ok()?;
                found.value().try_extract::<f64>().ok()
            };
            let found = match is_number {
                true => [
                    series.mean(),
                    series.std(1),
                    quantile(0.0),
                    quantile(0.25),
                    quantile(0.5),
                    quantile(0.75),
                    quantile(1.0),
                ],
                false => [None; 7],
            };
            for (row, value) in rows.iter_mut().zip(found) {
                row.push(value);
            }
        }
        let [mean, std, min, lower, median, upper, max] = rows;
        let count =
            |of: fn(&Column) -> usize| columns.iter().map(|c| of(c) as u32).collect::<Vec<_>>();
        Ok(polars::df!(
            "column" => columns.iter().map(|c| c.name().as_str()).collect::<Vec<_>>(),
            "count" => count(|c| c.len() - c.null_count()),
            "null" => count(Column::null_count),
            "mean" => mean,
            "std" => std,
            "min" => min,
            "25 %" => lower,
            "median" => median,
            "75 %" => upper,
            "max" => max,
        )?)
    }

    fn count_by(&self, columns: &[&str]) -> Result<DataFrame> {
        ensure!(!columns.is_empty(), "name at least one column to count by");
        for name in columns {
            known(self, name)?;
        }
        let by = columns.iter().map(|name| col(*name)).collect::<Vec<_>>();
        let order = SortMultipleOptions::default()
            .with_order_descending_multi([true].into_iter().chain(columns.iter().map(|_| false)));
        let keys = ["count"].into_iter().chain(columns.iter().copied()).collect::<Vec<_>>();
        Ok(self
            .clone()
            .lazy()
            .group_by(by)
            .agg([len().alias("count")])
            .sort(keys, order)
            .collect()?)
    }

    fn crosstab(&self, down: &str, across: &str) -> Result<DataFrame> {
        crosstab::crosstab(self, down, across)
    }

    fn corr(&self, a: &str, b: &str) -> Result<f64> {
        correlation::pearson(self, a, b)
    }

    fn filter_by(&self, condition: Expr) -> Result<DataFrame> {
        Ok(self.clone().lazy().filter(condition).collect()?)
    }

    fn sample(&self, n: usize, seed: u64) -> Result<DataFrame> {
        let height = self.height();
        ensure!(n <= height, "cannot draw {n} rows: the table has {height}");
        let (mut rows, mut random) = ((0..).take(height).collect::<Vec<_>>(), Random::new(seed));
        for row in 0..n {
            rows.swap(row, row + random.index(height - row));
        }
        rows.truncate(n);
        Ok(self.take(&IdxCa::from_vec("row".into(), rows))?)
    }

    fn join_by(&self, column: &str, other: &DataFrame) -> Result<DataFrame> {
        known(self, column)?;
        known(other, column).context("in the other table")?;
        let inner = JoinArgs::new(JoinType::Inner);
        let args = JoinArgs { maintain_order: MaintainOrderJoin::Left, ..inner };
        let by = [col(column)];
        Ok(self.clone().lazy().join(other.clone().lazy(), &by, &by, args).collect()?)
    }

    fn write_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        csv_file::write(self, path.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::df;

    use super::*;

    fn table() -> DataFrame {
        df![
            "index" => [0u32, 1, 2, 3],
            "age" => [Some(10u32), Some(20), None, Some(60)],
            "race" => [Some("a, b"), Some("c"), Some("c"), None],
        ]
        .unwrap()
    }

    #[test]
    fn summaries_are_those_of_the_values_there_are() {
        let found = table().describe().unwrap();
        let row = |name: &str| found[name].numbers().unwrap();
        assert_eq!(row("count"), [4.0, 3.0, 3.0]);
        assert_eq!(row("null"), [0.0, 1.0, 1.0]);
        // The two numeric columns.
        assert_eq!(row("mean"), [1.5, 30.0]);
        assert_eq!(row("median"), [1.5, 20.0]);
        assert_eq!((row("min")[1], row("25 %")[1], row("max")[1]), (10.0, 15.0, 60.0));
        assert!((row("std")[1] - 700f64.sqrt()).abs() < 1e-9);
        assert_eq!(table()["age"].mean(), Some(30.0));
        assert_eq!(table()["race"].mean(), None);
        assert!(table()["race"].numbers().unwrap_err().to_string().contains("holds str"));
    }

    #[test]
    fn counts_begin_with_the_most_frequent() {
        let counts = table()["race"].value_counts().unwrap();
        assert_eq!(counts["count"].numbers().unwrap(), [2.0, 1.0, 1.0]);
        assert_eq!(counts["race"].texts().unwrap()[0], "c");
        let error = table().count_by(&["sex"]).unwrap_err().to_string();
        assert_eq!(error, "there is no column `sex`; the table has index, age, race");
        assert!(table().count_by(&[]).is_err());
    }

    #[test]
    fn joined_rows_agree_and_keep_their_order() {
        let other = df!["index" => [3u32, 1], "years" => [61.5, 19.0]].unwrap();
        let joined = table().join_by("index", &other).unwrap();
        assert_eq!(joined["index"].numbers().unwrap(), [1.0, 3.0]);
        assert_eq!(joined["years"].numbers().unwrap(), [19.0, 61.5]);
        let wrong = format!("{:#}", table().join_by("race", &other).unwrap_err());
        assert!(wrong.contains("other table") && wrong.contains("index, years"), "{wrong}");
    }

    #[test]
    fn joins_ignore_the_width_of_integers() {
        let read = df!["index" => [3i64, 1], "years" => [61.5, 19.0]].unwrap();
        assert_eq!(table().inner_join(&read, "index").unwrap().height(), 2);
    }

    #[test]
    fn a_filter_keeps_the_rows_of_its_condition() {
        let old = table().filter_by(col("age").gt(15).and(col("race").is_not_null())).unwrap();
        assert_eq!(old["index"].numbers().unwrap(), [1.0]);
        let wrong = table().filter_by(col("agee").gt(15)).unwrap_err().to_string();
        assert!(wrong.contains("\"agee\"") && wrong.contains("Did you mean \"age\""), "{wrong}");
        assert!(table().filter_by(col("age")).is_err());
    }

    #[test]
    fn samples_have_each_row_once_and_depend_on_the_seed() {
        let all = df!["index" => (0u32..100).collect::<Vec<_>>()].unwrap();
        let drawn = |n, seed| all.sample(n, seed).unwrap()["index"].numbers().unwrap();
        let mut whole = drawn(100, 1);
        assert_ne!(whole, all["index"].numbers().unwrap());
        whole.sort_by(f64::total_cmp);
        assert_eq!(whole, all["index"].numbers().unwrap());
        assert_eq!(drawn(10, 1), drawn(10, 1));
        assert_ne!(drawn(10, 1), drawn(10, 2));
        assert!(drawn(0, 1).is_empty());
        // Each row is drawn in a tenth of the samples: the mean of 1,000 of 10 is near 49.5.
        let many = (0..1000).flat_map(|seed| drawn(10, seed)).sum::<f64>() / 10_000.0;
        assert!((many - 49.5).abs() < 1.5, "{many}");
        let error = table().sample(5, 0).unwrap_err().to_string();
        assert_eq!(error, "cannot draw 5 rows: the table has 4");
    }

    #[test]
    fn quantiles_lie_between_their_neighbors() {
        let column = |values: &[f64]| Column::new("x".into(), values);
        assert_eq!(column(&[3.0, 1.0, 2.0, 10.0]).median(), Some(2.5));
        assert_eq!(column(&[7.0]).quantile(0.3).unwrap(), 7.0);
        let five = column(&[50.0, 10.0, 30.0, 20.0, 40.0]);
        let found = [0.0, 0.1, 0.25, 0.9, 1.0].map(|share| five.quantile(share).unwrap());
        assert_eq!(found, [10.0, 14.0, 20.0, 46.0, 50.0]);
        assert_eq!(table()["age"].median(), Some(20.0));
        assert_eq!((table()["race"].median(), column(&[]).median()), (None, None));
        assert!(five.quantile(90.0).unwrap_err().to_string().contains("choose 0 to 1"));
    }
}
