//! Data frames as HTML tables. Where scripts run, they have pages and can be sorted.

use std::fmt::Write;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use polars::prelude::{AnyValue, Column, DataFrame};
use serde::Serialize;

use utils::html::escape;
use utils::progress::thousands;

/// Maximum number of rows that a notebook shows; the middle ones are left out.
pub(super) const ROWS: usize = 12;
/// Rows per page, where scripts run.
const PAGE: usize = 10;
/// Maximum number of bytes of packed rows in a cell's output, to keep notebooks small.
const MOST: usize = 600_000;
const SCRIPT: &str = include_str!("table.js");
/// Strings of more than `LONG` characters are shortened to `SHORT`.
const LONG: usize = 48;
const SHORT: usize = 8;

/// A table that notebooks show as HTML.
///
/// With this trait in scope, a cell that ends in a data frame displays it.
pub trait Table {
    /// Formats the table as HTML with column names, types and caption.
    ///
    /// A table with more than `rows` rows shows only the first and last ones, with a row of dots in
    /// between: the first 5 and last 5 if `rows` is 12. Where the HTML's script runs, the table has
    /// pages of all rows, and a click on a column name sorts it.
    ///
    /// # Errors
    /// A value can't be read.
    ///
    /// ```
    /// # fn main() -> anyhow::Result<()> {
    /// use polars::prelude::df;
    /// use notebook::Table;
    ///
    /// let records = df!["age" => [1u32, 26], "gender" => [Some("male"), None]]?;
    /// let html = records.to_html(12)?;
    /// assert!(html.contains("2 rows x 2 columns"));
    /// assert!(html.contains("null"));
    /// # Ok(())
    /// # }
    /// ```
    fn to_html(&self, rows: usize) -> Result<String>;
}

impl Table for DataFrame {
    fn to_html(&self, rows: usize) -> Result<String> {
        let (shown, split) = shown_rows(self.height(), rows);
        let packed = match split {
            Some(_) => Some(packed(self)?).filter(|packed| packed.len() <= MOST),
            None => None,
        };
        let data = packed.as_ref().map(|packed| format!(" data-ror-table=\"{packed}\""));
        let mut html = format!(
            "<div{} style=\"overflow-x:auto\">\n\
             <table style=\"border-collapse:collapse;font-size:13px;\
             overflow-wrap:normal;word-break:normal\">\n\
             <thead><tr style=\"border-bottom:1px solid #96a0aa\"><th></th>",
            data.unwrap_or_default()
        );
        for column in self.columns() {
            write!(
                html,
                "<th style=\"text-align:{};padding:4px 10px\">{}<br>\
                 <span style=\"color:#8a949e;font-weight:normal;font-size:11px\">{}</span></th>",
                alignment(column),
                escape(column.name()),
                escape(&column.dtype().to_string())
            )?;
        }
        html += "</tr></thead>\n<tbody>\n";
        for (i, &row) in shown.iter().enumerate() {
            if split == Some(i) {
                html +=
                    "<tr><td style=\"color:#8a949e;text-align:right;padding:3px 10px\">...</td>";
                for column in self.columns() {
                    write!(
                        html,
                        "<td style=\"color:#8a949e;text-align:{};padding:3px 10px\">...</td>",
                        alignment(column)
                    )?;
                }
                html += "</tr>\n";
            }
            write!(
                html,
                "<tr><th style=\"color:#8a949e;text-align:right;font-weight:normal;\
                 padding:3px 10px\">{row}</th>"
            )?;
            for column in self.columns() {
                write!(
                    html,
                    "<td style=\"text-align:{};padding:3px 10px\">{}</td>",
                    alignment(column),
                    cell(column, row)?
                )?;
            }
            html += "</tr>\n";
        }
        write!(
            html,
            "</tbody>\n</table>\n<p style=\"color:#5c6772;font-size:12px\">\
             {} row{} x {} column{}</p>\n</div>",
            thousands(self.height()),
            plural(self.height()),
            thousands(self.width()),
            plural(self.width())
        )?;
        if packed.is_some() {
            write!(html, "\n<script>{SCRIPT}</script>")?;
        }
        Ok(html)
    }
}

/// Packs all rows for [`SCRIPT`]: gzipped JSON in base64.
fn packed(table: &DataFrame) -> Result<String> {
    let mut columns = vec![];
    for column in table.columns() {
        let texts = (0..table.height()).map(|row| Ok(value(column, row)?.map(|text| cut(&text))));
        columns.push(texts.collect::<Result<Vec<_>>>()?);
    }
    let numeric: Vec<bool> = table.columns().iter().map(is_numeric).collect();
    let mut packer = GzEncoder::new(vec![], Compression::best());
    serde_json::to_writer(&mut packer, &Packed { columns, numeric, size: PAGE })?;
    Ok(STANDARD.encode(packer.finish()?))
}

/// The JSON that the script unpacks.
#[derive(Serialize)]
struct Packed {
    columns: Vec<Vec<Option<String>>>,
    numeric: Vec<bool>,
    size: usize,
}

/// Shortens a long string, such as a hash.
fn cut(text: &str) -> String {
    match text.chars().count() <= LONG {
        true => text.to_owned(),
        false => text.chars().take(SHORT).chain("...".chars()).collect(),
    }
}

/// Returns the rows to show, and the position of the row of dots.
fn shown_rows(height: usize, rows: usize) -> (Vec<usize>, Option<usize>) {
    // The dots take the space of two rows.
    let part = (rows.saturating_sub(2) / 2).max(1);
    if height <= rows.max(2 * part) {
        ((0..height).collect(), None)
    } else {
        ((0..part).chain(height - part..height).collect(), Some(part))
    }
}

fn is_numeric(column: &Column) -> bool {
    column.dtype().is_primitive_numeric()
}

fn alignment(column: &Column) -> &'static str {
    if is_numeric(column) { "right" } else { "left" }
}

/// Formats a value as text; `None` for null.
fn value(column: &Column, row: usize) -> Result<Option<String>> {
    let value = column
        .get(row)
        .with_context(|| format!("cannot read row {row} of column `{}`", column.name()))?;
    Ok(match value {
        AnyValue::Null => None,
        AnyValue::String(text) => Some(text.to_owned()),
        AnyValue::StringOwned(text) => Some(text.to_string()),
        AnyValue::Float32(number) => Some(float(f64::from(number))),
        AnyValue::Float64(number) => Some(float(number)),
        value => Some(value.to_string()),
    })
}

/// Formats a value as HTML. A shortened string has a tooltip with the full text.
fn cell(column: &Column, row: usize) -> Result<String> {
    let Some(text) = value(column, row)? else {
        return Ok("<span style=\"color:#aab2ba\">null</span>".to_owned());
    };
    let short = cut(&text);
    Ok(match short == text {
        true => escape(&text),
        false => format!("<span title=\"{}\">{}</span>", escape(&text), escape(&short)),
    })
}

/// Formats a number with six significant digits, without trailing zeros.
fn float(number: f64) -> String {
    let size = number.abs();
    if number == 0.0 || !number.is_finite() {
        return format!("{number:?}");
    }
    if !(1e-4..1e9).contains(&size) {
        return format!("{number:.5e}");
    }
    let digits = (5.0 - size.log10().floor()).clamp(1.0, 9.0) as usize;
    let text = format!("{number:.digits$}");
    let short = text.trim_end_matches('0');
    // Keep one digit after the point, because the column holds floats.
    if short.ends_with('.') { format!("{short}0") } else { short.to_string() }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use polars::prelude::df;

    use super::*;

    fn numbers(count: u32) -> DataFrame {
        df!["number" => (100..100 + count).collect::<Vec<_>>()].unwrap()
    }

    #[test]
    fn long_tables_leave_out_the_middle() {
        let html = numbers(23_708).to_html(12).unwrap();
        assert_eq!(html.matches("<tr>").count(), 11);
        for shown in [">100<", ">104<", ">23803<", ">23807<", "23,708 rows x 1 column<"] {
            assert!(html.contains(shown), "{shown}");
        }
        assert!(!html.contains(">105<") && !html.contains(">23802<"));
        // All rows are packed for the script. A table that is shown completely has no script.
        let (_, packed) = html.split_once("data-ror-table=\"").unwrap();
        let packed = STANDARD.decode(packed.split_once('"').unwrap().0).unwrap();
        let rows: serde_json::Value =
            serde_json::from_reader(flate2::read::GzDecoder::new(&packed[..])).unwrap();
        assert_eq!(rows["columns"][0].as_array().unwrap().len(), 23_708);
        assert_eq!(rows["columns"][0][23_702], "23802");
        assert_eq!(rows["numeric"][0], true);
        assert!(html.ends_with("</script>") && html.matches("<script").count() == 1);
        assert!(!numbers(12).to_html(12).unwrap().contains("script"));
        assert!(
            html.find(">104<") < html.find(">...<") && html.find(">...<") < html.find(">23803<")
        );
    }

    #[test]
    fn short_tables_are_whole() {
        let html = numbers(12).to_html(12).unwrap();
        assert_eq!(html.matches("<tr>").count(), 12);
        assert!(!html.contains("..."));
        assert!(numbers(1).to_html(0).unwrap().contains("1 row x 1 column<"));
        assert!(numbers(0).to_html(12).unwrap().contains("0 rows x 1 column<"));
        assert_eq!(shown_rows(9, 0), (vec![0, 8], Some(1)));
    }

    #[test]
    fn long_texts_are_cut_but_kept_under_the_pointer() {
        let hash = "0123456789abcdef".repeat(4);
        let html = df!["content" => [hash.as_str()]].unwrap().to_html(12).unwrap();
        assert!(html.contains(&format!("title=\"{hash}\">01234567...</span>")));
    }

    #[test]
    fn values_are_escaped_and_nulls_grey() {
        let frame = df![
            "<name>" => [Some("<b>&"), None],
            "share" => [0.5f64, 1.0 / 3.0],
            "count" => [1u32, 2],
        ]
        .unwrap();
        let html = frame.to_html(12).unwrap();
        assert!(html.contains("&lt;name&gt;") && html.contains("&lt;b&gt;&amp;"));
        assert!(!html.contains("<b>") && !html.contains("<name>"));
        assert!(html.contains("color:#aab2ba\">null<"));
        assert!(html.contains(">0.5<") && html.contains(">0.333333<"));
        assert!(html.contains(">u32<") && html.contains(">f64<") && html.contains(">str<"));
        // Two numeric columns with a header and two rows, two row numbers.
        assert_eq!(html.matches("text-align:right").count(), 8);
    }

    #[test]
    fn floats_are_short() {
        assert_eq!(float(2.0), "2.0");
        assert_eq!(float(1234.5678), "1234.57");
        assert_eq!(float(0.001234567), "0.00123457");
        assert_eq!(float(1e-7), "1.00000e-7");
        assert_eq!(float(f64::NAN), "NaN");
    }
}
