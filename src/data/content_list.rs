//! A split as a list of image hashes: a committed text file that is checked without the images.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::{Part, Protocol};
use utils::files;
use utils::hash::Lines;

/// Hexadecimal digits of an image hash in a list: they identify each image of UTKFace.
const DIGITS: usize = 10;
/// Hashes per line of a file.
const IN_LINE: usize = 10;

/// The image hashes in each set of a split: the first 10 hexadecimal digits of the SHA-256 of the
/// image file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContentList {
    /// Training set.
    pub train: BTreeSet<String>,
    /// Validation set.
    pub validation: BTreeSet<String>,
    /// Test set.
    pub test: BTreeSet<String>,
}

/// The digits of an image hash that a list holds.
pub(super) fn digits(content: &str) -> &str {
    content.get(..DIGITS).unwrap_or(content)
}

impl ContentList {
    /// Reads a list: comment lines that start with `#`, then for each set its name, the number of
    /// its hashes, and the hashes.
    ///
    /// # Errors
    /// A file that is missing or malformed, a set whose number of hashes differs from its heading,
    /// or a hash in two sets.
    pub fn open(path: &Path) -> Result<Self> {
        let text = files::read_text(path)?;
        Self::parse(&text)
            .with_context(|| format!("{} is not a valid list of image hashes", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let mut list = Self::default();
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        for part in Part::ALL {
            let heading = lines.next().and_then(|line| line.split_once(' '));
            let size: usize = match heading {
                Some((name, size)) if name == part.name() => size.parse()?,
                _ => bail!("the section {} is missing", part.name()),
            };
            let contents = list.part_mut(part);
            for line in lines.by_ref().take(size.div_ceil(IN_LINE)) {
                contents.extend(line.split_whitespace().map(str::to_owned));
            }
            ensure!(
                contents.len() == size && contents.iter().all(|content| is_content(content)),
                "the section {} should have {size} distinct hashes of {DIGITS} hexadecimal digits",
                part.name()
            );
        }
        ensure!(lines.next().is_none(), "there is text after the last section");
        let Self { train, validation, test } = &list;
        ensure!(
            train.is_disjoint(validation)
                && train.is_disjoint(test)
                && validation.is_disjoint(test),
            "a hash is in two sections"
        );
        Ok(list)
    }

    /// Writes the list atomically, below a heading of one or more lines.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn write(&self, path: &Path, heading: &str) -> Result<()> {
        files::write_with(path, |file| {
            for line in heading.lines() {
                writeln!(file, "# {line}")?;
            }
            for part in Part::ALL {
                let contents: Vec<&str> = self.part(part).iter().map(String::as_str).collect();
                writeln!(file, "{} {}", part.name(), contents.len())?;
                for line in contents.chunks(IN_LINE) {
                    writeln!(file, "{}", line.join(" "))?;
                }
            }
            Ok(())
        })
    }

    /// Fingerprint of the three sets (16 hexadecimal digits).
    pub fn fingerprint(&self) -> String {
        let mut lines = Lines::default();
        for part in Part::ALL {
            lines.add(part.name());
            self.part(part).iter().for_each(|content| lines.add(content));
        }
        lines.fingerprint()
    }

    /// Returns the set that an image is in, by its hash (10 or more hexadecimal digits).
    pub fn part_of(&self, content: &str) -> Option<Part> {
        Part::ALL.into_iter().find(|part| self.part(*part).contains(digits(content)))
    }

    /// The image hashes of one set.
    pub fn part(&self, part: Part) -> &BTreeSet<String> {
        match part {
            Part::Train => &self.train,
            Part::Validation => &self.validation,
            Part::Test => &self.test,
        }
    }

    pub(super) fn part_mut(&mut self, part: Part) -> &mut BTreeSet<String> {
        match part {
            Part::Train => &mut self.train,
            Part::Validation => &mut self.validation,
            Part::Test => &mut self.test,
        }
    }
}

impl Protocol {
    /// The image hashes in each set.
    ///
    /// # Errors
    /// Never for a released version: the lists are part of the library.
    pub fn list(self) -> Result<ContentList> {
        ContentList::parse(self.text()).with_context(|| format!("the protocol {self}"))
    }
}

fn is_content(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(parts: [&[&str]; 3]) -> ContentList {
        let [train, validation, test] =
            parts.map(|part| part.iter().map(|content| (*content).to_owned()).collect());
        ContentList { train, validation, test }
    }

    #[test]
    fn a_list_survives_its_file_and_the_fingerprint_tells_parts_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.txt");
        let own = list([&["0123456789", "abcdef0123"], &["00000000ff"], &["11111111ff"]]);
        own.write(&path, "Mine.\nFor a test.").unwrap();
        assert_eq!(ContentList::open(&path).unwrap(), own);
        let text = files::read_text(&path).unwrap();
        assert!(
            text.starts_with(
                "# Mine.\n# For a test.\ntrain 2\n0123456789 abcdef0123\nvalidation 1\n"
            ),
            "{text}"
        );
        let moved = list([&["0123456789"], &["00000000ff", "abcdef0123"], &["11111111ff"]]);
        assert_ne!(own.fingerprint(), moved.fingerprint());
        assert_eq!(own.fingerprint().len(), 16);
    }

    #[test]
    fn a_damaged_list_is_refused() {
        let good = "# heading\ntrain 1\n0123456789\nvalidation 1\n00000000ff\ntest 1\n11111111ff\n";
        assert!(ContentList::parse(good).is_ok());
        for (from, to) in [
            ("train 1", "train 2"),
            ("train 1", "train"),
            ("validation 1", "test 1"),
            ("00000000ff", "00000000fg"),
            ("11111111ff\n", ""),
            ("11111111ff", "0123456789"),
            ("11111111ff", "11111111ff\n22222222ff"),
        ] {
            let bad = good.replace(from, to);
            assert!(ContentList::parse(&bad).is_err(), "{bad}");
        }
    }
}
