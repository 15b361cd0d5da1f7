//! Table methods known from polars in Python that polars in Rust lacks.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use polars::prelude::{
    AnyValue, Column, DataFrame, DataType, IntoLazy, JoinArgs, JoinType, MaintainOrderJoin,
    QuantileMethod, SortMultipleOptions, col, len,
};

use utils::escape::cell;
use utils::files;

/// Summaries of a table, and CSV output.
///
/// ```
/// use frames::{Frame, Values};
///
/// # fn main() -> anyhow::Result<()> {
/// let people = polars::df!["age" => [31, 8, 31], "gender" => ["male", "female", "male"]]?;
/// let genders = people.count_by(&["gender"])?;
/// assert_eq!(genders["count"].numbers()?, [2.0, 1.0]);
/// println!("{}", people.describe()?);
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

    /// Returns the rows of both tables that agree in a column, side by side, in the order of this
    /// one: for example predictions beside records, by `index`.
    ///
    /// # Errors
    /// A column that one of the tables does not have, or has as another type.
    fn join_by(&self, column: &str, other: &DataFrame) -> Result<DataFrame>;

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

    fn join_by(&self, column: &str, other: &DataFrame) -> Result<DataFrame> {
        known(self, column)?;
        known(other, column).context("in the other table")?;
        let inner = JoinArgs::new(JoinType::Inner);
        let args = JoinArgs { maintain_order: MaintainOrderJoin::Left, ..inner };
        let by = [col(column)];
        Ok(self.clone().lazy().join(other.clone().lazy(), &by, &by, args).collect()?)
    }

    fn write_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        let mut csv = csv::Writer::from_writer(vec![]);
        csv.write_record(self.columns().iter().map(|column| cell(column.name()).into_owned()))?;
        for row in 0..self.height() {
            let cells = self.columns().iter().map(|column| {
                Ok(match column.get(row)? {
                    AnyValue::Null => String::new(),
                    AnyValue::String(text) => cell(text).into_owned(),
                    AnyValue::StringOwned(text) => cell(&text).into_owned(),
                    AnyValue::Float64(number) => number.to_string(),
                    AnyValue::Float32(number) => number.to_string(),
                    value => value.to_string(),
                })
            });
            csv.write_record(cells.collect::<Result<Vec<String>>>()?)?;
        }
        files::write_bytes(path.as_ref(), &csv.into_inner()?)
    }
}

/// Rejects a column that a table does not have.
fn known(table: &DataFrame, column: &str) -> Result<()> {
    let names = || table.columns().iter().map(|c| c.name().as_str()).collect::<Vec<_>>().join(", ");
    ensure!(
        table.column(column).is_ok(),
        "there is no column `{column}`; the table has {}",
        names()
    );
    Ok(())
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
    fn csv_quotes_what_needs_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        table().write_csv(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "index,age,race\n0,10,\"a, b\"\n1,20,c\n2,,c\n3,60,\n");
        let formulas = df!["file" => ["=cmd|' '!A0.jpg", "a.jpg", "-1"]].unwrap();
        formulas.write_csv(&path).unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "file\n'=cmd|' '!A0.jpg\na.jpg\n-1\n");
    }
}
