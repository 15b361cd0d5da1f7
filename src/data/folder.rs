//! A folder of images as a [`Source`].

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use archive::{File, contents, read_picture};

use super::{Record, Source};
use crate::task::Label;
use utils::hash::sha256;
use utils::paths;

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
        paths::short(&self.path)
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
