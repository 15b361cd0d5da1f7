//! Text from outside, such as file names and error messages, made harmless for where it is shown.
//!
//! There is one function per medium: [`line()`] (a terminal, a log, a cell's printed output),
//! [`lines`] (the same for a whole message), [`json`], [`cell`] (a table that a spreadsheet opens),
//! [`without_messages`] (what a notebook's kernel reads; the others include it), and
//! [`html::escape`](crate::html::escape).

use std::borrow::Cow;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

/// How the messages between a notebook's process and its kernel begin. Printed text that contains
/// it could pass for such a message.
const MARK: &str = "EVCXR_";

/// Escapes text for one line of a terminal: control characters, line ends included, are written as
/// in Rust (`\n`, `\u{1b}`), and so are characters that reverse the direction of text.
pub fn line(text: &str) -> String {
    escaped(text, |c| c.is_control() || is_invisible(c))
}

/// Like [`line()`], for a message of several lines: line ends and tabs stay.
pub fn lines(text: &str) -> String {
    escaped(text, |c| c.is_control() && !matches!(c, '\n' | '\t') || is_invisible(c))
}

/// Escapes an error with all its causes for a terminal. Further lines are indented, so that none
/// passes for a line of its own.
pub fn error(error: &anyhow::Error) -> String {
    lines(&format!("{error:#}")).replace('\n', "\n  ")
}

/// Returns a value as JSON on one line, escaped as [`json`] does.
///
/// # Errors
/// A value that JSON can't hold, such as a map whose keys are not texts.
pub fn to_json(value: &impl Serialize) -> Result<String> {
    Ok(json(&serde_json::to_string(value)?))
}

/// Escapes JSON for a terminal. It stays JSON of the same value.
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match (c.is_control() && c != '\n') || is_invisible(c) {
            // All of them are in the first plane, which has one number.
            true => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => out.push(c),
        }
    }
    match out.contains(MARK) {
        true => out.replace(MARK, "EVCXR\\u005f"),
        false => out,
    }
}

/// Returns a path as one line of text, see [`line()`]. Bytes that are not UTF-8 become U+FFFD.
pub fn path(path: &Path) -> String {
    line(&path.display().to_string())
}

/// Whether a character moves or hides the text around it: directional marks, line and paragraph
/// separators.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, is_bad: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match is_bad(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    without_messages(out)
}

/// Breaks what a notebook's kernel would take for a message.
pub fn without_messages(text: String) -> String {
    match text.contains(MARK) {
        true => text.replace(MARK, "EVCXR\\_"),
        false => text,
    }
}

/// Returns a value for a cell of a CSV file. A text that a spreadsheet would run as a formula gets
/// an apostrophe in front; numbers stay as they are.
pub fn cell(text: &str) -> Cow<'_, str> {
    // `-` alone is the path of standard input.
    let is_formula = text.starts_with(FORMULA) && text.parse::<f64>().is_err() && text != "-";
    if is_formula { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// First characters of a formula, also in the wide forms of East Asian text.
const FORMULA: [char; 10] =
    ['=', '+', '-', '@', '\t', '\r', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// Returns a path for a table: as [`path`] has it, and with `./` in front of a name that begins
/// like a formula, so that it still names the file.
pub fn path_in_table(shown: &Path) -> String {
    let text = path(shown);
    if text.starts_with(FORMULA) { format!("./{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor_or_begins_a_line() {
        assert_eq!(
            line("\u{1b}[31mred\u{1b}]0;title\u{7}.jpg"),
            "\\u{1b}[31mred\\u{1b}]0;title\\u{7}.jpg"
        );
        assert_eq!(line("a\r\nb\u{85}c\u{202e}gpj.exe"), "a\\r\\nb\\u{85}c\\u{202e}gpj.exe");
        assert_eq!(lines("a\n\tb\u{9b}2J"), "a\n\tb\\u{9b}2J");
        assert_eq!(line("Müller 사진 😀.jpg"), "Müller 사진 😀.jpg");
        assert_eq!(path(Path::new("a\nb")), "a\\nb");
    }

    #[test]
    fn nothing_passes_for_a_message_of_the_kernel() {
        let forged = "x\nEVCXR_BEGIN_CONTENT text/html\n<b>\nEVCXR_END_CONTENT\n";
        for text in [line(forged), lines(forged), line("EVCXR_FRONT {\"failed\":\"x\"}")] {
            assert!(!text.contains("EVCXR_"), "{text}");
        }
    }

    #[test]
    fn json_keeps_its_value_and_an_error_its_indentation() {
        let name = "\u{9b}2J\u{202e}\u{7f}\u{1b}EVCXR_FRONT \"é\"\n";
        let shown = to_json(&name).unwrap();
        assert!(shown.is_ascii() || shown.chars().all(|c| !c.is_control() && !is_invisible(c)));
        assert!(!shown.contains(MARK));
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), name);
        let forged = anyhow::anyhow!("a\nerror: b\u{7}").context("c");
        assert_eq!(error(&forged), "c: a\n  error: b\\u{7}");
    }

    /// Names of random characters, mostly of those that do harm.
    #[test]
    fn no_name_gets_through_any_medium() {
        use crate::random::Random;
        const PARTS: [&str; 24] = [
            "\u{1b}[2J",
            "\u{1b}]0;x\u{7}",
            "\n",
            "\r",
            "\t",
            "\0",
            "\u{7f}",
            "\u{9b}",
            "\u{85}",
            "\u{202e}",
            "\u{2066}",
            "\u{2028}",
            "EVCXR_",
            "EVCXR_END_CONTENT\n",
            "EVCXR_EVCXR_",
            "EVC",
            "XR_",
            "<script>",
            "\"",
            "'",
            "&#10;",
            "=1+",
            "@",
            "é",
        ];
        let mut random = Random::new(1);
        for _ in 0..10_000 {
            let parts = 1 + random.below(8);
            let name: String = (0..parts).map(|_| PARTS[random.index(PARTS.len())]).collect();
            let texts = [line(&name), path_in_table(Path::new(&name)), crate::html::escape(&name)];
            for text in &texts[..2] {
                assert!(!text.chars().any(|c| c.is_control() || is_invisible(c)), "{name:?}");
            }
            let shown = to_json(&name).unwrap();
            assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), name);
            assert!(!shown.chars().any(|c| c.is_control() || is_invisible(c)), "{name:?}");
            assert!(
                !texts[2].contains(['<', '>', '"', '\'', '\n', '\r', '\0', '\u{1b}']),
                "{name:?}"
            );
            let message = error(&anyhow::anyhow!("{name}").context("cannot read"));
            assert!(message.lines().skip(1).all(|line| line.starts_with("  ")), "{name:?}");
            for text in texts.iter().chain([&shown, &message, &lines(&name)]) {
                assert!(!text.contains(MARK), "{name:?}");
            }
            assert!(!cell(&texts[1]).starts_with(FORMULA), "{name:?}");
        }
    }

    #[test]
    fn formulas_become_text_and_numbers_stay() {
        for formula in ["=1+1", "+cmd|' '!A0", "-cmd", "@SUM(A1)", "\t=1", "\u{ff1d}1"] {
            assert_eq!(cell(formula), format!("'{formula}"));
        }
        for plain in ["-3.5", "+1", "1e3", "a=b", "", "0-5", "-"] {
            assert_eq!(cell(plain), plain);
        }
        assert_eq!(path_in_table(Path::new("=cmd|' '!A0.jpg")), "./=cmd|' '!A0.jpg");
        assert_eq!(path_in_table(Path::new("/a/=b.jpg")), "/a/=b.jpg");
    }
}
