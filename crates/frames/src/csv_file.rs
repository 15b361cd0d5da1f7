//! CSV files, written and read.

use std::path::Path;

use anyhow::{Context, Result};
use polars::prelude::{AnyValue, Column, DataFrame};

use utils::escape::cell;
use utils::files;
use utils::rows::{Rows, check_length};
use utils::text::decoded;

/// Writes a table as [`Frame::write_csv`](crate::Frame::write_csv) does.
pub(crate) fn write(table: &DataFrame, path: &Path) -> Result<()> {
    let mut csv = csv::Writer::from_writer(vec![]);
    csv.write_record(table.columns().iter().map(|column| cell(column.name()).into_owned()))?;
    for row in 0..table.height() {
        let cells = table.columns().iter().map(|column| {
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
    files::write_bytes(path, &csv.into_inner()?)
}

/// Reads a CSV file with a header. Values are separated by commas, semicolons or tabs, and empty
/// ones are missing. A column has the first type that fits all its values: `i64`, `f64`, `bool`
/// (also `True` and `False`), or text.
///
/// # Errors
/// The file is missing, a pipe, or not UTF-8, two columns have the same name, or a line has more or fewer
/// values than the header. The error names the line.
///
/// ```
/// use frames::{Values, read_csv};
///
/// # fn main() -> anyhow::Result<()> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("people.csv");
/// std::fs::write(&path, "name,age\nAda,36\nGrace,\n")?;
/// let people = read_csv(&path)?;
/// assert_eq!(people["age"].numbers()?, [36.0]);
/// # Ok(())
/// # }
/// ```
pub fn read_csv(path: impl AsRef<Path>) -> Result<DataFrame> {
    let path = path.as_ref();
    let table = files::read_file(path).and_then(table);
    table.with_context(|| path.display().to_string())
}

fn table(bytes: Vec<u8>) -> Result<DataFrame> {
    let text = decoded(bytes)?;
    let mut rows = Rows::new(&text);
    let (_, names) = rows.next_row()?.context("the file is empty")?;
    let (mut columns, mut height) = (vec![vec![]; names.len()], 0);
    while let Some((line, row)) = rows.next_row()? {
        check_length(line, &row, &names)?;
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(Some(value).filter(|value| !value.is_empty()));
        }
        height += 1;
    }
    let columns = names.iter().zip(&columns).map(|(name, values)| typed(name, values));
    Ok(DataFrame::new(height, columns.collect())?)
}

/// Makes a column of texts, of the first type that fits all of them.
fn typed(name: &str, texts: &[Option<String>]) -> Column {
    let name = name.into();
    if texts.iter().all(Option::is_none) {
        Column::new(name, texts)
    } else if let Some(numbers) = all(texts, |text| text.parse::<i64>().ok()) {
        Column::new(name, numbers)
    } else if let Some(numbers) = all(texts, |text| text.parse::<f64>().ok()) {
        Column::new(name, numbers)
    } else if let Some(truths) = all(texts, |text| text.to_ascii_lowercase().parse::<bool>().ok()) {
        Column::new(name, truths)
    } else {
        Column::new(name, texts)
    }
}

/// Parses all texts, or returns `None` if one of them does not fit.
fn all<T>(texts: &[Option<String>], parse: fn(&str) -> Option<T>) -> Option<Vec<Option<T>>> {
    let value = |text: &Option<String>| match text {
        Some(text) => parse(text).map(Some),
        None => Some(None),
    };
    texts.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use polars::prelude::{DataType, df};

    use super::*;
    use crate::{Frame, Values};

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        let written = df![
            "index" => [0i64, -1, 2],
            "share" => [Some(0.1), None, Some(1e-9)],
            "yes" => [true, false, true],
            "text" => [Some("a, \"b\"\nc"), None, Some("ü")],
        ]
        .unwrap();
        written.write_csv(&path).unwrap();
        assert!(read_csv(&path).unwrap().equals_missing(&written));
    }

    #[test]
    fn types_fit_all_values() {
        let read = table(b"a;b;c;d\n1;2;True;\n;x;false;\n3.5;3;TRUE;\n".to_vec()).unwrap();
        let types: Vec<_> = read.columns().iter().map(|column| column.dtype().clone()).collect();
        let text = DataType::String;
        assert_eq!(types, [DataType::Float64, text.clone(), DataType::Boolean, text]);
        assert_eq!(read["a"].numbers().unwrap(), [1.0, 3.5]);
        assert_eq!(read["b"].texts().unwrap(), ["2", "x", "3"]);
        assert_eq!(table(b"a,b\n".to_vec()).unwrap().shape(), (0, 2));
    }

    #[test]
    fn errors_name_the_file_and_the_line() {
        let missing = format!("{:#}", read_csv("/no/such/table.csv").unwrap_err());
        assert!(missing.contains("/no/such/table.csv: cannot be read: No such file"), "{missing}");
        for (bytes, part) in [
            (&b""[..], "the file is empty"),
            (b"a,b\n1,2\n\n3\n", "line 4: the row has 1 values, and the first line has 2"),
            (b"a,a\n1,2\n", "duplicate"),
            (b"a\n\xe4\n", "not UTF-8"),
        ] {
            let error = format!("{:#}", table(bytes.to_vec()).unwrap_err());
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        let table = df![
            "index" => [0u32, 1, 2, 3],
            "age" => [Some(10u32), Some(20), None, Some(60)],
            "race" => [Some("a, b"), Some("c"), Some("c"), None],
        ];
        table.unwrap().write_csv(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "index,age,race\n0,10,\"a, b\"\n1,20,c\n2,,c\n3,60,\n");
        let formulas = df!["file" => ["=cmd|' '!A0.jpg", "a.jpg", "-1"]].unwrap();
        formulas.write_csv(&path).unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "file\n'=cmd|' '!A0.jpg\na.jpg\n-1\n");
    }
}
