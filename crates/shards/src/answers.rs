//! The answers for a shard as a Parquet file. Its metadata records the shard, models and version.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use polars::prelude::DataFrame;
use serde::{Deserialize, Serialize};

use utils::destination::Destination;
use utils::escape;
use utils::outputs::file_name;

use crate::parquet::{KEY, Writer, rows_and_note};
use crate::rows::{Counts, Rows};
use crate::shard::Shard;

/// Number of rows buffered before they are written.
const ROWS: usize = 1 << 16;
/// Number of buffered pieces before they are merged.
const PIECES: usize = 64;

/// What made the answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct By {
    /// Version of this crate.
    pub(super) version: String,
    /// For each model, the key of its card and the SHA-256 of its weights.
    pub(super) nets: Vec<[String; 2]>,
    /// The detector, or `None` if the images are aligned crops.
    pub(super) detector: Option<String>,
}

/// The metadata of a file of answers, stored as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Note {
    /// The shard's name and absolute path.
    shard: String,
    source: String,
    /// The hash of its names and contents, and of what the file system says about its files.
    content: String,
    stamp: String,
    #[serde(flatten)]
    by: By,
    #[serde(flatten)]
    counts: Counts,
}

impl Note {
    /// Makes the note of a shard in its current state, which has not been read yet.
    ///
    /// # Errors
    /// The shard is missing.
    pub(super) fn of(shard: &Shard, by: &By) -> Result<Self> {
        Ok(Self {
            shard: shard.name().to_owned(),
            source: shard.source(),
            content: String::new(),
            stamp: shard.stamp()?,
            by: by.clone(),
            counts: Counts::default(),
        })
    }

    /// Whether no file of the shard was written to since the note was made.
    pub(super) fn is_untouched(&self, shard: &Shard) -> bool {
        shard.stamp().is_ok_and(|stamp| stamp == self.stamp)
    }

    /// Whether the note is of the shard's current names and contents. They are read again only if a
    /// file was touched, copied or moved.
    pub(super) fn is_of(&self, shard: &Shard) -> bool {
        self.is_untouched(shard) || shard.content().is_ok_and(|content| content == self.content)
    }

    /// Refuses to replace the answers of a shard at another path.
    ///
    /// # Errors
    /// The shard was at another path. `path` is that of the answers.
    pub(super) fn check_source(&self, shard: &Shard, path: &Path) -> Result<()> {
        ensure!(
            self.source == shard.source(),
            "{} has the answers of other images, those of {}: choose another folder with --to, or use \
             --force to replace them",
            escape::path(path),
            escape::line(&self.source)
        );
        Ok(())
    }
}

/// Returns the path of a shard's answers. A link there is followed.
///
/// # Errors
/// It is a folder, a pipe or a device.
pub(super) fn path_of(shard: &Shard, to: &Path) -> Result<PathBuf> {
    let path = to.join(file_name(shard.name(), ".parquet"));
    match Destination::of(&path)? {
        Destination::File(file) => Ok(file),
        Destination::Stream(_) => Err(anyhow!("{} is a pipe or a device", path.display())),
    }
}

/// Number of random characters at the end of a temporary name.
const RANDOM: usize = 6;

/// Returns the prefix of the temporary name of a shard's answers. The full name does not end with
/// `.parquet`, so readers of the folder ignore it.
pub(super) fn half_of(shard: &Shard) -> String {
    let mut name = file_name(&format!(".{}", shard.name()), &format!(".parquet-{:RANDOM$}", ""));
    name.truncate(name.len() - RANDOM);
    name
}

/// Removes partial files that killed processes left for these shards. Files that are being written
/// are locked and stay.
pub(super) fn remove_halves(shards: &[Shard], to: &Path) -> Result<()> {
    let begins: HashSet<String> = shards.iter().map(half_of).collect();
    let why = || format!("cannot read {}", to.display());
    for entry in fs::read_dir(to).with_context(why)? {
        let path = entry.with_context(why)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let begin = name.len().checked_sub(RANDOM).and_then(|at| name.get(..at));
        let is_half = begin.is_some_and(|begin| begins.contains(begin));
        if is_half && File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
            // A failure only wastes space.
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}

/// Returns the note of a complete file of answers, or `None` if the file is missing or incomplete.
///
/// # Errors
/// The file is not a file of answers, or other models or another version made it. Such a file is
/// not replaced.
pub(super) fn found(path: &Path, by: &By) -> Result<Option<Note>> {
    let foreign = |why: &str| {
        anyhow!(
            "{} {why}: choose another folder with --to, or use --force to replace it",
            path.display()
        )
    };
    let cannot = || format!("cannot read {}", path.display());
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.with_context(cannot)?,
    };
    let Ok((rows, note)) = rows_and_note(file, KEY) else {
        let mut begin = vec![];
        File::open(path)?.take(4).read_to_end(&mut begin).with_context(cannot)?;
        ensure!(b"PAR1".starts_with(&begin), foreign("is not a Parquet file"));
        return Ok(None); // incomplete
    };
    let note = note.ok_or_else(|| foreign("was not made by this program"))?;
    let note: Note =
        serde_json::from_str(&note).map_err(|_| foreign("was made by another version"))?;
    let own = &note.by;
    ensure!(own.version == by.version, foreign(&format!("was made by version {}", own.version)));
    ensure!(own.nets == by.nets, foreign("contains answers of other networks"));
    ensure!(
        own.detector == by.detector,
        foreign("contains answers made with another --aligned, --smallest or detector")
    );
    Ok((rows == note.counts.rows as u64).then_some(note))
}

/// A file of answers that is being written.
pub(super) struct AnswerFile<'a> {
    writer: Writer<BufWriter<&'a File>>,
    note: Note,
    kept: DataFrame,
}

impl<'a> AnswerFile<'a> {
    pub(super) fn new(file: &'a File, note: Note) -> Result<Self> {
        let none = match note.by.detector.is_some() {
            true => Rows::of_photos(&note.shard, 0, vec![])?,
            false => Rows::of_faces(&note.shard, 0, vec![])?,
        };
        let writer = Writer::new(&none.table, BufWriter::new(file))?;
        Ok(Self { writer, note, kept: none.table })
    }

    pub(super) fn add(&mut self, rows: &Rows) -> Result<()> {
        self.note.counts.add(&rows.counts);
        self.kept.vstack_mut(&rows.table)?;
        // The strings of each small table take kilobytes.
        if self.kept.first_col_n_chunks() >= PIECES {
            self.kept.rechunk_mut();
        }
        if self.kept.height() >= ROWS {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        self.writer.write(&self.kept)?;
        self.kept = self.kept.clear();
        Ok(())
    }

    /// Writes the note, with the hash of what was read, and closes the file.
    pub(super) fn close(mut self, content: String) -> Result<Counts> {
        self.note.content = content;
        if self.kept.height() > 0 {
            self.write()?;
        }
        self.writer.close(Some((KEY, serde_json::to_string(&self.note)?)))?;
        Ok(self.note.counts)
    }
}
