//! Data frames as HTML tables.

use std::fmt::Write;

use anyhow::{Context, Result};
use polars::prelude::{AnyValue, Column, DataFrame};

use super::display::block;
use crate::plot::style::escape;
use crate::support::progress::thousands;

/// Rows that a notebook shows before it leaves out the middle.
const ROWS: usize = 12;
/// Texts of more characters than this are cut to so many.
const LONG: usize = 48;
const SHORT: usize = 12;

/// A table that notebooks show as HTML.
///
/// With this trait in scope, a cell that ends in a data frame displays it.
pub trait Table {
    /// HTML of the table with column names, types and caption.
    ///
    /// With more than `rows` rows, only the first and last ones are shown, with
    /// a row of dots between: the first 5 and last 5 when `rows` is 12.
    ///
    /// # Errors
    ///
    /// When a value cannot be read.
    ///
    /// ```
    /// # fn main() -> anyhow::Result<()> {
    /// use polars::prelude::df;
    /// use ror::notebook::Table;
    ///
    /// let records = df!["age" => [1u32, 26], "gender" => [Some("male"), None]]?;
    /// let html = records.to_html(12)?;
    /// assert!(html.contains("2 rows x 2 columns"));
    /// assert!(html.contains("null"));
    /// # Ok(())
    /// # }
    /// ```
    fn to_html(&self, rows: usize) -> Result<String>;

    /// Shows the table in a notebook cell; evcxr calls this itself.
    fn evcxr_display(&self);
}

impl Table for DataFrame {
    fn to_html(&self, rows: usize) -> Result<String> {
        let (shown, split) = shown_rows(self.height(), rows);
        let mut html = String::from(
            "<div style=\"overflow-x:auto\">\n\
             <table style=\"border-collapse:collapse;font-size:13px\">\n\
             <thead><tr style=\"border-bottom:1px solid #96a0aa\"><th></th>",
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
        Ok(html)
    }

    fn evcxr_display(&self) {
        // Front ends without HTML take the plain text.
        block("text/plain", self);
        match self.to_html(ROWS) {
            Ok(html) => block("text/html", html),
            Err(error) => eprintln!("cannot show the table as HTML: {error:#}"),
        }
    }
}

/// A long text, such as a hash, by its beginning; the whole of it shows under the pointer.
fn shortened(text: &str) -> String {
    if text.chars().count() <= LONG {
        return escape(text);
    }
    let start: String = text.chars().take(SHORT).collect();
    format!("<span title=\"{}\">{}...</span>", escape(text), escape(&start))
}

/// The rows to show, and before which of them the dots go.
fn shown_rows(height: usize, rows: usize) -> (Vec<usize>, Option<usize>) {
    // The dots take the space of two rows, as a break in the table.
    let part = (rows.saturating_sub(2) / 2).max(1);
    if height <= rows.max(2 * part) {
        ((0..height).collect(), None)
    } else {
        ((0..part).chain(height - part..height).collect(), Some(part))
    }
}

fn alignment(column: &Column) -> &'static str {
    if column.dtype().is_primitive_numeric() { "right" } else { "left" }
}

/// One value as HTML.
fn cell(column: &Column, row: usize) -> Result<String> {
    let value = column
        .get(row)
        .with_context(|| format!("cannot read row {row} of column `{}`", column.name()))?;
    Ok(match value {
        AnyValue::Null => "<span style=\"color:#aab2ba\">null</span>".to_string(),
        AnyValue::String(text) => shortened(text),
        AnyValue::StringOwned(text) => shortened(&text),
        AnyValue::Float32(number) => escape(&float(f64::from(number))),
        AnyValue::Float64(number) => escape(&float(number)),
        value => escape(&value.to_string()),
    })
}

/// Six significant digits, without trailing zeros.
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
    // Keep a digit after the point: the column holds no whole numbers.
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
        assert!(html.contains(&format!("title=\"{hash}\">0123456789ab...</span>")));
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
