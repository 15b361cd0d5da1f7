//! The files below a folder or in an archive.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use utils::live::keep_going;

/// A file: its path in a folder and, once known, the SHA-256 of its bytes or why it can't be read.
#[derive(Debug)]
pub struct File {
    /// Path relative to the folder, with `/`.
    pub name: String,
    /// SHA-256 of its bytes in hexadecimal digits, once known.
    pub content: Option<Result<String>>,
}

/// Resolves `.` and `..` in a path from a folder below the root; `None` if it leads out of the
/// root.
pub fn resolved(folder: &str, path: &str) -> Option<String> {
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
pub struct Tree {
    /// The folder, or the one that the archive was unpacked to.
    pub root: PathBuf,
    /// Their relative paths, in order.
    pub files: Vec<File>,
    /// Entries that can't be listed, each with the reason.
    pub unreadable: Vec<String>,
}

impl Tree {
    /// Lists a folder and its subfolders.
    ///
    /// # Errors
    /// The folder itself can't be listed, or Stop was pressed in a notebook.
    pub(crate) fn folder(root: &Path) -> Result<Self> {
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
