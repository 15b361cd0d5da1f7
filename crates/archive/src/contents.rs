//! SHA-256 hashes of files, cached with their sizes and times so that each is hashed once.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, ensure};
use rayon::prelude::*;

use crate::picture_file::small_enough;
use utils::files;
use utils::hash::{checksum, sha256, sha256_of_file};
use utils::paths;
use utils::progress::{Progress, say};

/// How the file begins; the number changes with its format.
const HEAD: &str = "ror contents 2";

/// A file as last seen: its stamp (see [`stamp`]) and the SHA-256 of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    stamp: String,
    pub(crate) content: String,
}

impl Seen {
    /// A file whose bytes have this SHA-256.
    pub(crate) fn new(file: &Metadata, content: String) -> Result<Self> {
        Ok(Self { stamp: stamp(file)?, content })
    }

    /// Size in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let size = self.stamp.split(' ').next().and_then(|size| size.parse().ok());
        size.unwrap_or(u64::MAX)
    }
}

/// Size and times of change: while they are the same, the file was not written to. On Unix the
/// second is the inode's change time, which no program can set back.
fn stamp(file: &Metadata) -> io::Result<String> {
    let time = file.modified()?.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos());
    #[cfg(unix)]
    let own = {
        use std::os::unix::fs::MetadataExt;
        i128::from(file.ctime()) * 1_000_000_000 + i128::from(file.ctime_nsec())
    };
    #[cfg(not(unix))]
    let own = 0;
    Ok(format!("{} {time} {own}", file.len()))
}

/// Files in a folder by their relative paths, as last seen.
#[derive(Debug)]
pub(crate) struct Contents {
    path: PathBuf,
    seen: BTreeMap<String, Seen>,
}

impl Contents {
    /// An empty list, to be saved at `path`.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, seen: BTreeMap::new() }
    }

    /// Reads the list that an earlier call saved at `path`.
    ///
    /// # Errors
    /// A file that is missing, damaged, or of another version.
    pub(crate) fn read(path: PathBuf) -> Result<Self> {
        let text = files::read_text(&path)?;
        let (head, body) = text.split_once('\n').context("the first line is missing")?;
        ensure!(head == heading(body), "checksum mismatch, or a file of another version");
        // Names may contain any character except NUL.
        let lines = body.split_terminator('\0').map(|line| {
            let mut at = line.match_indices(' ');
            let (stamp, content) = (at.nth(2)?.0, at.next()?.0);
            let seen = Seen {
                stamp: line[..stamp].to_owned(),
                content: line[stamp + 1..content].to_owned(),
            };
            Some((line[content + 1..].to_owned(), seen))
        });
        let seen = lines.collect::<Option<_>>().context("a line is malformed")?;
        Ok(Self { path, seen })
    }

    /// All saved files, in order of their names.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&String, &Seen)> {
        self.seen.iter()
    }

    /// Returns these files in `folder` as they are now, hashing those whose stamp changed. A file
    /// that can't be read, or whose size `takes` rejects, has its own error.
    ///
    /// # Errors
    /// Stop was pressed in a notebook.
    pub(crate) fn look(
        &self,
        folder: &Path,
        names: &[String],
        takes: impl Fn(u64) -> Result<()> + Sync,
    ) -> Result<Vec<Result<Seen>>> {
        let progress = Progress::new("reading images", names.len());
        let look = |name: &String| -> Result<Seen> {
            let path = folder.join(name);
            let file = fs::metadata(&path).context("cannot be read")?;
            let old = self.seen.get(name);
            match old.filter(|old| stamp(&file).is_ok_and(|stamp| stamp == old.stamp)) {
                Some(old) => Ok(old.clone()),
                None => {
                    ensure!(file.is_file(), "not a file");
                    takes(file.len())?;
                    Seen::new(&file, sha256_of_file(&path).context("cannot be read")?)
                }
            }
        };
        let look = |name| {
            let seen = look(name);
            progress.step()?;
            Ok(seen)
        };
        names.par_iter().map(look).collect()
    }

    /// Saves files as they were seen now.
    ///
    /// # Errors
    /// A file that can't be written.
    pub(crate) fn keep(&mut self, files: impl Iterator<Item = (String, Seen)>) -> Result<()> {
        let mut changed = false;
        for (name, seen) in files {
            if self.seen.get(&name) != Some(&seen) {
                changed = true;
                self.seen.insert(name, seen);
            }
        }
        if !changed {
            return Ok(());
        }
        let line = |(name, Seen { stamp, content }): (&String, &Seen)| {
            format!("{stamp} {content} {name}\0")
        };
        let body = self.seen.iter().map(line).collect::<String>();
        files::write_cached(&self.path, |file| Ok(write!(file, "{}\n{body}", heading(&body))?))
    }
}

fn heading(body: &str) -> String {
    format!("{HEAD} {:016x}", checksum(body.as_bytes()))
}

/// Returns the SHA-256 of each file in a folder, or why it can't be read. Hashes are cached.
///
/// # Errors
/// Stop was pressed in a notebook.
pub fn contents(folder: &Path, names: &[String]) -> Result<Vec<Result<String>>> {
    let place = folder.canonicalize()?;
    let key = sha256(place.to_string_lossy().as_bytes());
    let path = paths::cache().join(format!("contents-{}.txt", &key[..12]));
    let mut known = match path.exists() {
        false => Contents::new(path),
        true => Contents::read(path.clone()).unwrap_or_else(|error| {
            say(&format!(
                "note: the image hashes in {} are damaged or of another version; computing them \
                 again: {error:#}",
                path.display()
            ));
            Contents::new(path)
        }),
    };
    let seen = known.look(folder, names, small_enough)?;
    let whole = names
        .iter()
        .zip(&seen)
        .filter_map(|(name, seen)| Some((name.clone(), seen.as_ref().ok()?.clone())));
    let _writing = files::writing_to_cache();
    if let Err(error) = known.keep(whole) {
        say(&format!("note: cannot save the image hashes for the next run: {error:#}"));
    }
    Ok(seen.into_iter().map(|seen| seen.map(|seen| seen.content)).collect())
}
