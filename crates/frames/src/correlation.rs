//! The correlation of two columns.

use anyhow::{Result, ensure};
use polars::prelude::{DataFrame, DataType};

use super::columns::known;

/// Returns Pearson's correlation of two columns over the rows that have both values.
pub(crate) fn pearson(table: &DataFrame, a: &str, b: &str) -> Result<f64> {
    let pairs: Vec<(f64, f64)> = numbers(table, a)?
        .into_iter()
        .zip(numbers(table, b)?)
        .filter_map(|(x, y)| Some((x?, y?)))
        .collect();
    let n = pairs.len() as f64;
    let (x_mean, y_mean) = (
        pairs.iter().map(|(x, _)| x).sum::<f64>() / n,
        pairs.iter().map(|(_, y)| y).sum::<f64>() / n,
    );
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in pairs.iter().map(|(x, y)| (x - x_mean, y - y_mean)) {
        (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
    }
    for (name, squares) in [(a, xx), (b, yy)] {
        ensure!(squares != 0.0, "`{name}` has no two different values, so it has no correlation");
    }
    Ok((xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0))
}

fn numbers(table: &DataFrame, name: &str) -> Result<Vec<Option<f64>>> {
    known(table, name)?;
    let column = &table[name];
    ensure!(
        column.dtype().is_primitive_numeric() || column.dtype().is_bool(),
        "the column `{name}` holds {}, not numbers",
        column.dtype()
    );
    Ok(column.cast(&DataType::Float64)?.f64()?.iter().collect())
}

#[cfg(test)]
mod tests {
    use polars::prelude::df;

    use super::*;

    #[test]
    fn correlations_are_those_of_complete_pairs() {
        let table = df![
            "x" => [Some(1u32), Some(2), Some(3), Some(4), None],
            "up" => [2.0, 4.0, 6.0, 8.0, 0.0],
            "down" => [-1i64, -2, -3, -4, 9],
            "some" => [1.0, 3.0, 2.0, 4.0, 5.0],
            "same" => [7, 7, 7, 7, 7],
            "name" => ["a", "b", "c", "d", "e"],
        ]
        .unwrap();
        assert!((pearson(&table, "x", "up").unwrap() - 1.0).abs() < 1e-12);
        assert!((pearson(&table, "x", "down").unwrap() + 1.0).abs() < 1e-12);
        // numpy.corrcoef([1, 2, 3, 4], [1, 3, 2, 4])
        assert!((pearson(&table, "x", "some").unwrap() - 0.8).abs() < 1e-12);
        let error = |a, b| pearson(&table, a, b).unwrap_err().to_string();
        assert!(error("x", "same").contains("`same` has no two different values"));
        assert!(error("x", "name").contains("`name` holds str, not numbers"));
        assert!(error("y", "x").contains("there is no column `y`; the table has x, up"));
        assert!(pearson(&table.head(Some(0)), "x", "up").is_err());
    }
}
