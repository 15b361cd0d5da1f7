//! Writing a table as a Parquet file.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use parquet::basic::{ConvertedType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType as Written};
use parquet::data_type::{DoubleType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};
use polars::prelude::{Column, DataFrame, DataType};
use utils::files::write_with;

/// Number of rows per row group.
const GROUP: usize = 1 << 20;

/// Writing a table as a Parquet file.
pub trait WriteParquet {
    /// Writes the table as Parquet, atomically: integers as 64 bits, floats as doubles, strings as
    /// UTF-8, and booleans. Every column may have missing values.
    ///
    /// # Errors
    /// A column has another type, or the path can't be written.
    fn write_parquet(&self, path: impl AsRef<Path>) -> Result<()>;
}

impl WriteParquet for DataFrame {
    fn write_parquet(&self, path: impl AsRef<Path>) -> Result<()> {
        write_with(path.as_ref(), |file| write(self, file))
    }
}

/// The metadata key of what this program says about a file that it wrote.
pub(crate) const KEY: &str = "ror";

/// Whether this program wrote a Parquet file.
pub fn is_our_parquet(path: &Path) -> bool {
    let note = File::open(path).map_err(Into::into).and_then(|file| rows_and_note(file, KEY));
    matches!(note, Ok((_, Some(_))))
}

/// Writes a table to an open file, see [`WriteParquet::write_parquet`].
///
/// # Errors
/// A column has another type, or the file can't be written.
fn write(table: &DataFrame, file: impl Write + Send) -> Result<()> {
    let mut writer = Writer::new(table, file)?;
    for first in (0..table.height()).step_by(GROUP) {
        writer.write(&table.slice(first as i64, GROUP))?;
    }
    writer.close(Some((KEY, format!("{{\"version\":\"{}\"}}", env!("CARGO_PKG_VERSION")))))
}

/// Writes a table piece by piece, in the format of [`write`].
pub(crate) struct Writer<W: Write + Send>(SerializedFileWriter<W>);

impl<W: Write + Send> Writer<W> {
    /// Starts a file with the columns of this table.
    ///
    /// # Errors
    /// A column has a type that [`write`] does not support, or the file can't be written.
    pub(crate) fn new(columns: &DataFrame, file: W) -> Result<Self> {
        let fields = columns.columns().iter().map(field).collect::<Result<Vec<_>>>()?;
        let schema = Type::group_type_builder("table").with_fields(fields).build()?;
        Ok(Self(SerializedFileWriter::new(file, Arc::new(schema), Arc::default())?))
    }

    /// Writes more rows as one row group.
    ///
    /// # Errors
    /// The number of columns differs, or the file can't be written.
    pub(crate) fn write(&mut self, table: &DataFrame) -> Result<()> {
        let mut group = self.0.next_row_group()?;
        for column in table.columns() {
            write_column(column, &mut group)?;
        }
        group.close()?;
        Ok(())
    }

    /// Closes the file, with a key and a value as metadata.
    ///
    /// # Errors
    /// The file can't be written.
    pub(crate) fn close(mut self, note: Option<(&str, String)>) -> Result<()> {
        if let Some((key, value)) = note {
            self.0.append_key_value_metadata(KeyValue::new(key.to_owned(), value));
        }
        self.0.close()?; // also flushes
        Ok(())
    }
}

/// Reads the number of rows of a Parquet file and the metadata value of a key.
///
/// # Errors
/// The file is not a Parquet file or is incomplete.
pub(crate) fn rows_and_note(file: File, key: &str) -> Result<(u64, Option<String>)> {
    let reader = SerializedFileReader::new(file)?;
    let end = reader.metadata().file_metadata();
    let notes = end.key_value_metadata().map_or(&[][..], Vec::as_slice);
    let note = notes.iter().find(|note| note.key == key).and_then(|note| note.value.clone());
    Ok((u64::try_from(end.num_rows())?, note))
}

/// Returns the Parquet type of a column.
fn kind(column: &Column) -> Result<(Physical, ConvertedType)> {
    let kind = column.dtype();
    Ok(match kind {
        DataType::Boolean => (Physical::BOOLEAN, ConvertedType::NONE),
        DataType::String => (Physical::BYTE_ARRAY, ConvertedType::UTF8),
        kind if kind.is_integer() => (Physical::INT64, ConvertedType::NONE),
        kind if kind.is_float() => (Physical::DOUBLE, ConvertedType::NONE),
        other => anyhow::bail!(
            "column `{}` holds {other}: only numbers, strings and booleans can be written to Parquet",
            column.name()
        ),
    })
}

fn field(column: &Column) -> Result<TypePtr> {
    let (physical, converted) = kind(column)?;
    let field = Type::primitive_type_builder(column.name(), physical)
        .with_converted_type(converted)
        .with_repetition(Repetition::OPTIONAL);
    Ok(Arc::new(field.build()?))
}

fn write_column(
    column: &Column,
    group: &mut SerializedRowGroupWriter<impl Write + Send>,
) -> Result<()> {
    match kind(column)?.0 {
        Physical::BOOLEAN => write_values::<BoolType>(column.bool()?.iter(), group),
        Physical::INT64 => {
            let column = column.strict_cast(&DataType::Int64)?;
            write_values::<Int64Type>(column.i64()?.iter(), group)
        }
        Physical::DOUBLE => {
            let column = column.cast(&DataType::Float64)?;
            write_values::<DoubleType>(column.f64()?.iter(), group)
        }
        _ => {
            let texts = column.str()?.iter().map(|text| text.map(ByteArray::from));
            write_values::<ByteArrayType>(texts, group)
        }
    }
}

/// Writes the next column: the values that are present, and for each row whether it has one.
fn write_values<T: Written>(
    values: impl Iterator<Item = Option<T::T>>,
    group: &mut SerializedRowGroupWriter<impl Write + Send>,
) -> Result<()> {
    let (mut present, mut there) = (vec![], vec![]);
    for value in values {
        there.push(i16::from(value.is_some()));
        present.extend(value);
    }
    let mut column = group.next_column()?.context("the table has more columns than the file")?;
    let written = column.typed::<T>().write_batch(&present, Some(&there), None)?;
    ensure!(written == present.len(), "only {written} of {} values were written", present.len());
    column.close()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use parquet::record::{Field, RowAccessor};
    use polars::prelude::{NamedFrom, Series, df};

    use super::*;

    #[test]
    fn what_is_read_is_what_was_written() {
        let table = df![
            "index" => [Some(7u32), None, Some(u32::MAX)],
            "25 %" => [0.1, f64::NAN, -1e300],
            "race" => [Some("a, \"b\""), Some("é"), None],
            "found" => [Some(true), None, Some(false)],
        ]
        .unwrap();
        let mut file = tempfile::tempfile().unwrap();
        write(&table, &mut file).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        let rows = reader.get_row_iter(None).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(rows.len(), 3);
        let names = rows[0].get_column_iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
        assert_eq!(names, ["index", "25 %", "race", "found"]);
        assert_eq!(
            (rows[0].get_long(0).unwrap(), rows[2].get_long(0).unwrap()),
            (7, 4_294_967_295)
        );
        assert!(rows[1].get_double(1).unwrap().is_nan());
        assert_eq!((rows[0].get_double(1).unwrap(), rows[2].get_double(1).unwrap()), (0.1, -1e300));
        assert_eq!(
            (rows[0].get_string(2).unwrap().as_str(), rows[1].get_string(2).unwrap().as_str()),
            ("a, \"b\"", "é")
        );
        let missing = |row: usize, column: usize| {
            matches!(rows[row].get_column_iter().nth(column), Some((_, Field::Null)))
        };
        assert!(missing(1, 0) && missing(2, 2) && missing(1, 3));
        assert!(rows[0].get_bool(3).unwrap() && !rows[2].get_bool(3).unwrap());
    }

    #[test]
    fn other_columns_are_refused_by_name() {
        let inner = Series::new("x".into(), [1.0]);
        let table = df!["boxes" => [inner]].unwrap();
        let error = write(&table, vec![]).unwrap_err().to_string();
        assert!(error.starts_with("column `boxes` holds list"), "{error}");
    }
}
