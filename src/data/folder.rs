//! A folder of images as a [`Source`].

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::contents::contents;
use super::pictures::read_picture;
use super::{Record, Source};
use crate::task::Label;
use utils::hash::sha256;
use utils::live::keep_going;

/// Images stored as files below one folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Path of each file in the folder, and the SHA-256 of its bytes.
    files: Vec<(String, String)>,
}

impl Folder {
    /// Returns labeled files below a folder and their records, in byte order of the names, so that
    /// an index refers to the same image on every machine; and the files that can't be read, each
    /// with the reason.
    ///
    /// # Errors
    /// A missing folder, or Stop pressed in a notebook.
    pub(super) fn new(
        path: PathBuf,
        mut labelled: Vec<(File, Label)>,
    ) -> Result<(Self, Vec<Record>, Vec<String>)> {
        labelled.sort_by(|(a, _), (b, _)| a.name.as_bytes().cmp(b.name.as_bytes()));
        let unknown: Vec<String> = labelled
            .iter()
            .filter(|(file, _)| file.content.is_none())
            .map(|(file, _)| file.name.clone())
            .collect();
        let mut looked = match unknown.is_empty() {
            true => vec![],
            false => contents(&path, &unknown)?,
        }
        .into_iter();
        let (mut files, mut records, mut unreadable) = (vec![], vec![], vec![]);
        for (File { name, content }, label) in labelled {
            let content = content.or_else(|| looked.next()).context("a file was not hashed")?;
            match content {
                Ok(content) => {
                    records.push(Record { file: name.clone(), label, content: content.clone() });
                    files.push((name, content));
                }
                Err(error) => unreadable.push(format!("{name} ({error:#})")),
            }
        }
        Ok((Self { path, files }, records, unreadable))
    }
}

impl Source for Folder {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn bytes(&self, index: usize) -> Result<Vec<u8>> {
        let (file, content) = self.files.get(index).context("there is no such file")?;
        let path = self.path.join(file);
        let bytes =
            read_picture(&path).with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(
            sha256(&bytes) == *content,
            "{} has changed since the set was opened, or is damaged: restore it (or `touch` it to \
             accept the change) and open the set again",
            path.display()
        );
        Ok(bytes)
    }

    fn folder(&self) -> Option<&Path> {
        Some(&self.path)
    }
}

/// A file: its path in a folder and, once known, the SHA-256 of its bytes or why it can't be read.
#[derive(Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) content: Option<Result<String>>,
}

/// Resolves `.` and `..` in a path from a folder below the root; `None` if it leads out of the
/// root.
pub(super) fn resolved(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    if path.starts_with('/') {
        return None;
    }
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// The files below a folder.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) root: PathBuf,
    /// Their relative paths, in order.
    pub(super) files: Vec<File>,
    /// Entries that can't be listed, each with the reason.
    pub(super) unreadable: Vec<String>,
}

impl Tree {
    /// Lists a folder and its subfolders.
    ///
    /// # Errors
    /// The folder itself can't be listed, or Stop was pressed in a notebook.
    pub(super) fn of(root: &Path) -> Result<Self> {
        let mut tree = Self { root: root.to_owned(), files: vec![], unreadable: vec![] };
        tree.add("").with_context(|| format!("cannot list {}", root.display()))?;
        tree.files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(tree)
    }

    /// Adds the files of a subfolder, whose path ends with `/`.
    fn add(&mut self, folder: &str) -> Result<()> {
        keep_going()?;
        let mut below = vec![];
        for entry in fs::read_dir(self.root.join(folder))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            match entry.file_name().into_string() {
                Ok(name) if kind.is_dir() => below.push(format!("{folder}{name}/")),
                Ok(name) if kind.is_file() || kind.is_symlink() => {
                    self.files.push(File { name: format!("{folder}{name}"), content: None });
                }
                Ok(name) => self.unreadable.push(format!("{folder}{name} (not a file)")),
                Err(name) => self
                    .unreadable
                    .push(format!("{folder}{} (its name is not UTF-8)", name.to_string_lossy())),
            }
        }
        for folder in below {
            if let Err(error) = self.add(&folder) {
                keep_going()?;
                self.unreadable.push(format!("{folder} (cannot be listed: {error:#})"));
            }
        }
        Ok(())
    }
}
