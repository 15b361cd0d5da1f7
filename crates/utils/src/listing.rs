//! Finding the image files that paths, folders and lists name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, bail, ensure};

use crate::files::read_file;
use crate::text::{accents, without_mark};

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
        ensure!(!is_empty, "no JPEG, PNG, WebP, BMP, GIF or TIFF images in this folder{below}");
    } else if is_list(path) {
        let PictureFiles { files, errors } = listed(path, lines(path)?, recursive);
        found.files.extend(files);
        found.errors.extend(errors);
    } else if is_tar(path) {
        bail!("this is a shard: use --to FOLDER to say where its answers go");
    } else {
        refuse_windows(path)?;
        found.files.push(path.to_owned());
    }
    Ok(())
}

/// Finds the image files that the lines of a list name; errors name the list.
pub fn listed(list: &Path, lines: Vec<PathBuf>, recursive: bool) -> PictureFiles {
    let PictureFiles { files, errors } = picture_files(&lines, recursive);
    let errors = errors.into_iter().map(|(path, error)| (path, error.context(in_list(list))));
    PictureFiles { files, errors: errors.collect() }
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

/// Extensions of image files. Those of the last line are not read, but named in an error that says
/// how to convert them.
const PICTURES: [&str; 14] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "gif", "tif", "tiff", //
    "heic", "heif", "avif", "jxl",
];

/// Whether a path has the extension of an image file. macOS's files of attributes, `._NAME`, are
/// none.
pub fn is_picture(path: &Path) -> bool {
    has_ending(path, &PICTURES) && !is_attributes(path)
}

/// Whether a file is one in which macOS keeps the attributes of another, `._NAME`.
pub fn is_attributes(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"._"))
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

/// Reads the paths in a list, which may come from another system: see `here`. A list can't name
/// another list.
pub fn lines(list: &Path) -> Result<Vec<PathBuf>> {
    lines_of(list, read_file(list).with_context(|| list.display().to_string())?)
}

/// Reads the paths in the bytes of a list, which was read from `list`: see [`lines`].
pub fn lines_of(list: &Path, bytes: Vec<u8>) -> Result<Vec<PathBuf>> {
    let bytes = without_mark(bytes).with_context(|| list.display().to_string())?;
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
    Ok(here(PathBuf::from(std::ffi::OsStr::from_bytes(line))))
}

#[cfg(not(unix))]
fn path_of(line: &[u8]) -> Result<PathBuf> {
    Ok(here(PathBuf::from(std::str::from_utf8(line).context("a path is not UTF-8")?)))
}

/// Returns the file that a path from another system means: with `\` between folders, a drive that is
/// below `/mnt`, in quotation marks, or with accents in the other form. Returns the path itself if it
/// exists, or if no such file does.
fn here(path: PathBuf) -> PathBuf {
    let exists = |path: &Path| path.symlink_metadata().is_ok();
    // A plain name needs no look at the disk.
    let is_other = |text: &&str| !text.is_ascii() || text.contains(['\\', '"']);
    let Some(text) = path.to_str().filter(is_other).filter(|_| !exists(&path)) else {
        return path;
    };
    let unquoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let mut forms = vec![unquoted.to_owned()];
    if unquoted.contains('\\') {
        forms.push(unquoted.replace('\\', "/"));
    }
    if let Some((drive, rest)) = drive(unquoted) {
        forms.push(format!("/mnt/{}/{}", drive.to_ascii_lowercase(), rest.replace('\\', "/")));
    }
    let forms = forms.iter().flat_map(|form| [form.clone()].into_iter().chain(accents(form)));
    forms.map(PathBuf::from).find(|form| exists(form)).unwrap_or(path)
}

/// The drive's letter of a Windows path, and the rest: `C:\photos\a.jpg`.
fn drive(path: &str) -> Option<(char, &str)> {
    let (letter, rest) = path.split_once(':')?;
    let mut letters = letter.chars();
    let drive = letters.next().filter(|c| c.is_ascii_alphabetic() && letters.next().is_none())?;
    Some((drive, rest.strip_prefix(['\\', '/'])?))
}

/// Refuses a path of another system, which a list may have and which is not the path of a file here.
fn refuse_windows(path: &Path) -> Result<()> {
    let text = path.to_string_lossy();
    let text = text.trim_matches('"');
    let is_windows = drive(text).is_some() || text.starts_with("\\\\");
    ensure!(
        !is_windows || path.symlink_metadata().is_ok(),
        "this is a path of Windows, and there is no such file here: write it as it is on this system"
    );
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_other_systems_name_the_same_files() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        for name in ["sub/a.jpg", "sub/b c.jpg", "Ame\u{301}lie.jpg", "plain\\name.jpg"] {
            fs::write(at(name), "x").unwrap();
        }
        let folder = place.path().to_str().unwrap();
        let written = format!(
            "{folder}\\sub\\a.jpg\r\n\"{folder}\\sub\\b c.jpg\"\r\n{folder}/Amélie.jpg\r\n\r\n\
             {folder}/plain\\name.jpg\r\nC:\\photos\\a.jpg\r\n{folder}/missing.jpg"
        );
        let marked = format!("\u{feff}{written}");
        let utf16: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [written.into_bytes(), marked.into_bytes(), utf16] {
            fs::write(at("list.txt"), bytes).unwrap();
            let found = picture_files(&[at("list.txt")], false);
            let files =
                ["sub/a.jpg", "sub/b c.jpg", "Ame\u{301}lie.jpg", "plain\\name.jpg", "missing.jpg"];
            assert_eq!(found.files, files.map(at));
            let [(path, error)] = &found.errors[..] else { panic!("{:?}", found.errors) };
            assert_eq!(path, Path::new("C:\\photos\\a.jpg"));
            assert!(format!("{error:#}").contains("a path of Windows"), "{error:#}");
        }
    }

    #[test]
    fn folders_have_images_of_all_kinds_and_no_attributes() {
        let place = tempfile::tempdir().unwrap();
        let names = ["a.jfif", "b.JPE", "c.tif", "d.heic", "._a.jfif", "e.txt", "f.mp4"];
        names.iter().for_each(|name| fs::write(place.path().join(name), "x").unwrap());
        let found = picture_files(&[place.path()], false);
        assert_eq!(
            found.files,
            ["a.jfif", "b.JPE", "c.tif", "d.heic"].map(|n| place.path().join(n))
        );
        assert!(found.errors.is_empty());
    }
}
