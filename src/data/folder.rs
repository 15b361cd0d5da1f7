//! A folder of pictures as a [`Source`], and its contents' hashes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};
use rayon::prelude::*;

use super::{Record, Source};
use crate::support::files;
use crate::support::hash::sha256;
use crate::support::progress::{Progress, say};
use crate::task::Label;

/// Pictures that are files below one folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    files: Vec<String>,
}

impl Folder {
    /// The named files of a folder with their labels, and their records: in byte order of the
    /// names, so that an index means the same picture on every machine.
    ///
    /// # Errors
    /// A file that can't be read.
    pub(super) fn new(
        path: PathBuf,
        mut labelled: Vec<(String, Label)>,
    ) -> Result<(Self, Vec<Record>)> {
        labelled.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        let (files, labels): (Vec<String>, Vec<Label>) = labelled.into_iter().unzip();
        let record = |((file, label), content): ((&String, Label), String)| Record {
            file: file.clone(),
            label,
            content,
        };
        let contents = contents(&path, &files)?;
        let records = files.iter().zip(labels).zip(contents).map(record).collect();
        Ok((Self { path, files }, records))
    }
}

impl Source for Folder {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn bytes(&self, index: usize) -> Result<Vec<u8>> {
        let file = self.files.get(index).context("there is no such file")?;
        let path = self.path.join(file);
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    fn folder(&self) -> Option<&Path> {
        Some(&self.path)
    }
}

/// The entries of a folder: names of files, and of folders, each in order.
pub(super) fn entries(folder: &Path) -> Result<(Vec<String>, Vec<String>)> {
    let list = || -> Result<_> {
        let (mut files, mut folders) = (vec![], vec![]);
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() {
                folders.push(name);
            } else {
                files.push(name);
            }
        }
        files.sort();
        folders.sort();
        Ok((files, folders))
    };
    list().with_context(|| format!("cannot list {}", folder.display()))
}

/// All files below a folder, by their paths from there.
pub(super) fn files_below(folder: &Path) -> Result<Vec<String>> {
    let (mut found, folders) = entries(folder)?;
    for inner in folders {
        let files = files_below(&folder.join(&inner))?;
        found.extend(files.into_iter().map(|file| format!("{inner}/{file}")));
    }
    Ok(found)
}

/// Size, time of change (ns) and SHA-256 of a file, as last seen.
struct Seen {
    stamp: String,
    content: String,
}

/// The SHA-256 of each file: hashed at first sight, and again when its size or time changes.
fn contents(folder: &Path, files: &[String]) -> Result<Vec<String>> {
    let place = folder.canonicalize()?;
    let key = sha256(place.to_string_lossy().as_bytes());
    let index = files::cache().join(format!("contents-{}.txt", &key[..12]));
    let mut known = read_index(&index);
    let progress = Progress::new("reading pictures", files.len());
    let seen: Vec<(Seen, bool)> = files
        .par_iter()
        .map(|name| {
            let path = folder.join(name);
            let context = || format!("cannot read {}", path.display());
            let meta = fs::metadata(&path).with_context(context)?;
            let time = meta.modified()?.duration_since(UNIX_EPOCH).map_or(0, |t| t.as_nanos());
            let stamp = format!("{} {time}", meta.len());
            progress.step()?;
            let old = known.get(name).filter(|old| old.stamp == stamp);
            let content = match old {
                Some(old) => old.content.clone(),
                None => sha256(&fs::read(&path).with_context(context)?),
            };
            Ok((Seen { stamp, content }, old.is_none()))
        })
        .collect::<Result<_>>()?;
    let contents = seen.iter().map(|(seen, _)| seen.content.clone()).collect();
    if seen.iter().any(|(_, new)| *new) {
        let seen = seen.into_iter().map(|(seen, _)| seen);
        known.extend(files.iter().cloned().zip(seen));
        let written = files::write_with(&index, |file| {
            for (name, Seen { stamp, content }) in &known {
                writeln!(file, "{stamp} {content} {name}")?;
            }
            Ok(())
        });
        if let Err(error) = written {
            say(&format!("note: the pictures' hashes are not kept for next time: {error:#}"));
        }
    }
    Ok(contents)
}

/// The index of an earlier call; empty where there is none. Damaged lines are passed over: what
/// they said is found out again.
fn read_index(index: &Path) -> BTreeMap<String, Seen> {
    let text = fs::read_to_string(index).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.splitn(4, ' ');
            let (size, time) = (fields.next()?, fields.next()?);
            let content = fields.next().filter(|content| content.len() == 64)?.to_owned();
            Some((fields.next()?.to_owned(), Seen { stamp: format!("{size} {time}"), content }))
        })
        .collect()
}
