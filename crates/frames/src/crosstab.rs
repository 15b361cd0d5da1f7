//! How often the values of two columns occur together.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use polars::prelude::{Column, DataFrame, DataType, SortOptions};

use super::columns::known;

/// Maximum number of values across.
const MOST: usize = 1000;

/// Counts the rows for each value of `down`, one row each, and of `across`, one column each.
pub(crate) fn crosstab(table: &DataFrame, down: &str, across: &str) -> Result<DataFrame> {
    known(table, down)?;
    known(table, across)?;
    ensure!(down != across, "`{down}` is named twice: name two columns");
    let sorted = SortOptions::default().with_nulls_last(true);
    let distinct = |name: &str| table[name].unique()?.sort(sorted);
    let (rows, columns) = (distinct(down)?, distinct(across)?);
    ensure!(
        columns.len() <= MOST,
        "`{across}` has {} values, and a table at most {MOST} columns",
        columns.len()
    );
    let names = texts(&columns)?;
    let (row_of, column_of) = (places(&texts(&rows)?), places(&names));
    let mut counts = vec![vec![0u32; rows.len()]; columns.len()];
    for (row, column) in texts(&table[down])?.iter().zip(&texts(&table[across])?) {
        counts[column_of[column]][row_of[row]] += 1;
    }
    let counts = names.into_iter().zip(counts).map(|(name, counts)| {
        Column::new(name.unwrap_or_else(|| "null".to_owned()).into(), counts)
    });
    DataFrame::new(rows.len(), [rows].into_iter().chain(counts).collect())
        .with_context(|| format!("cannot make columns of the values of `{across}`"))
}

/// Returns the values of a column as text, `None` for missing ones.
fn texts(column: &Column) -> Result<Vec<Option<String>>> {
    let texts = column.cast(&DataType::String)?;
    Ok(texts.str()?.iter().map(|text| text.map(str::to_owned)).collect())
}

fn places(texts: &[Option<String>]) -> HashMap<Option<String>, usize> {
    texts.iter().cloned().enumerate().map(|(place, text)| (text, place)).collect()
}

#[cfg(test)]
mod tests {
    use polars::prelude::df;

    use super::*;
    use crate::Values;

    #[test]
    fn every_row_is_counted_once() {
        let table = df![
            "age" => [Some(30u32), Some(4), Some(30), None, Some(100)],
            "gender" => [Some("male"), Some("female"), Some("male"), Some("male"), None],
            "male" => [1, 1, 1, 1, 1],
        ]
        .unwrap();
        let found = crosstab(&table, "age", "gender").unwrap();
        let names: Vec<_> = found.get_column_names().iter().map(|name| name.as_str()).collect();
        assert_eq!(names, ["age", "female", "male", "null"]);
        assert_eq!(found["age"].u32().unwrap().to_vec(), [Some(4), Some(30), Some(100), None]);
        assert_eq!(found["female"].numbers().unwrap(), [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(found["male"].numbers().unwrap(), [0.0, 2.0, 0.0, 1.0]);
        assert_eq!(found["null"].numbers().unwrap(), [0.0, 0.0, 1.0, 0.0]);
        let ages = crosstab(&table, "gender", "age").unwrap();
        let names: Vec<_> = ages.get_column_names().iter().map(|name| name.as_str()).collect();
        assert_eq!(names, ["gender", "4", "30", "100", "null"]);
        let error = |down, across| format!("{:#}", crosstab(&table, down, across).unwrap_err());
        assert!(error("age", "race").contains("there is no column `race`"));
        assert!(error("age", "age").contains("named twice"));
        // A value with the name of the other column.
        assert!(error("male", "gender").contains("values of `gender`"));
        let many = df!["x" => [1; 1001], "y" => (0..1001).collect::<Vec<i32>>()].unwrap();
        assert!(crosstab(&many, "x", "y").unwrap_err().to_string().contains("1001 values"));
        assert_eq!(crosstab(&many, "y", "x").unwrap().height(), 1001);
    }
}
