//! The data set's way in: file names, records, balancing, splits, pictures.
//!
//! [`Faces`] is the whole set behind one handle, real or drawn; every later step refers to a
//! picture by its index in it.

mod archive;
mod folder;
mod name;
mod noise;
mod pictures;
mod protocol;
mod records;
mod split;
pub mod synthetic;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use image::RgbImage;
use polars::prelude::DataFrame;

pub use name::{Gender, Label, RACES, parse_name};
pub use noise::Copies;
pub use pictures::{Pictures, decode, resize};
pub use protocol::{Listed, Protocol, listing, read_listing};
pub use records::{Balance, Records};
pub use split::{Part, Plan, Split};

use crate::files;
use crate::hash::Lines;
use crate::progress::thousands;
use synthetic::Person;

/// How many faces are drawn where the data set is missing: as many as UTKFace has, so that an
/// index into the one is an index into the other.
pub const SYNTHETIC: usize = 23_708;

/// One picture of the set: its name, what the name says, and its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// File name.
    pub file: String,
    /// What the name says.
    pub label: Label,
    /// SHA-256 of the picture's bytes, in hexadecimal: copies share it.
    pub content: String,
}

/// Where pictures come from.
#[derive(Debug)]
enum Source {
    Folder(PathBuf),
    Synthetic(Vec<Person>),
}

/// A set of faces: UTKFace, or faces drawn on the spot where it is missing.
///
/// Records stand in byte order of their file names, so that an index means the same picture on
/// every machine. Cheap to clone: clones share one set.
///
/// ```
/// use ror::dataset::Faces;
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
    source: Source,
    records: Vec<Record>,
    table: DataFrame,
    unparsed: Vec<String>,
    fingerprint: String,
    /// The pictures asked for last: a training asks again after every epoch.
    pictures: Mutex<Option<Pictures>>,
}

impl Faces {
    /// Opens the data set at `$ROR_DATA`, or else `UTKFace.tar.gz` or the folder `UTKFace` in
    /// the project's `data/`; where neither is there, draws [`SYNTHETIC`] faces instead
    /// ([`Faces::is_synthetic`] tells, and so does showing the set).
    ///
    /// # Errors
    /// `$ROR_DATA` set to something that is not the data set, or what [`Faces::at`] returns.
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

    /// Opens an archive (`.tar.gz`, unpacked into the cache at first use) or a folder of
    /// pictures whose names follow UTKFace's scheme.
    ///
    /// # Errors
    /// A path that does not exist, a damaged archive, a folder without such pictures, or a
    /// file that can't be read.
    pub fn at(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        ensure!(
            path.exists(),
            "there is no data set at {}: see data/README.md for how to get UTKFace",
            path.display()
        );
        let root = if path.is_dir() {
            path.to_owned()
        } else {
            archive::unpacked(path)?
        };
        let folder = folder::find(&root).with_context(|| format!("in {}", path.display()))?;
        let (records, unparsed) = folder::records(&folder)?;
        Self::new(Source::Folder(folder), records, unparsed)
    }

    /// Draws `n` faces by a seed: the same on every machine.
    ///
    /// # Errors
    /// `n` of 0.
    pub fn synthetic(n: usize, seed: u64) -> Result<Self> {
        ensure!(n > 0, "a set of 0 faces is of no use");
        let people = synthetic::population(n, seed);
        let records = people
            .iter()
            .map(|person| {
                let file = person.file_name();
                let label = parse_name(&file)
                    .with_context(|| format!("drawn under the odd name {file}"))?;
                Ok(Record {
                    file,
                    label,
                    content: person.content(),
                })
            })
            .collect::<Result<_>>()?;
        Self::new(Source::Synthetic(people), records, vec![])
    }

    fn new(source: Source, records: Vec<Record>, unparsed: Vec<String>) -> Result<Self> {
        let mut lines = Lines::default();
        for record in &records {
            lines.add(&record.file);
            lines.add(&record.content);
        }
        let table = records::table(&records)?;
        Ok(Self(Arc::new(Inner {
            source,
            records,
            table,
            unparsed,
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
        self.0
            .records
            .get(index)
            .with_context(|| self.no_such(index as i64))
    }

    /// The labels of some pictures.
    ///
    /// # Errors
    /// An index outside the set.
    pub(crate) fn labels(&self, indices: &[usize]) -> Result<Vec<Label>> {
        indices.iter().map(|i| Ok(self.record(*i)?.label)).collect()
    }

    /// All records, in order.
    pub(crate) fn all(&self) -> &[Record] {
        &self.0.records
    }

    /// The message for an index outside the set.
    pub(crate) fn no_such(&self, index: i64) -> String {
        format!(
            "there is no picture {index}: this set has {}, indices 0 to {}",
            thousands(self.len()),
            self.len().saturating_sub(1)
        )
    }

    /// Names of files in the folder that do not follow UTKFace's scheme, and so are left out.
    pub fn unparsed(&self) -> &[String] {
        &self.0.unparsed
    }

    /// Whether these are drawings rather than photographs.
    pub fn is_synthetic(&self) -> bool {
        matches!(self.0.source, Source::Synthetic(_))
    }

    /// The folder its pictures are in; drawings have none.
    pub fn folder(&self) -> Option<&Path> {
        match &self.0.source {
            Source::Folder(folder) => Some(folder),
            Source::Synthetic(_) => None,
        }
    }

    /// Identifies the set's names and contents (16 hexadecimal digits).
    pub fn fingerprint(&self) -> &str {
        &self.0.fingerprint
    }

    /// How many different pictures there are: copies count once.
    pub fn contents(&self) -> usize {
        self.0
            .records
            .iter()
            .map(|r| &r.content)
            .collect::<std::collections::HashSet<_>>()
            .len()
    }

    /// A picture's encoded bytes, as they stand in its file.
    ///
    /// # Errors
    /// An index outside the set, or a file that can't be read.
    pub fn bytes(&self, index: usize) -> Result<Vec<u8>> {
        let record = self.record(index)?;
        match &self.0.source {
            Source::Folder(folder) => {
                let path = folder.join(&record.file);
                std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
            }
            Source::Synthetic(people) => synthetic::encode(&people[index]),
        }
    }

    /// A picture in full size, RGB.
    ///
    /// # Errors
    /// An index outside the set, or a picture that can't be read or decoded.
    pub fn picture(&self, index: usize) -> Result<RgbImage> {
        let record = self.record(index)?;
        match &self.0.source {
            Source::Folder(_) => decode(&self.bytes(index)?)
                .with_context(|| format!("picture {index}, {}", record.file)),
            // Drawn, not encoded and decoded again: the pixels before JPEG.
            Source::Synthetic(people) => synthetic::draw(&people[index], synthetic::NATURAL_SIZE),
        }
    }

    /// Every picture resized to `size` x `size`, in order of the records: decoded in parallel
    /// at first, from the cache on disk afterwards, and from memory while the set is open.
    ///
    /// # Errors
    /// A picture that can't be read or decoded (all such are named), or `size` outside 8..=512.
    pub fn pictures(&self, size: u32) -> Result<Pictures> {
        // A thread that panicked holding it left no half-made pictures behind.
        let mut last = self
            .0
            .pictures
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(pictures) = last.as_ref().filter(|pictures| pictures.size == size) {
            return Ok(pictures.share());
        }
        let pictures = pictures::load(self, size)?;
        *last = Some(pictures.share());
        Ok(pictures)
    }

    /// The indices of a table's rows: its column `index`.
    ///
    /// # Errors
    /// A table without that column, or with an index outside this set.
    pub fn indices(&self, table: &DataFrame) -> Result<Vec<usize>> {
        let column = table
            .column("index")
            .context("the table lacks the column `index` that records() has")?;
        column
            .u32()?
            .iter()
            .map(|index| {
                let index = index.context("the column `index` has a null")? as usize;
                self.record(index).map(|_| index)
            })
            .collect()
    }

    /// Divides the pictures of `table` into train, validation and test by content; see
    /// [`Split`].
    ///
    /// # Errors
    /// What [`Split`] says.
    pub fn split(&self, table: &DataFrame, plan: &Plan) -> Result<Split> {
        Split::new(self, table, plan)
    }

    /// How many of a table's rows can be divided for a task: different contents whose copies
    /// agree on the label.
    ///
    /// # Errors
    /// A table that is not of this set.
    pub(crate) fn divisible(&self, table: &DataFrame, task: crate::Task) -> Result<usize> {
        let divisible = split::Divisible::of(self, table, task)?;
        Ok(divisible.classes.values().map(Vec::len).sum())
    }

    /// The plan that suits this set: the original's sizes on UTKFace, small ones on drawings,
    /// and shares of what is there in a small set.
    pub fn plan(&self, task: crate::Task) -> Plan {
        match (self.is_synthetic(), self.contents()) {
            (true, 6_000..) => Plan::small(task),
            (false, 20_000..) => Plan::original(task),
            (_, contents) => Plan::shares(task, contents),
        }
    }

    /// Groups of indices that share one content, by content.
    pub(crate) fn copies(&self) -> HashMap<&str, Vec<usize>> {
        let mut copies: HashMap<&str, Vec<usize>> = HashMap::with_capacity(self.len());
        for (index, record) in self.0.records.iter().enumerate() {
            copies.entry(&record.content).or_default().push(index);
        }
        copies
    }
}

impl fmt::Display for Faces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, contents) = (thousands(self.len()), thousands(self.contents()));
        match &self.0.source {
            Source::Folder(folder) => write!(
                f,
                "{n} pictures ({contents} different ones) in {}",
                folder.display()
            )?,
            Source::Synthetic(_) => write!(
                f,
                "{n} SYNTHETIC faces ({contents} different ones), drawn on the spot: UTKFace was not found.\n\
                 What a net learns from drawings says nothing about people. For the real data set, put\n\
                 UTKFace.tar.gz into data/ (or set ROR_DATA to it) and restart the kernel; see data/README.md."
            )?,
        }
        if !self.0.unparsed.is_empty() {
            let (count, shown) = (self.0.unparsed.len(), self.0.unparsed.iter().take(5));
            let names: Vec<_> = shown.map(String::as_str).collect();
            let more = if count > names.len() { ", ..." } else { "" };
            write!(
                f,
                "\n{} files are left out, their names are not UTKFace's: {}{more}",
                thousands(count),
                names.join(", ")
            )?;
        }
        Ok(())
    }
}

/// An index given by a person, who may well say -1.
///
/// # Errors
/// An index outside the set.
pub(crate) fn index_in(faces: &Faces, index: i64) -> Result<usize> {
    match usize::try_from(index) {
        Ok(i) if i < faces.len() => Ok(i),
        _ => bail!(faces.no_such(index)),
    }
}
