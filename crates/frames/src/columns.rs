//! Columns that a table must have.

use anyhow::{Result, ensure};
use polars::prelude::DataFrame;

/// Rejects a column that a table does not have.
pub(crate) fn known(table: &DataFrame, column: &str) -> Result<()> {
    let names = || table.columns().iter().map(|c| c.name().as_str()).collect::<Vec<_>>().join(", ");
    ensure!(
        table.column(column).is_ok(),
        "there is no column `{column}`; the table has {}",
        names()
    );
    Ok(())
}
