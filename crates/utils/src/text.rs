//! Text files as other systems write them: byte order marks, UTF-16, names in other forms.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use unicode_normalization::UnicodeNormalization;

/// Returns the bytes of a text file as UTF-8, without a byte order mark. UTF-16, which Windows
/// writes, is converted if it has its mark. Other bytes stay as they are.
///
/// # Errors
/// UTF-16 that is damaged.
pub fn without_mark(bytes: Vec<u8>) -> Result<Vec<u8>> {
    let unit: fn([u8; 2]) -> u16 = match bytes[..] {
        [0xEF, 0xBB, 0xBF, ..] => return Ok(bytes[3..].to_vec()),
        [0xFF, 0xFE, ..] => u16::from_le_bytes,
        [0xFE, 0xFF, ..] => u16::from_be_bytes,
        _ => return Ok(bytes),
    };
    let (pairs, rest) = bytes[2..].as_chunks::<2>();
    let text = char::decode_utf16(pairs.iter().map(|pair| unit(*pair)));
    let text = text.collect::<Result<String, _>>().ok().filter(|_| rest.is_empty());
    Ok(text.context("the text is damaged UTF-16: save it as UTF-8")?.into_bytes())
}

/// Returns the bytes of a text file as text.
///
/// # Errors
/// Bytes that are not UTF-8, or UTF-16 without its mark.
pub fn decoded(bytes: Vec<u8>) -> Result<String> {
    let text = String::from_utf8(without_mark(bytes)?);
    let text = text.context("the text is not UTF-8: save it as UTF-8 (in Excel: CSV UTF-8)")?;
    ensure!(
        !text.contains('\0'),
        "the text has zero bytes, as UTF-16 has: save it as UTF-8 (in Excel: CSV UTF-8)"
    );
    Ok(text)
}

/// Names that can be found in the form in which another system writes them: with `\` between
/// folders, with accents as characters of their own (macOS), or in other case (Windows).
pub struct Names<'a> {
    /// The name for each form; `None` if several names have it.
    forms: HashMap<String, Option<&'a str>>,
}

impl<'a> Names<'a> {
    /// Collects names.
    pub fn new(names: impl Iterator<Item = &'a str>) -> Self {
        let mut forms = HashMap::new();
        for name in names {
            let one = forms.entry(form(name)).or_insert(Some(name));
            if *one != Some(name) {
                *one = None;
            }
        }
        Self { forms }
    }

    /// Returns the only name that is the same in another form.
    pub fn find(&self, written: &str) -> Option<&'a str> {
        *self.forms.get(&form(written))?
    }
}

fn form(name: &str) -> String {
    name.replace('\\', "/").nfc().collect::<String>().to_lowercase()
}

/// Returns a name with each accent as part of its letter, and with each accent as a character of
/// its own.
pub fn accents(name: &str) -> [String; 2] {
    [name.nfc().collect(), name.nfd().collect()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_other_systems_is_the_same_text() {
        let utf16 = |unit: fn(u16) -> [u8; 2]| {
            "\u{feff}a,é\r\n😀".encode_utf16().flat_map(unit).collect::<Vec<u8>>()
        };
        let utf8 = "\u{feff}a,é\r\n😀".as_bytes().to_vec();
        for bytes in [utf8, utf16(u16::to_le_bytes), utf16(u16::to_be_bytes)] {
            assert_eq!(decoded(bytes).unwrap(), "a,é\r\n😀");
        }
        assert_eq!(without_mark(b"\xf0.jpg".to_vec()).unwrap(), b"\xf0.jpg");
        for (bytes, says) in [
            (&b"\xff\xfea"[..], "damaged UTF-16"),
            (b"\xff\xfe\x00\xd8", "damaged UTF-16"),
            (b"M\xfcller", "not UTF-8"),
            (b"a\0,\0", "as UTF-16 has"),
        ] {
            let error = decoded(bytes.to_vec()).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_name_in_another_form_is_found_if_it_is_the_only_one() {
        let names = ["sub/Ame\u{301}lie.JPG", "a.jpg", "A.jpg"];
        let names = Names::new(names.into_iter());
        assert_eq!(names.find("sub\\Amélie.jpg"), Some("sub/Ame\u{301}lie.JPG"));
        assert_eq!((names.find("a.JPG"), names.find("b.jpg")), (None, None));
    }
}
