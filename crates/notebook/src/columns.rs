//! The columns of a table, for someone who has named one that it does not have.

use polars::prelude::DataFrame;

use super::show::{Output, Show};

/// Which columns a table has.
#[doc(hidden)]
pub struct Columns(String);

/// Tells which columns a table has, and which of them was probably meant.
#[doc(hidden)]
pub fn columns(table: &DataFrame, wrong: &str) -> Columns {
    let error = table.schema().column_not_found_err(wrong).to_string();
    let columns = error.split_once("; ").map_or(error.as_str(), |(_, columns)| columns);
    Columns(columns.split_whitespace().collect::<Vec<_>>().join(" "))
}

impl Show for Columns {
    fn output(&self) -> Result<Output, String> {
        Ok(Output::text(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::df;

    use super::*;

    #[test]
    fn columns_are_listed_and_the_likely_one_is_named() {
        let table = df!["age" => [1], "race" => ["White"]].unwrap();
        let text = |wrong| columns(&table, wrong).output().unwrap().text;
        assert_eq!(text("agee"), r#"valid columns: ["age", "race"] Did you mean "age"?"#);
        assert_eq!(text("content"), r#"valid columns: ["age", "race"]"#);
    }
}
