//! Shards: tar files of pictures in webdataset's form, folders and lists, read picture by picture.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use flate2::read::MultiGzDecoder;

use super::members;
use super::pictures::{read_picture, small_enough};
use crate::support::files::read_file;
use crate::support::progress::{Counted, Progress};

/// Pictures that are answered together, into one file: those of a tar file, which is never unpacked,
/// of a folder, or of a list.
#[derive(Debug, Clone)]
pub struct Shard {
    name: String,
    path: PathBuf,
    /// The pictures of a folder or list; none of a tar file, which is read from front to back.
    files: Option<Vec<PathBuf>>,
}

/// A picture of a shard.
pub(crate) struct Member {
    /// Its name in the tar file, or its path.
    pub(crate) name: String,
    /// Its encoded bytes, or why there are none.
    pub(crate) bytes: Result<Vec<u8>>,
}

impl Shard {
    /// The shards that some paths name, in order of their names: tar files (`.tar`, `.tar.gz`,
    /// `.tgz`), folders of them, folders of pictures, and lists (`.txt`, a path a line) of either. The
    /// pictures of a folder are one shard, and so are those of a list.
    ///
    /// # Errors
    /// A path that is none of these, a folder that can't be read or has neither, or two shards of
    /// one name.
    pub fn find(what: &[impl AsRef<Path>], recursive: bool) -> Result<Vec<Self>> {
        let mut shards = vec![];
        for path in what.iter().map(AsRef::as_ref) {
            let (tars, pictures) = if path.is_dir() {
                let files = whole(files_in(path, recursive)?)?;
                files.into_iter().partition(|file| is_tar(file))
            } else if is_list(path) {
                let (tars, others): (Vec<_>, Vec<_>) =
                    lines(path)?.into_iter().partition(|line| is_tar(line));
                let others = whole(picture_files(&others, recursive));
                (tars, others.with_context(|| in_list(path))?)
            } else if is_tar(path) {
                (vec![path.to_owned()], vec![])
            } else {
                bail!(
                    "{} is no shard: name tar files (.tar, .tar.gz, .tgz), folders, or lists (.txt, a \
                     path a line)",
                    path.display()
                );
            };
            ensure!(
                !tars.is_empty() || !pictures.is_empty(),
                "there are no tar files or pictures in {}",
                path.display()
            );
            shards.extend(tars.into_iter().map(|tar| Self::new(tar, None)));
            if !pictures.is_empty() {
                shards.push(Self::new(path.to_owned(), Some(pictures)));
            }
        }
        shards.sort_by(|a, b| a.name.cmp(&b.name));
        for pair in shards.windows(2) {
            ensure!(
                pair[0].name != pair[1].name,
                "two shards are called {}, and so would be their answers: {} and {}",
                pair[0].name,
                pair[0].path.display(),
                pair[1].path.display()
            );
        }
        Ok(shards)
    }

    fn new(path: PathBuf, files: Option<Vec<PathBuf>>) -> Self {
        let is_folder = files.is_some() && path.is_dir();
        // Of `.` and `..`, too.
        let whole = if is_folder { path.canonicalize().ok() } else { None };
        let name = whole.as_deref().unwrap_or(&path).file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        let endings: &[&str] = match is_folder {
            true => &[],
            false => &[".tar.gz", ".tgz", ".tar", ".txt"],
        };
        let stem = endings.iter().find_map(|ending| {
            let at = name.len().checked_sub(ending.len())?;
            name.get(at..)?.eq_ignore_ascii_case(ending).then(|| name[..at].to_owned())
        });
        Self { name: stem.unwrap_or_else(|| name.into_owned()), path, files }
    }

    /// The name, without folder and ending.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes, and the time of the last change in seconds since 1970: of all its files.
    pub(crate) fn stamp(&self) -> Result<(u64, u64)> {
        let stamp = |path: &Path| -> io::Result<(u64, u64)> {
            let meta = fs::metadata(path)?;
            let time = meta.modified()?.duration_since(UNIX_EPOCH);
            Ok((meta.len(), time.map_or(0, |time| time.as_secs())))
        };
        match &self.files {
            None => stamp(&self.path).context("cannot be read"),
            // A picture that can't be read has an answer that says so.
            Some(files) => Ok(files
                .iter()
                .filter_map(|file| stamp(file).ok())
                .fold((0, 0), |(bytes, time), (more, own)| (bytes + more, time.max(own)))),
        }
    }

    /// For `fuzz/`: reads every picture, and returns their bytes in all.
    ///
    /// # Errors
    /// A tar file that can't be read, is cut off or damaged.
    #[doc(hidden)]
    pub fn read_all(&self) -> Result<usize> {
        let mut sum = 0;
        self.each(&Progress::new("reading", 0), |member| {
            sum += member.bytes.map_or(0, |bytes| bytes.len());
            Ok(())
        })?;
        Ok(sum)
    }

    /// Hands every picture to `then`, in order; `progress` counts the MiB that were read.
    ///
    /// # Errors
    /// A tar file that can't be read, is cut off or damaged, or what `then` returns.
    pub(crate) fn each(
        &self,
        progress: &Progress,
        mut then: impl FnMut(Member) -> Result<()>,
    ) -> Result<()> {
        let Some(files) = &self.files else {
            return self.each_in_tar(progress, then);
        };
        for path in files {
            let bytes = read_picture(path);
            if let Ok(bytes) = &bytes {
                progress.read(bytes.len());
            }
            then(Member { name: path.display().to_string(), bytes })?;
        }
        Ok(())
    }

    fn each_in_tar(
        &self,
        progress: &Progress,
        mut then: impl FnMut(Member) -> Result<()>,
    ) -> Result<()> {
        let damaged = "it is cut off or damaged: bring it again";
        let file = File::open(&self.path).context("cannot be read")?;
        let counted = Counted { inner: BufReader::with_capacity(1 << 20, file), progress };
        let plain: Box<dyn Read> = match has_ending(&self.path, &["gz", "tgz"]) {
            true => Box::new(MultiGzDecoder::new(counted)),
            false => Box::new(counted),
        };
        let whole = members::each(plain, u64::MAX, |member| {
            let mut member = member.context(damaged)?;
            let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
            let kind = member.header().entry_type();
            if !is_picture(Path::new(&name)) || kind.is_dir() {
                return Ok(());
            }
            let is_file = kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse();
            let size = member.size();
            let bytes = match is_file {
                false => Err(anyhow!("a link or a device, not a file")),
                true => small_enough(size),
            };
            let bytes = match bytes {
                Err(error) => Err(error),
                Ok(()) => {
                    let mut bytes = vec![];
                    let whole = member.read_to_end(&mut bytes).is_ok_and(|n| n as u64 == size);
                    ensure!(whole, "{damaged} (at {name})");
                    Ok(bytes)
                }
            };
            then(Member { name, bytes })
        })?;
        // Without them it was cut off between two members.
        ensure!(whole, "{damaged} (the zeros at its end are missing)");
        Ok(())
    }
}

/// What some paths name.
#[derive(Debug, Default)]
pub struct PictureFiles {
    /// Picture files, in order; those that are missing or no pictures, too.
    pub files: Vec<PathBuf>,
    /// Paths that name no files, and why: a folder or list that can't be read, a folder without
    /// pictures, a tar file.
    pub errors: Vec<(PathBuf, Error)>,
}

/// The picture files that some paths name: themselves, those in folders, and those in lists (`.txt`,
/// a path a line), in order; within a folder by name.
pub fn picture_files(what: &[impl AsRef<Path>], recursive: bool) -> PictureFiles {
    let mut found = PictureFiles::default();
    for path in what.iter().map(AsRef::as_ref) {
        if let Err(error) = add_named(path, recursive, &mut found) {
            found.errors.push((path.to_owned(), error));
        }
    }
    found
}

/// Adds what one path names.
fn add_named(path: &Path, recursive: bool, found: &mut PictureFiles) -> Result<()> {
    if path.is_dir() {
        let PictureFiles { mut files, errors } = files_in(path, recursive)?;
        files.retain(|file| is_picture(file));
        let below = if recursive { " or below it" } else { " (--recursive looks below it, too)" };
        let is_empty = files.is_empty() && errors.is_empty();
        found.files.extend(files);
        found.errors.extend(errors);
        ensure!(!is_empty, "there are no JPEG, PNG or WebP pictures in it{below}");
    } else if is_list(path) {
        let named = picture_files(&lines(path)?, recursive);
        found.files.extend(named.files);
        let errors = named.errors.into_iter();
        found.errors.extend(errors.map(|(named, error)| (named, error.context(in_list(path)))));
    } else if is_tar(path) {
        bail!("a shard: say with --to FOLDER where its answers go");
    } else {
        found.files.push(path.to_owned());
    }
    Ok(())
}

/// All files, where every path has named some.
fn whole(found: PictureFiles) -> Result<Vec<PathBuf>> {
    match found.errors.into_iter().next() {
        Some((path, error)) => Err(error.context(path.display().to_string())),
        None => Ok(found.files),
    }
}

/// Whether a path is called as a tar file is.
fn is_tar(path: &Path) -> bool {
    let compressed = has_ending(path, &["gz"])
        && path.file_stem().is_some_and(|stem| has_ending(Path::new(stem), &["tar"]));
    compressed || has_ending(path, &["tar", "tgz"])
}

fn is_list(path: &Path) -> bool {
    has_ending(path, &["txt"])
}

fn is_picture(path: &Path) -> bool {
    has_ending(path, &["jpg", "jpeg", "png", "webp"])
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let own = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    endings.iter().any(|ending| own.eq_ignore_ascii_case(ending))
}

fn in_list(path: &Path) -> String {
    format!("in the list {}", path.display())
}

/// The paths in a list, which names no other lists.
fn lines(list: &Path) -> Result<Vec<PathBuf>> {
    let bytes = read_file(list).with_context(|| list.display().to_string())?;
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let paths = lines.filter(|line| !line.is_empty()).map(path_of).collect::<Result<Vec<_>>>()?;
    if let Some(other) = paths.iter().find(|path| is_list(path)) {
        bail!(
            "{} names another list, {}: a list names files and folders",
            list.display(),
            other.display()
        );
    }
    Ok(paths)
}

/// A path as a list has it: a file's name need not be UTF-8.
#[cfg(unix)]
fn path_of(line: &[u8]) -> Result<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Ok(PathBuf::from(std::ffi::OsStr::from_bytes(line)))
}

#[cfg(not(unix))]
fn path_of(line: &[u8]) -> Result<PathBuf> {
    Ok(PathBuf::from(std::str::from_utf8(line).context("a path that is not UTF-8")?))
}

/// The pictures and tar files in a folder, by name, and the folders below it that can't be read.
///
/// # Errors
/// A folder that can't be read.
fn files_in(folder: &Path, recursive: bool) -> Result<PictureFiles> {
    let mut found = PictureFiles::default();
    add_files(folder, recursive, &mut found)?;
    found.files.sort_unstable();
    Ok(found)
}

fn add_files(folder: &Path, recursive: bool, found: &mut PictureFiles) -> Result<()> {
    let why = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(why)? {
        let entry = entry.with_context(why)?;
        // Not asked of each path: a folder may have a hundred thousand, on a disk that is far.
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
    fn shards_are_found_by_every_way_of_naming_them() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        for folder in ["tars", "pictures", "pictures/below"] {
            fs::create_dir(at(folder)).unwrap();
        }
        for name in ["tars/b.tar", "tars/a.TAR.gz", "pictures/1.jpg", "pictures/below/2.PNG"] {
            fs::write(at(name), "x").unwrap();
        }
        let list = format!("{}\n\n{}\n", at("far.tgz").display(), at("pictures/1.jpg").display());
        fs::write(at("some.txt"), list).unwrap();
        let found = |what: &[&str], recursive| {
            let paths: Vec<PathBuf> = what.iter().map(|name| at(name)).collect();
            let shards = Shard::find(&paths, recursive)?;
            let files = |shard: &Shard| shard.files.as_ref().map_or(0, Vec::len);
            Ok(shards.iter().map(|s| format!("{} {}", s.name(), files(s))).collect::<Vec<_>>())
        };
        let message = |found: Result<Vec<String>>| format!("{:#}", found.unwrap_err());
        assert_eq!(found(&["tars", "pictures"], false).unwrap(), ["a 0", "b 0", "pictures 1"]);
        assert_eq!(found(&["pictures"], true).unwrap(), ["pictures 2"]);
        assert_eq!(found(&["some.txt", "c.tar"], false).unwrap(), ["c 0", "far 0", "some 1"]);
        assert!(message(found(&["tars", "b.tar"], false)).contains("two shards are called b"));
        assert!(message(found(&["pictures/1.jpg"], false)).contains("no shard"));
        fs::write(at("lists.txt"), "some.txt").unwrap();
        assert!(message(found(&["lists.txt"], false)).contains("names another list"));
        let some = ["tars", "pictures", "lists.txt", "b.tar", "missing.jpg"].map(at);
        let PictureFiles { files, errors } = picture_files(&some, true);
        assert_eq!(files, ["pictures/1.jpg", "pictures/below/2.PNG", "missing.jpg"].map(at));
        let errors: Vec<String> =
            errors.iter().map(|(path, error)| format!("{}: {error:#}", path.display())).collect();
        for (error, says) in errors.iter().zip(["no JPEG", "another list", "--to FOLDER"]) {
            assert!(error.contains(says), "{errors:?}");
        }
        assert_eq!(errors.len(), 3);
    }
}
