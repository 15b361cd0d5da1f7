//! The words of polars' errors. Their `Debug` form, in which cells and panics show errors, has them as
//! one escaped string.

use std::fmt::Debug;

use polars::prelude::PolarsError;

/// How a panic of `unwrap` begins.
const UNWRAP: &str = "called `Result::unwrap()` on an `Err` value: ";

/// How polars' explanation of a query begins, which repeats the query.
const PLAN: &str = "Resolved plan until failure";

/// Returns what an error says: an error of polars as its `Display` without the query's plan, every other
/// one as its `Debug`.
#[doc(hidden)]
pub fn in_words(error: &(impl Debug + ?Sized)) -> String {
    let debug = format!("{error:?}");
    whole(&debug).unwrap_or(debug)
}

/// Returns the words of a panic in one line, if an error of polars caused it, such as `table["agee"]`.
pub(super) fn of_panic(message: &str) -> Option<String> {
    let words = whole(message.strip_prefix(UNWRAP)?)?;
    Some(words.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn whole(debug: &str) -> Option<String> {
    let (words, rest) = error(debug)?;
    rest.is_empty().then(|| match words.split_once(PLAN) {
        Some((said, _)) => said.trim_end().to_owned(),
        None => words,
    })
}

/// Reads an error of polars. Returns its words and what comes after it.
fn error(debug: &str) -> Option<(String, &str)> {
    if let Some(rest) = debug.strip_prefix("Context { error: ") {
        let (words, rest) = error(rest)?;
        let (context, rest) = string(rest.strip_prefix(", msg: ErrString(")?)?;
        return Some((format!("{words}: {context}"), rest.strip_prefix(") }")?));
    }
    if let Some(rest) = debug.strip_prefix("ExprContext { error: ") {
        let (words, rest) = error(rest)?;
        let (_, rest) = string(rest.strip_prefix(", expr: ErrString(")?)?;
        return Some((words, rest.strip_prefix(") }")?));
    }
    let (kind, rest) = debug.split_once("(ErrString(")?;
    let (words, rest) = string(rest)?;
    let words = words.into();
    let error = match kind {
        "AssertionError" => PolarsError::AssertionError(words),
        "ColumnNotFound" => PolarsError::ColumnNotFound(words),
        "ComputeError" => PolarsError::ComputeError(words),
        "Duplicate" => PolarsError::Duplicate(words),
        "InvalidOperation" => PolarsError::InvalidOperation(words),
        "NoData" => PolarsError::NoData(words),
        "OutOfBounds" => PolarsError::OutOfBounds(words),
        "SchemaFieldNotFound" => PolarsError::SchemaFieldNotFound(words),
        "SchemaMismatch" => PolarsError::SchemaMismatch(words),
        "ShapeMismatch" => PolarsError::ShapeMismatch(words),
        "StringCacheMismatch" => PolarsError::StringCacheMismatch(words),
        "StructFieldNotFound" => PolarsError::StructFieldNotFound(words),
        _ => return None,
    };
    Some((error.to_string(), rest.strip_prefix("))")?))
}

/// Reads a string in quotes, escaped as by `Debug`.
fn string(debug: &str) -> Option<(String, &str)> {
    let (mut words, mut chars) = (String::new(), debug.strip_prefix('"')?.chars());
    loop {
        match chars.next()? {
            '"' => return Some((words, chars.as_str())),
            '\\' => match chars.next()? {
                'n' => words.push('\n'),
                't' => words.push('\t'),
                'r' => words.push('\r'),
                '0' => words.push('\0'),
                'u' => {
                    let (code, rest) = chars.as_str().strip_prefix('{')?.split_once('}')?;
                    words.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
                    chars = rest.chars();
                }
                plain => words.push(plain),
            },
            plain => words.push(plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::{IntoLazy, col, df};

    use super::*;

    #[test]
    fn errors_of_polars_are_shown_as_their_display() {
        let table = df!["race" => ["White"], "a \"b\"\n\u{1}ü" => [1]].unwrap();
        let column = table.column("rase").unwrap_err();
        assert_eq!(in_words(&column), column.to_string());
        let query = table.clone().lazy().filter(col("rase").eq(1)).collect().unwrap_err();
        assert!(in_words(&query).contains("\n\nDid you mean \"race\"?"), "{query:?}");
        let queries = [
            table.clone().lazy().filter(col("rase").eq(1)),
            table.clone().lazy().filter(col("race").sum()),
            table.clone().lazy().select([col("race"), col("race")]),
        ];
        for query in queries {
            let error = query.collect().unwrap_err();
            let (words, whole) = (in_words(&error), error.to_string());
            assert!(whole.starts_with(&words) && !words.is_empty(), "{error:?}");
            assert!(!words.contains("plan"), "{words}");
        }
        let text = "\ttab \\ \u{202e}";
        let others = [
            PolarsError::Duplicate(text.into()),
            PolarsError::NoData(text.into()),
            PolarsError::SchemaMismatch(text.into()),
            PolarsError::ShapeMismatch(text.into()),
            PolarsError::OutOfBounds(text.into()).context("'filter'\n".into()),
        ];
        for error in others {
            assert_eq!(in_words(&error), error.to_string(), "{error:?}");
        }
    }

    #[test]
    fn other_errors_stay_as_they_are() {
        for text in ["stopped", "ComputeError(ErrString(\"x\"))"] {
            assert_eq!(in_words(text), format!("{text:?}"));
        }
        let io = std::io::Error::from(std::io::ErrorKind::NotFound);
        assert_eq!(in_words(&io), "Kind(NotFound)");
        let polars = PolarsError::from(io);
        assert_eq!(in_words(&polars), format!("{polars:?}"));
        let several = in_words(&anyhow::anyhow!("a").context("b"));
        assert!(several.starts_with("b\n\nCaused by:\n    a"), "{several}");
    }

    #[test]
    fn a_wrong_column_in_brackets_is_an_error_in_one_line() {
        let wrong = || df!["age" => [1], "race" => ["White"]].unwrap()["agee"].len();
        let panic = std::panic::catch_unwind(wrong).unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert_eq!(of_panic(message).unwrap(), "not found: \"agee\" not found");
        assert_eq!(of_panic("index out of bounds"), None);
        assert_eq!(of_panic(&format!("{UNWRAP}\"no\"")), None);
    }
}
