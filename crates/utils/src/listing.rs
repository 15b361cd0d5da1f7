//! Finding the image files that paths, folders and lists name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, bail, ensure};

use crate::files::read_file;

/// The image files that were found, and the paths that failed.
#[derive(Debug, Default)]
pub struct PictureFiles {
    /// Image files, in order. A file that was named directly is not checked.
    pub files: Vec<PathBuf>,
    /// Paths that could not be used, and why: an unreadable folder or list, a folder without
    /// images, a tar file.
    pub errors: Vec<(PathBuf, Error)>,
}

/// Finds the image files that paths name: files, folders, and lists (`.txt`, one path per line), in
/// order. Files in a folder are sorted by name.
pub fn picture_files(what: &[impl AsRef<Path>], recursive: bool) -> PictureFiles {
    let mut found = PictureFiles::default();
    for path in what.iter().map(AsRef::as_ref) {
        if let Err(error) = add_named(path, recursive, &mut found) {
            found.errors.push((path.to_owned(), error));
        }
    }
    found
}

/// Adds the files that one path names.
fn add_named(path: &Path, recursive: bool, found: &mut PictureFiles) -> Result<()> {
    if path.is_dir() {
        let PictureFiles { mut files, errors } = files_in(path, recursive)?;
        files.retain(|file| is_picture(file));
        let below =
            if recursive { " or its subfolders" } else { " (--recursive includes subfolders)" };
        let is_empty = files.is_empty() && errors.is_empty();
        found.files.extend(files);
        found.errors.extend(errors);
        ensure!(!is_empty, "no JPEG, PNG or WebP images in this folder{below}");
    } else if is_list(path) {
        let named = picture_files(&lines(path)?, recursive);
        found.files.extend(named.files);
        let errors = named.errors.into_iter();
        found.errors.extend(errors.map(|(named, error)| (named, error.context(in_list(path)))));
    } else if is_tar(path) {
        bail!("this is a shard: use --to FOLDER to say where its answers go");
    } else {
        found.files.push(path.to_owned());
    }
    Ok(())
}

/// Returns the files, or the first error if any path failed.
pub fn whole(found: PictureFiles) -> Result<Vec<PathBuf>> {
    match found.errors.into_iter().next() {
        Some((path, error)) => Err(error.context(path.display().to_string())),
        None => Ok(found.files),
    }
}

/// Whether a path has the extension of a tar file (`.tar`, `.tar.gz`, `.tgz`).
pub fn is_tar(path: &Path) -> bool {
    let compressed = has_ending(path, &["gz"])
        && path.file_stem().is_some_and(|stem| has_ending(Path::new(stem), &["tar"]));
    compressed || has_ending(path, &["tar", "tgz"])
}

/// Whether a path has the extension of a list of paths (`.txt`).
pub fn is_list(path: &Path) -> bool {
    has_ending(path, &["txt"])
}

/// Whether a path has the extension of an image file.
pub fn is_picture(path: &Path) -> bool {
    has_ending(path, &["jpg", "jpeg", "png", "webp"])
}

/// Whether a path has one of these extensions. Ignores case.
pub fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let own = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    endings.iter().any(|ending| own.eq_ignore_ascii_case(ending))
}

/// Error context for an error in a list.
pub fn in_list(path: &Path) -> String {
    format!("in the list {}", path.display())
}

/// Reads the paths in a list. A list can't name another list.
pub fn lines(list: &Path) -> Result<Vec<PathBuf>> {
    let bytes = read_file(list).with_context(|| list.display().to_string())?;
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let paths = lines.filter(|line| !line.is_empty()).map(path_of).collect::<Result<Vec<_>>>()?;
    if let Some(other) = paths.iter().find(|path| is_list(path)) {
        bail!(
            "{} names another list, {}: a list can only name files and folders",
            list.display(),
            other.display()
        );
    }
    Ok(paths)
}

/// Converts a line to a path. A file name does not need to be UTF-8.
#[cfg(unix)]
fn path_of(line: &[u8]) -> Result<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Ok(PathBuf::from(std::ffi::OsStr::from_bytes(line)))
}

#[cfg(not(unix))]
fn path_of(line: &[u8]) -> Result<PathBuf> {
    Ok(PathBuf::from(std::str::from_utf8(line).context("a path is not UTF-8")?))
}

/// Finds the images and tar files in a folder, sorted by name, and the subfolders that can't be
/// read.
///
/// # Errors
/// The folder can't be read.
pub fn files_in(folder: &Path, recursive: bool) -> Result<PictureFiles> {
    let mut found = PictureFiles::default();
    add_files(folder, recursive, &mut found)?;
    found.files.sort_unstable();
    Ok(found)
}

fn add_files(folder: &Path, recursive: bool, found: &mut PictureFiles) -> Result<()> {
    let why = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(why)? {
        let entry = entry.with_context(why)?;
        // `file_type` needs no system call; a folder may hold 100,000 files on a slow disk.
        let (path, kind) = (entry.path(), entry.file_type().with_context(why)?);
        if kind.is_dir() || kind.is_symlink() && path.is_dir() {
            if recursive
                && kind.is_dir()
                && let Err(error) = add_files(&path, recursive, found)
            {
                found.errors.push((path, error));
            }
        } else if is_picture(&path) || is_tar(&path) {
            found.files.push(path);
        }
    }
    Ok(())
}
