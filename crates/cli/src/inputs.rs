//! The images of `predict`: paths, lists, and standard input.

use std::fs;
use std::io::{IsTerminal, stdin};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use ror::data::{PictureFiles, picture_files};
use tempfile::TempDir;
use utils::escape;
use utils::listing::{lines, lines_of, listed};

/// What stands for standard input, on the command line and in results.
const STDIN: &str = "-";

/// Whether a path stands for standard input.
pub fn is_stdin(path: &Path) -> bool {
    path == Path::new(STDIN)
}

/// The images that a command names. Standard input is in a temporary file, which is deleted when
/// this is dropped.
pub struct Inputs {
    pub found: PictureFiles,
    /// The file with standard input, and its folder. Drawings are named after the file.
    spooled: Option<(PathBuf, TempDir)>,
}

impl Inputs {
    /// Finds the images that paths and a list name. `-` is standard input, as an image or a list.
    ///
    /// # Errors
    /// Standard input is named twice or is a terminal, or the list can't be read. A path that names
    /// no image has its own error.
    pub fn new(what: &[PathBuf], list: Option<&Path>, recursive: bool) -> Result<Self> {
        let is_list = list.is_some_and(is_stdin);
        let images = what.iter().filter(|path| is_stdin(path)).count();
        ensure!(images + usize::from(is_list) <= 1, "standard input can be read once: give one -");
        if images > 0 || is_list {
            let example = match is_list {
                true => "ls *.jpg | ror predict --list -",
                false => "cat photo.jpg | ror predict -",
            };
            // Nobody may know that the program waits for something to be typed.
            ensure!(
                !stdin().is_terminal(),
                "standard input is a terminal: pipe something into it, as in `{example}`"
            );
        }
        let mut inputs = Self { found: PictureFiles::default(), spooled: None };
        for path in what {
            if !is_stdin(path) {
                inputs.add(picture_files(&[path], recursive));
            } else if let Err(error) = inputs.spool() {
                inputs.found.errors.push((path.clone(), error));
            }
        }
        if let Some(list) = list {
            let lines = match is_list {
                true => {
                    let bytes = archive::read_stream(stdin().lock()).context("standard input")?;
                    ensure!(
                        !bytes.is_empty(),
                        "standard input is empty: a list of paths is expected"
                    );
                    lines_of(list, bytes)?
                }
                false => lines(list)?,
            };
            inputs.add(listed(list, lines, recursive));
        }
        Ok(inputs)
    }

    fn add(&mut self, PictureFiles { files, errors }: PictureFiles) {
        self.found.files.extend(files);
        self.found.errors.extend(errors);
    }

    /// Adds standard input as an image.
    fn spool(&mut self) -> Result<()> {
        let bytes = archive::read_stream(stdin().lock())?;
        ensure!(!bytes.is_empty(), "standard input is empty: an image is expected");
        let folder = tempfile::tempdir().context("cannot create a temporary folder")?;
        let file = folder.path().join("stdin");
        fs::write(&file, bytes).context("cannot write a temporary file (is the disk full?)")?;
        self.found.files.push(file.clone());
        self.spooled = Some((file, folder));
        Ok(())
    }

    /// The path that is shown for a file: `-` for standard input.
    pub fn shown<'a>(&self, file: &'a Path) -> &'a Path {
        match &self.spooled {
            Some((own, _)) if own == file => Path::new(STDIN),
            _ => file,
        }
    }
}

/// A path in a table that a spreadsheet opens.
pub fn in_table(path: &Path) -> String {
    if is_stdin(path) { STDIN.to_owned() } else { escape::path_in_table(path) }
}
