//! A set of faces behind one handle.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use image::RgbImage;
use polars::prelude::DataFrame;

use super::corruption::CorruptedSource;
use super::folder::{Folder, Tree};
use super::labels::{self, LABELS};
use super::synthetic::Synthetic;
use super::{
    Corruption, Duplicates, Pictures, Record, Source, Split, SplitSizes, archive, parse_name,
    pictures, records,
};
use crate::support::files;
use crate::support::hash::Lines;
use crate::support::progress::{say, thousands};
use crate::task::Label;

/// How many synthetic faces stand in for UTKFace: as many as it has, so that an index into the
/// one is an index into the other.
const SYNTHETIC: usize = 23_708;

/// A set of faces: UTKFace, a folder of one's own, synthetic faces, or any [`Source`].
///
/// The records of a folder stand in byte order of their file names, so that an index means the
/// same picture on every machine. Cheap to clone: clones share one set.
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
    table: DataFrame,
    left_out: LeftOut,
    fingerprint: String,
    /// The pictures asked for last: a training asks again after every epoch.
    pictures: Mutex<Option<Pictures>>,
}

/// The files of a folder that are not in the set.
#[derive(Debug, Default)]
struct LeftOut {
    /// Names of those without a label.
    unparsed: Vec<String>,
    /// Those that can't be read, each with what is wrong.
    unreadable: Vec<String>,
}

impl LeftOut {
    fn unparsed(&self) -> Option<String> {
        left_out(&self.unparsed, "have no label")
    }

    fn unreadable(&self) -> Option<String> {
        left_out(&self.unreadable, "can't be read")
    }
}

/// How many files are left out and why, with the first of them; none where there are none.
fn left_out(files: &[String], why: &str) -> Option<String> {
    let first = files[..files.len().min(5)].join(", ");
    let more = if files.len() > 5 { ", ..." } else { "" };
    let n = thousands(files.len());
    (!files.is_empty()).then(|| format!("{n} files are left out, they {why}: {first}{more}"))
}

impl Faces {
    /// Opens the data set at `$ROR_DATA`, or else `UTKFace.tar.gz` or the folder `UTKFace` in
    /// the project's `data/`; where neither is there, synthetic faces
    /// ([`Faces::is_synthetic`] tells, and so does showing the set).
    ///
    /// # Errors
    /// `$ROR_DATA` set to something that is not a data set, a damaged archive, or a folder that can't
    /// be listed.
    pub fn open() -> Result<Self> {
        if let Some(path) = std::env::var_os("ROR_DATA").filter(|path| !path.is_empty()) {
            return Self::at(&path)
                .context("ROR_DATA should be UTKFace.tar.gz or its unpacked folder");
        }
        let data = files::home().join("data");
        for name in ["UTKFace.tar.gz", "UTKFace"] {
            let path = data.join(name);
            if path.exists() {
                return Self::at(path);
            }
        }
        Self::synthetic(SYNTHETIC, 0)
    }

    /// Opens a folder of pictures, or an archive (`.tar.gz`, `.tgz` or `.tar`, unpacked into the
    /// cache at first use) of one. Labels are read from its `labels.csv` where it has one (columns
    /// `file`, `age` in years, `gender`: male or female, and perhaps `race`), or else from file names
    /// in UTKFace's scheme ([`parse_name`]), in all its folders. What can't be read is left out, and
    /// counted: [`Faces::unreadable`].
    ///
    /// An archive may have 1,000,000 members and unpack to 2 GiB; `ROR_UNPACK_FILES` and
    /// `ROR_UNPACK_BYTES` are other numbers.
    ///
    /// # Errors
    /// A path that does not exist or is a pipe or device, an archive that is damaged, larger, or of
    /// another form, a folder without such pictures, several `labels.csv` side by side, or a bad row
    /// in one.
    pub fn at(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        ensure!(
            path.exists(),
            "there is no data set at {}: see data/README.md for how to get UTKFace",
            path.display()
        );
        files::clean_cache();
        let tree = if path.is_dir() { Tree::of(path)? } else { archive::unpacked(path)? };
        let (tree, has_labels) =
            pictures_of(tree).with_context(|| format!("in {}", path.display()))?;
        if !has_labels {
            return Self::in_tree(tree, |name| parse_name(file_name(name)));
        }
        let labels: HashMap<String, Label> = labels::read(&tree)?.into_iter().collect();
        Self::in_tree(tree, |name| labels.get(name).copied())
    }

    /// `n` synthetic faces by a seed: the same on every machine.
    ///
    /// # Errors
    /// `n` of 0.
    pub fn synthetic(n: usize, seed: u64) -> Result<Self> {
        let (source, records) = Synthetic::new(n, seed)?;
        Self::new(Box::new(source), records, LeftOut::default())
    }

    /// Pictures of your own, in `folder` and those below it, with the label that `label` gives
    /// the path of each file. Files for which it gives none are left out, and counted:
    /// [`Faces::unparsed`].
    ///
    /// ```
    /// use ror::{Label, Gender, data::Faces};
    ///
    /// # fn main() -> anyhow::Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # std::fs::write(folder.path().join("anna-31.jpg"), Faces::synthetic(1, 0)?.bytes(0)?)?;
    /// let faces = Faces::labelled(folder.path(), |path| {
    ///     let (_, age) = path.file_stem()?.to_str()?.split_once('-')?;
    ///     Some(Label { age: age.parse().ok()?, gender: Gender::Female, race: None })
    /// })?;
    /// assert_eq!(faces.record(0)?.label.age, 31);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A folder that can't be listed, no labelled file that can be read, or a label out of its ranges.
    pub fn labelled(
        folder: impl AsRef<Path>,
        label: impl Fn(&Path) -> Option<Label>,
    ) -> Result<Self> {
        files::clean_cache();
        let folder = folder.as_ref();
        Self::in_tree(Tree::of(folder)?, |name| label(&folder.join(name)))
    }

    /// Pictures from any source: `records[i]` is about its picture `i`.
    ///
    /// # Errors
    /// No records, or one whose label or content is out of its range.
    pub fn from_source(source: Box<dyn Source>, records: Vec<Record>) -> Result<Self> {
        Self::new(source, records, LeftOut::default())
    }

    fn in_tree(tree: Tree, label: impl Fn(&str) -> Option<Label>) -> Result<Self> {
        let (mut labelled, mut unparsed) = (vec![], vec![]);
        for file in tree.files {
            match label(&file.name) {
                Some(label) => labelled.push((file, label)),
                None => unparsed.push(file.name),
            }
        }
        let (source, records, unread) = Folder::new(tree.root, labelled)?;
        let left_out = LeftOut { unparsed, unreadable: [tree.unreadable, unread].concat() };
        if let Some(unreadable) = left_out.unreadable() {
            say(&format!("note: {unreadable}"));
        }
        Self::new(Box::new(source), records, left_out)
    }

    fn new(source: Box<dyn Source>, records: Vec<Record>, left_out: LeftOut) -> Result<Self> {
        if records.is_empty() {
            let why = [left_out.unparsed(), left_out.unreadable()].into_iter().flatten();
            let why = why.map(|line| format!("\n{line}")).collect::<String>();
            bail!("no picture with a label in {}{why}", source.describe());
        }
        let mut lines = Lines::default();
        for record in &records {
            record.check()?;
            lines.add(&record.file);
            lines.add(&record.content);
            // UTKFace's names are labels already.
            if parse_name(&record.file) != Some(record.label) {
                lines.add(&format!("{:?}", record.label));
            }
        }
        Ok(Self(Arc::new(Inner {
            table: records::table(&records)?,
            source,
            records,
            left_out,
            fingerprint: lines.fingerprint(),
            pictures: Mutex::new(None),
        })))
    }

    /// How many pictures there are.
    pub fn len(&self) -> usize {
        self.0.records.len()
    }

    /// Whether there are none (never so for a set that opened).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One row a picture: `index`, `file`, `age` (years), `gender`, `race`, `content`.
    pub fn records(&self) -> &DataFrame {
        &self.0.table
    }

    /// One record.
    ///
    /// # Errors
    /// An index outside the set.
    pub fn record(&self, index: usize) -> Result<&Record> {
        let record = self.0.records.get(index);
        record.with_context(|| self.no_such(index))
    }

    /// All records, in order.
    pub(super) fn all(&self) -> &[Record] {
        &self.0.records
    }

    /// The labels of some pictures.
    ///
    /// # Errors
    /// An index outside the set.
    pub fn labels(&self, indices: &[usize]) -> Result<Vec<Label>> {
        indices.iter().map(|i| Ok(self.record(*i)?.label)).collect()
    }

    /// An index that a person typed, who may well say -1.
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
            "there is no picture {index}: this set has {}, indices 0 to {}",
            thousands(self.len()),
            self.len().saturating_sub(1)
        )
    }

    /// The indices of a table's rows: its column `index`.
    ///
    /// # Errors
    /// A table without that column, or with an index outside this set.
    pub fn indices(&self, table: &DataFrame) -> Result<Vec<usize>> {
        let column = table
            .column("index")
            .context("the table lacks the column `index` that records() has")?;
        let index = |index: Option<u32>| {
            let index = index.context("the column `index` has a null")? as usize;
            self.record(index).map(|_| index)
        };
        column.u32()?.iter().map(index).collect()
    }

    /// Names of files in the folder that have no label, and so are left out.
    pub fn unparsed(&self) -> &[String] {
        &self.0.left_out.unparsed
    }

    /// Names of files in the folder that can't be read, and so are left out, each with what is wrong.
    pub fn unreadable(&self) -> &[String] {
        &self.0.left_out.unreadable
    }

    /// Whether these are synthetic faces rather than photographs.
    pub fn is_synthetic(&self) -> bool {
        self.0.source.is_synthetic()
    }

    /// The folder that holds the pictures, where there is one.
    pub fn folder(&self) -> Option<&Path> {
        self.0.source.folder()
    }

    /// Identifies the set's names, contents and labels (16 hexadecimal digits).
    pub fn fingerprint(&self) -> &str {
        &self.0.fingerprint
    }

    /// How many different pictures there are: duplicates count once.
    pub fn contents(&self) -> usize {
        self.by_content().len()
    }

    /// The indices that share one content, by content.
    pub(super) fn by_content(&self) -> HashMap<&str, Vec<usize>> {
        let mut indices: HashMap<&str, Vec<usize>> = HashMap::with_capacity(self.len());
        for (index, record) in self.all().iter().enumerate() {
            indices.entry(&record.content).or_default().push(index);
        }
        indices
    }

    /// The contents with several files, and how far their labels are apart.
    pub fn duplicates(&self) -> Duplicates {
        Duplicates::of(self)
    }

    /// A picture's encoded bytes, as they stand in its file.
    ///
    /// # Errors
    /// An index outside the set, or a file that can't be read.
    pub fn bytes(&self, index: usize) -> Result<Vec<u8>> {
        self.record(index)?;
        self.0.source.bytes(index)
    }

    /// A picture in full size, RGB.
    ///
    /// # Errors
    /// An index outside the set, or a picture that can't be read or decoded.
    pub fn picture(&self, index: usize) -> Result<RgbImage> {
        let record = self.record(index)?;
        let picture = self.0.source.picture(index);
        picture.with_context(|| format!("picture {index}, {}", record.file))
    }

    /// Every picture resized to `size` x `size`, in order of the records: decoded in parallel
    /// at first, from the cache on disk afterwards, and from memory while the set is open.
    ///
    /// # Errors
    /// A picture that can't be read or decoded (all such are named), or `size` outside 8..=512.
    pub fn pictures(&self, size: u32) -> Result<Pictures> {
        // A thread that panicked holding it left no half-made pictures behind.
        let mut last = self.0.pictures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pictures) = last.as_ref().filter(|pictures| pictures.size == size) {
            return Ok(pictures.share());
        }
        let pictures = pictures::load(self, size)?;
        *last = Some(pictures.share());
        Ok(pictures)
    }

    /// The pictures at `indices`, in that order, each changed by a corruption of a severity of 1
    /// to 3: with their labels, to measure what a net loses.
    ///
    /// ```
    /// use ror::data::{Corruption, Faces};
    ///
    /// # fn main() -> anyhow::Result<()> {
    /// let faces = Faces::synthetic(20, 0)?;
    /// let dark = faces.corrupted(&[3, 5], Corruption::Dark, 2)?;
    /// assert_eq!((dark.len(), dark.record(1)?.label), (2, faces.record(5)?.label));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// No indices, one outside the set, or another severity.
    pub fn corrupted(
        &self,
        indices: &[usize],
        corruption: Corruption,
        severity: usize,
    ) -> Result<Self> {
        let (source, records) = CorruptedSource::new(self, indices, corruption, severity)?;
        Self::new(Box::new(source), records, LeftOut::default())
    }

    /// Whether resized pictures are kept in the cache.
    pub(super) fn is_kept(&self) -> bool {
        self.0.source.is_kept()
    }

    /// Divides the pictures of `table` into train, validation and test by content; see
    /// [`Split`].
    ///
    /// # Errors
    /// A table that is not of this set, fewer contents than `sizes` needs, or a part of size 0.
    pub fn split(&self, table: &DataFrame, sizes: &SplitSizes) -> Result<Split> {
        Split::by_sizes(self, table, sizes)
    }
}

impl fmt::Display for Faces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, contents) = (thousands(self.len()), thousands(self.contents()));
        let from = self.0.source.describe();
        if self.is_synthetic() {
            write!(
                f,
                "{n} SYNTHETIC faces ({contents} different ones), {from}.\n\
                 What a net learns from them says nothing about people. For photographs, put\n\
                 UTKFace.tar.gz into data/ (or set ROR_DATA to it) and restart the kernel; see data/README.md."
            )?;
        } else {
            write!(f, "{n} pictures ({contents} different ones) from {from}")?;
        }
        match self.0.left_out.unparsed() {
            Some(left_out) => write!(f, "\n{left_out}"),
            None => Ok(()),
        }
    }
}

/// The part of a tree that holds the pictures: without the folders around them, as archives are made,
/// and whether their labels are in a `labels.csv`. One above all pictures, or beside the uppermost,
/// tells the labels; otherwise the names do, in all folders.
fn pictures_of(mut tree: Tree) -> Result<(Tree, bool)> {
    let depth = |name: &str| name.matches('/').count();
    let is_table = |name: &str| file_name(name) == LABELS;
    let names = || tree.files.iter().map(|file| file.name.as_str());
    let named = || names().filter(|name| parse_name(file_name(name)).is_some());
    let tables: Vec<&str> = names().filter(|name| is_table(name)).collect();
    let uppermost = named().chain(tables.iter().copied()).map(depth).min();
    let uppermost = uppermost.with_context(|| {
        let more = match tree.unreadable.first() {
            Some(unreadable) => format!(" (left out: {unreadable})"),
            None => String::new(),
        };
        format!(
            "no picture named [age]_[gender]_[race]_[timestamp].jpg.chip.jpg and no {LABELS} was \
             found{more}; put UTKFace.tar.gz or its unpacked folder there (see data/README.md)"
        )
    })?;
    let mut tables = tables.into_iter().filter(|name| depth(name) == uppermost);
    let table = tables.next();
    if let (Some(one), Some(other)) = (table, tables.next()) {
        bail!("there are {one} and {other}: make one table of them, above all pictures");
    }
    let folder = match table {
        Some(table) => folder_of(table).to_owned(),
        None => named().map(folder_of).reduce(common).unwrap_or_default().to_owned(),
    };
    let has_table = table.is_some();
    let mut files = vec![];
    for mut file in tree.files {
        match file.name.strip_prefix(&folder) {
            Some(LABELS) if has_table => {}
            Some(inside) => {
                file.name = inside.to_owned();
                files.push(file);
            }
            None if has_table && parse_name(file_name(&file.name)).is_some() => {
                tree.unreadable.push(format!("{} (outside the folder of {LABELS})", file.name));
            }
            None => {}
        }
    }
    let root = tree.root.join(&folder);
    Ok((Tree { root, files, unreadable: tree.unreadable }, has_table))
}

/// The last part of a path.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The folder of a path, with the `/` behind it.
fn folder_of(path: &str) -> &str {
    &path[..path.len() - file_name(path).len()]
}

/// The folder that two folders are both in, or are.
fn common<'a>(a: &'a str, b: &str) -> &'a str {
    let same = a.split_inclusive('/').zip(b.split_inclusive('/')).take_while(|(a, b)| a == b);
    &a[..same.map(|(part, _)| part.len()).sum()]
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::task::Gender;

    /// The same picture under every index.
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
        assert_eq!(faces.pictures(16).unwrap().tensor.size(), [2, 16, 16, 3]);
        assert_eq!(faces.to_string(), "2 pictures (1 different ones) from memory");
        assert!(faces.folder().is_none() && !faces.is_synthetic());
        let older = of(vec![record(30, None, &content), record(31, Some(3), &content)]).unwrap();
        assert_ne!(faces.fingerprint(), older.fingerprint(), "labels count");
        for (bad, words) in [
            (vec![], "no picture"),
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

    #[test]
    fn files_without_a_label_are_left_out_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let three = Faces::synthetic(3, 0).unwrap();
        fs::create_dir(folder.path().join("female")).unwrap();
        for (index, file) in ["8.jpg", "female/31.jpg", "anna.jpg"].iter().enumerate() {
            fs::write(folder.path().join(file), three.bytes(index).unwrap()).unwrap();
        }
        let faces = Faces::labelled(folder.path(), |path| {
            let gender = match path.parent()?.ends_with("female") {
                true => Gender::Female,
                false => Gender::Male,
            };
            Some(Label { age: path.file_stem()?.to_str()?.parse().ok()?, gender, race: None })
        })
        .unwrap();
        assert_eq!(faces.unparsed(), ["anna.jpg"]);
        let labels = faces.labels(&[0, 1]).unwrap();
        assert_eq!((labels[0].age, labels[0].gender), (8, Gender::Male));
        assert_eq!((labels[1].age, labels[1].gender), (31, Gender::Female));
        assert_eq!(faces.bytes(1).unwrap(), three.bytes(1).unwrap());
        assert!(faces.to_string().contains("\n1 files are left out"));
        let none = Faces::labelled(folder.path(), |_| None).unwrap_err();
        assert!(none.to_string().contains("no picture with a label"));
    }
}
