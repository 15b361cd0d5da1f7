//! A data set of faces.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use image::RgbImage;
use tch::Tensor;

use super::{Record, Source, parse_name};
use crate::task::Label;
use utils::escape;
use utils::hash::Lines;
use utils::progress::{counted, thousands};

/// A data set of faces: UTKFace, a custom folder, synthetic faces, or any [`Source`].
///
/// The records of a folder are in byte order of their file names, so an index refers to the same
/// image on every machine. Clones are cheap and share one set.
///
/// ```
/// use ror::data::Faces;
///
/// # fn main() -> anyhow::Result<()> {
/// let faces = Faces::synthetic(200, 0)?;
/// assert_eq!(faces.len(), 200);
/// assert_eq!(faces.picture(3)?.dimensions(), (200, 200));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Faces(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Box<dyn Source>,
    records: Vec<Record>,
    #[cfg(feature = "tables")]
    table: polars::prelude::DataFrame,
    left_out: LeftOut,
    fingerprint: String,
    /// The images requested last: training requests them again after every epoch.
    last: Mutex<Option<Tensor>>,
}

/// Files of a folder that are not in the set.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// Names of files without a label.
    pub(super) unparsed: Vec<String>,
    /// Files that can't be read, each with the reason.
    pub(super) unreadable: Vec<String>,
}

impl LeftOut {
    fn unparsed(&self) -> Option<String> {
        left_out(&self.unparsed, "no label")
    }

    pub(super) fn unreadable(&self) -> Option<String> {
        left_out(&self.unreadable, "can't be read")
    }
}

/// Says how many files were left out and why, with the first of them; `None` without any.
fn left_out(files: &[String], why: &str) -> Option<String> {
    let first = files[..files.len().min(5)].iter().map(|file| escape::line(file));
    let first = first.collect::<Vec<_>>().join(", ");
    let more = if files.len() > 5 { ", ..." } else { "" };
    let n = counted(files.len(), "file");
    (!files.is_empty()).then(|| format!("{n} left out ({why}): {first}{more}"))
}

impl Faces {
    /// Creates a set from any source: `records[i]` describes image `i`.
    ///
    /// # Errors
    /// No records, or one with an invalid label or image hash.
    pub fn from_source(source: Box<dyn Source>, records: Vec<Record>) -> Result<Self> {
        Self::new(source, records, LeftOut::default())
    }

    pub(super) fn new(
        source: Box<dyn Source>,
        mut records: Vec<Record>,
        left_out: LeftOut,
    ) -> Result<Self> {
        if records.is_empty() {
            let why = [left_out.unparsed(), left_out.unreadable()].into_iter().flatten();
            let why = why.map(|line| format!("; {line}")).collect::<String>();
            bail!("no labeled image in {}{why}", escape::line(&source.describe()));
        }
        let mut lines = Lines::default();
        for record in &mut records {
            record.check()?;
            lines.add(&record.file);
            lines.add(&record.content);
            // UTKFace's names already hold the label.
            if parse_name(&record.file) != Some(record.label) {
                lines.add(&format!("{:?}", record.label));
            }
            // It is only shown from here on, and cells print it as it is.
            record.file = escape::line(&record.file);
        }
        Ok(Self(Arc::new(Inner {
            #[cfg(feature = "tables")]
            table: super::records::table(&records)?,
            source,
            records,
            left_out,
            fingerprint: lines.fingerprint(),
            last: Mutex::new(None),
        })))
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.0.records.len()
    }

    /// Whether the set is empty; an opened set never is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the record at `index`.
    ///
    /// # Errors
    /// An index outside the set.
    pub fn record(&self, index: usize) -> Result<&Record> {
        let record = self.0.records.get(index);
        record.with_context(|| self.no_such(index))
    }

    /// Where the images are.
    pub(super) fn source(&self) -> &dyn Source {
        &*self.0.source
    }

    /// All records, in order.
    pub(super) fn all(&self) -> &[Record] {
        &self.0.records
    }

    /// Returns the labels of the images at `indices`.
    ///
    /// # Errors
    /// An index outside the set.
    pub fn labels(&self, indices: &[usize]) -> Result<Vec<Label>> {
        indices.iter().map(|i| Ok(self.record(*i)?.label)).collect()
    }

    /// Checks an index that a user typed, which may be negative.
    ///
    /// # Errors
    /// An index outside the set.
    pub fn index(&self, index: i64) -> Result<usize> {
        match usize::try_from(index) {
            Ok(i) if i < self.len() => Ok(i),
            _ => bail!(self.no_such(index)),
        }
    }

    fn no_such(&self, index: impl fmt::Display) -> String {
        format!(
            "there is no image {index}: this set has {}, indices 0 to {}",
            thousands(self.len()),
            self.len().saturating_sub(1)
        )
    }

    /// Names of the folder's files that are left out because they have no label.
    pub fn unparsed(&self) -> &[String] {
        &self.0.left_out.unparsed
    }

    /// The folder's files that are left out because they can't be read, each with the reason.
    pub fn unreadable(&self) -> &[String] {
        &self.0.left_out.unreadable
    }

    /// Whether the images are synthetic rather than photographs.
    pub fn is_synthetic(&self) -> bool {
        self.0.source.is_synthetic()
    }

    /// The folder that holds the images, if there is one.
    pub fn folder(&self) -> Option<&Path> {
        self.0.source.folder()
    }

    /// Fingerprint of the names, image hashes and labels (16 hexadecimal digits).
    pub fn fingerprint(&self) -> &str {
        &self.0.fingerprint
    }

    /// Number of distinct images: duplicates count once.
    pub fn contents(&self) -> usize {
        self.by_content().len()
    }

    /// The indices of each image hash.
    pub(super) fn by_content(&self) -> HashMap<&str, Vec<usize>> {
        let mut indices: HashMap<&str, Vec<usize>> = HashMap::with_capacity(self.len());
        for (index, record) in self.all().iter().enumerate() {
            indices.entry(&record.content).or_default().push(index);
        }
        indices
    }

    /// Returns the bytes of an image's file.
    ///
    /// # Errors
    /// An index outside the set, or a file that can't be read.
    pub fn bytes(&self, index: usize) -> Result<Vec<u8>> {
        self.record(index)?;
        self.0.source.bytes(index)
    }

    /// Returns an image at full size, RGB.
    ///
    /// # Errors
    /// An index outside the set, or an image that can't be read or decoded.
    pub fn picture(&self, index: usize) -> Result<RgbImage> {
        let record = self.record(index)?;
        let picture = self.0.source.picture(index);
        picture.with_context(|| format!("image {index}, {}", record.file))
    }

    #[cfg(feature = "tables")]
    pub(super) fn table(&self) -> &polars::prelude::DataFrame {
        &self.0.table
    }

    /// The images resized last, in any size.
    pub(super) fn last(&self) -> &Mutex<Option<Tensor>> {
        &self.0.last
    }

    /// Whether resized images are kept in the cache.
    pub(super) fn is_kept(&self) -> bool {
        self.0.source.is_kept()
    }
}

impl fmt::Display for Faces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, contents) = (thousands(self.len()), thousands(self.contents()));
        let from = escape::line(&self.0.source.describe());
        if self.is_synthetic() {
            write!(
                f,
                "{n} SYNTHETIC faces ({contents} distinct), {from}.\n\
                 A network trained on them says nothing about people. For photographs, put\n\
                 UTKFace.tar.gz into data/ (or set ROR_DATA to it) and start again; see data/README.md."
            )?;
        } else {
            write!(f, "{} ({contents} distinct) from {from}", counted(self.len(), "image"))?;
        }
        match self.0.left_out.unparsed() {
            Some(left_out) => write!(f, "\n{left_out}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Gender;

    /// Returns the same image for every index.
    #[derive(Debug)]
    struct Same(Vec<u8>);

    impl Source for Same {
        fn describe(&self) -> String {
            "memory".to_owned()
        }

        fn bytes(&self, _: usize) -> Result<Vec<u8>> {
            Ok(self.0.clone())
        }
    }

    fn record(age: u32, race: Option<u8>, content: &str) -> Record {
        let label = Label { age, gender: Gender::Male, race };
        Record { file: format!("{age}.jpg"), label, content: content.to_owned() }
    }

    #[test]
    fn any_source_can_stand_behind_a_set_if_its_records_are_sound() {
        let bytes = Faces::synthetic(1, 0).unwrap().bytes(0).unwrap();
        let of = |records| Faces::from_source(Box::new(Same(bytes.clone())), records);
        let content = "0".repeat(64);
        let faces = of(vec![record(30, None, &content), record(31, Some(4), &content)]).unwrap();
        assert_eq!((faces.len(), faces.contents()), (2, 1));
        assert_eq!(faces.pictures(16).unwrap().size(), [2, 16, 16, 3]);
        assert_eq!(faces.to_string(), "2 images (1 distinct) from memory");
        assert!(faces.folder().is_none() && !faces.is_synthetic());
        let older = of(vec![record(30, None, &content), record(31, Some(3), &content)]).unwrap();
        assert_ne!(faces.fingerprint(), older.fingerprint(), "labels count");
        for (bad, words) in [
            (vec![], "no labeled image"),
            (vec![record(131, None, &content)], "131 years"),
            (vec![record(30, Some(5), &content)], "race"),
            (vec![record(30, None, "0123")], "SHA-256"),
        ] {
            let error = of(bad).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert_eq!(faces.index(1).unwrap(), 1);
        for index in [-1, 2, i64::MAX] {
            let error = faces.index(index).unwrap_err().to_string();
            assert!(error.contains("indices 0 to 1"), "{error}");
        }
    }
}
