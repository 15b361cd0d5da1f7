//! The rows of a CSV file from anywhere, read with bounded memory.

use anyhow::{Result, bail, ensure};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// Maximum number of columns.
const MOST_COLUMNS: usize = 1000;
/// Maximum number of bytes of a row's values.
const MOST_BYTES: usize = 1 << 20;

/// Reads rows of text. Empty lines are skipped, and space around values is removed.
pub struct Rows<'a> {
    rest: &'a [u8],
    reader: Reader,
    /// The line that `rest` begins in.
    line: u64,
    values: Vec<u8>,
    ends: Vec<usize>,
}

impl<'a> Rows<'a> {
    /// Reads a text whose values are separated by the one of `,`, `;` and tabs that splits its first
    /// line into most values.
    pub fn new(text: &'a str) -> Self {
        let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let parts = |separator: &u8| first.bytes().filter(|byte| byte == separator).count();
        // The first of those that split it alike.
        let separator = b"\t;,".iter().copied().max_by_key(parts).unwrap_or(b',');
        Self {
            rest: text.as_bytes(),
            reader: ReaderBuilder::new().delimiter(separator).build(),
            line: 1,
            values: vec![0; MOST_BYTES],
            ends: vec![0; MOST_COLUMNS],
        }
    }

    /// Returns the next row's line number and values, or `None` after the last one.
    ///
    /// # Errors
    /// More columns or bytes than a row may have.
    pub fn next_row(&mut self) -> Result<Option<(u64, Vec<String>)>> {
        let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let empty = self.rest.iter().take_while(|byte| is_end(byte)).count();
        self.pass(empty);
        let (start, mut bytes, mut columns) = (self.line, 0, 0);
        loop {
            let (result, read, written, ended) = self.reader.read_record(
                self.rest,
                &mut self.values[bytes..],
                &mut self.ends[columns..],
            );
            self.pass(read);
            bytes += written;
            columns += ended;
            match result {
                ReadRecordResult::InputEmpty => {} // an empty input then ends the last row
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::Record => break,
                ReadRecordResult::OutputFull => {
                    bail!("line {start} has a row of more than {MOST_BYTES} bytes")
                }
                ReadRecordResult::OutputEndsFull => {
                    bail!("line {start} has a row of more than {MOST_COLUMNS} columns")
                }
            }
        }
        let mut from = 0;
        let values = self.ends[..columns].iter().map(|end| {
            let value = String::from_utf8_lossy(&self.values[from..*end]).trim().to_owned();
            from = *end;
            value
        });
        Ok(Some((start, values.collect())))
    }

    fn pass(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at(bytes);
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.rest = rest;
    }
}

/// Refuses a row that is longer or shorter than the heading.
pub fn check_length(line: u64, row: &[String], heading: &[String]) -> Result<()> {
    let (values, names) = (row.len(), heading.len());
    ensure!(
        values == names,
        "line {line}: the row has {values} values, and the first line has {names}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Result<Vec<(u64, Vec<String>)>> {
        let mut rows = Rows::new(text);
        std::iter::from_fn(|| rows.next_row().transpose()).collect()
    }

    #[test]
    fn rows_are_the_same_with_each_separator_and_line_end() {
        for (text, lines) in [
            ("a,b\n\"1,\n;\",\t 2 \n\n3,\"\"\"4\"", [1, 2, 5]),
            ("a;b\r\n\"1,\n;\";2\r\n3;\"\"\"4\"\r\n", [1, 2, 4]),
            ("\r\n\na\tb\r\n\"1,\n;\"\t2\r\n3\t\"\"\"4\"\n\n", [3, 4, 6]),
        ] {
            let expected =
                [["a", "b"], ["1,\n;", "2"], ["3", "\"4"]].map(|row| row.map(str::to_owned));
            let expected: Vec<_> =
                lines.into_iter().zip(expected.map(|row| row.to_vec())).collect();
            assert_eq!(rows(text).unwrap(), expected, "{text:?}");
        }
        assert!(rows("").unwrap().is_empty());
    }

    #[test]
    fn a_row_without_end_is_refused() {
        for text in [",".repeat(5_000_000), format!("a,b\n\"{}", "x".repeat(5_000_000))] {
            let error = rows(&text).unwrap_err().to_string();
            assert!(error.contains("a row of more than"), "{error}");
        }
        let error = rows(&format!("a\n{}", "\"\n\",".repeat(2000))).unwrap_err().to_string();
        assert!(error.starts_with("line 2 has a row of more than 1000"), "{error}");
    }
}
