//! The answers for a shard as a Parquet file. Its metadata records the shard, models and version.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use polars::prelude::{DataFrame, IdxCa, IdxSize, NewChunkedArray, df};
use serde::{Deserialize, Serialize};

use ror::predict::{FacePrediction, Photo};
use utils::progress::thousands;

use crate::parquet::{Writer, rows_and_note};
use crate::shard::Shard;

/// Number of rows buffered before they are written.
const ROWS: usize = 1 << 16;
/// Number of buffered pieces before they are merged.
const PIECES: usize = 64;
/// The metadata key of a file's [`Note`].
const KEY: &str = "ror";

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

/// Counts of some rows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) pictures: usize,
    pub(super) faces: usize,
    /// Number of images that could not be read.
    pub(super) unread: usize,
    pub(super) rows: usize,
    /// The error of the first image that could not be read.
    #[serde(skip)]
    pub(super) first_error: Option<String>,
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        self.pictures += other.pictures;
        self.faces += other.faces;
        self.unread += other.unread;
        self.rows += other.rows;
        self.first_error = self.first_error.take().or_else(|| other.first_error.clone());
    }

    /// `1,000 images, 1,203 faces, 2 unreadable, in 30.1 s: 33.2 images per second`
    pub(super) fn words(&self, seconds: f64) -> String {
        let [pictures, faces, unread] = [self.pictures, self.faces, self.unread].map(thousands);
        let rate = self.pictures as f64 / seconds.max(1e-9);
        format!(
            "{pictures} images, {faces} faces, {unread} unreadable, in {seconds:.1} s: {rate:.1} \
             images per second"
        )
    }
}

/// The metadata of a file of answers, stored as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Note {
    /// The shard's name, with its size in bytes and modification time in seconds since 1970.
    shard: String,
    bytes: u64,
    modified: u64,
    #[serde(flatten)]
    by: By,
    #[serde(flatten)]
    counts: Counts,
}

impl Note {
    /// Makes the note of a shard in its current state.
    ///
    /// # Errors
    /// The shard is missing.
    pub(super) fn of(shard: &Shard, by: &By) -> Result<Self> {
        let (bytes, modified) = shard.stamp()?;
        let (shard, by, counts) = (shard.name().to_owned(), by.clone(), Counts::default());
        Ok(Self { shard, bytes, modified, by, counts })
    }

    /// Whether the note matches a shard's current state.
    pub(super) fn is_of(&self, shard: &Shard) -> bool {
        self.shard == shard.name()
            && shard.stamp().is_ok_and(|stamp| stamp == (self.bytes, self.modified))
    }
}

/// Returns the path of a shard's answers.
pub(super) fn path_of(shard: &Shard, to: &Path) -> PathBuf {
    to.join(format!("{}.parquet", shard.name()))
}

/// Returns the prefix of the temporary name of a shard's answers. The full name does not end with
/// `.parquet`, so readers of the folder ignore it.
pub(super) fn half_of(shard: &Shard) -> String {
    format!(".{}.parquet-", shard.name())
}

/// Removes partial files that killed processes left for these shards. Files that are being written
/// are locked and stay.
pub(super) fn remove_halves(shards: &[Shard], to: &Path) -> Result<()> {
    let begins: HashSet<String> = shards.iter().map(half_of).collect();
    let why = || format!("cannot read {}", to.display());
    for entry in fs::read_dir(to).with_context(why)? {
        let path = entry.with_context(why)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // A temporary name ends with six random characters.
        let begin = name.len().checked_sub(6).and_then(|at| name.get(..at));
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
            "{} {why}: choose another folder with --to or delete the old answers",
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

/// The name of each image, with its answer or its error.
pub(super) type Answers<T> = Vec<(String, Result<T>)>;

/// The rows of some images.
pub(super) struct Rows {
    table: DataFrame,
    pub(super) counts: Counts,
}

impl Rows {
    /// Makes one row per face. `first` is the number of the first photo in the shard.
    pub(super) fn of_photos(shard: &str, first: usize, photos: Answers<Photo>) -> Result<Self> {
        // `of` adds the path, because rows without a face have it too.
        let table = |photos: &[Photo]| Ok(Photo::table(photos)?.drop("path")?);
        Self::of(shard, first, photos, |photo| photo.faces.len(), table)
    }

    /// Makes one row per aligned crop.
    pub(super) fn of_faces(
        shard: &str,
        first: usize,
        faces: Answers<FacePrediction>,
    ) -> Result<Self> {
        Self::of(shard, first, faces, |_| 1, |faces| FacePrediction::table(faces))
    }

    /// Makes one row per face, and one for each image without a face.
    fn of<T>(
        shard: &str,
        first: usize,
        answers: Answers<T>,
        faces_of: impl Fn(&T) -> usize,
        table_of: impl Fn(&[T]) -> Result<DataFrame>,
    ) -> Result<Self> {
        let mut counts = Counts { pictures: answers.len(), ..Counts::default() };
        let (mut numbers, mut paths, mut errors) = (vec![], vec![], vec![]);
        let (mut there, mut places) = (vec![], vec![]);
        for (i, (path, answer)) in answers.into_iter().enumerate() {
            let (faces, error) = match &answer {
                Ok(answer) => (faces_of(answer), None),
                Err(error) => (0, Some(format!("{error:#}"))),
            };
            for face in 0..faces.max(1) {
                numbers.push((first + i) as u64);
                paths.push(path.clone());
                errors.push(error.clone());
                // The face's row in the table, or `None` without a face.
                places.push((face < faces).then_some((counts.faces + face) as IdxSize));
            }
            counts.faces += faces;
            counts.unread += usize::from(error.is_some());
            if let (Some(error), None) = (error, &counts.first_error) {
                counts.first_error = Some(format!("{path}: {error}"));
            }
            there.extend(answer.ok());
        }
        counts.rows = numbers.len();
        let places = IdxCa::from_iter_options("place".into(), places.into_iter());
        let faces = table_of(&there)?.take(&places)?;
        let mut table = df!(
            "shard" => vec![shard; counts.rows],
            "picture" => numbers,
            "path" => paths,
        )?;
        table.hstack_mut(faces.columns())?;
        table.hstack_mut(df!("error" => errors)?.columns())?;
        Ok(Self { table, counts })
    }
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

    /// Writes the note and closes the file.
    pub(super) fn close(mut self) -> Result<Counts> {
        if self.kept.height() > 0 {
            self.write()?;
        }
        self.writer.close(Some((KEY, serde_json::to_string(&self.note)?)))?;
        Ok(self.note.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_has_a_row() {
        let answers = vec![
            ("two".to_owned(), Ok(2)),
            ("none".to_owned(), Ok(0)),
            ("broken".to_owned(), Err(anyhow!("no picture"))),
            ("one".to_owned(), Ok(1)),
        ];
        let table_of = |faces: &[usize]| {
            let ages: Vec<f64> = (0..faces.iter().sum()).map(|face| face as f64).collect();
            Ok(df!("age" => ages)?)
        };
        let Rows { table, counts } = Rows::of("a", 7, answers, |faces| *faces, table_of).unwrap();
        let expected = df!(
            "shard" => ["a"; 5],
            "picture" => [7u64, 7, 8, 9, 10],
            "path" => ["two", "two", "none", "broken", "one"],
            "age" => [Some(0.0), Some(1.0), None, None, Some(2.0)],
            "error" => [None, None, None, Some("no picture"), None],
        )
        .unwrap();
        assert!(table.equals_missing(&expected), "{table}");
        assert_eq!((counts.pictures, counts.faces, counts.unread, counts.rows), (4, 3, 1, 5));
        assert_eq!(counts.first_error.unwrap(), "broken: no picture");
    }
}
