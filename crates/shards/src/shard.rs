//! Shards: tar files of images in the webdataset format, folders and lists, read image by image.

use std::fs::{self, File, Metadata};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, anyhow, bail, ensure};
use flate2::read::MultiGzDecoder;

use archive::{read_picture, small_enough};
use utils::hash::{Hashed, Lines, hex, sha256, sha256_of_file};
use utils::listing::{
    files_in, has_ending, in_list, is_list, is_picture, is_tar, lines, picture_files, whole,
};
use utils::progress::{Counted, Progress};
use utils::tar_members;

/// Images whose answers go into one file: the images of a tar file, which is never unpacked, of a
/// folder, or of a list.
#[derive(Debug, Clone)]
pub struct Shard {
    name: String,
    path: PathBuf,
    /// The images of a folder or list. `None` for a tar file, which is read from front to back.
    files: Option<Vec<PathBuf>>,
}

/// An image of a shard.
pub(crate) struct Member {
    /// Its name in the tar file, or its path.
    pub(crate) name: String,
    /// Its encoded bytes, or why it can't be read.
    pub(crate) bytes: Result<Vec<u8>>,
}

impl Shard {
    /// Finds the shards that some paths name, sorted by name. A path can be a tar file (`.tar`,
    /// `.tar.gz`, `.tgz`), a folder, or a list (`.txt`, one path per line). In a folder or list, each
    /// tar file is a shard, and all images together are another one.
    ///
    /// # Errors
    /// A path is none of these, a folder can't be read or has no tar files or images, or two shards
    /// have the same name.
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
                    "{} is not a shard: use tar files (.tar, .tar.gz, .tgz), folders or lists (.txt, \
                     one path per line)",
                    path.display()
                );
            };
            ensure!(
                !tars.is_empty() || !pictures.is_empty(),
                "no tar files or images in {}",
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
                "two shards are called {}, so their answers would have the same name: {} and {}",
                pair[0].name,
                pair[0].path.display(),
                pair[1].path.display()
            );
        }
        Ok(shards)
    }

    fn new(path: PathBuf, files: Option<Vec<PathBuf>>) -> Self {
        let is_folder = files.is_some() && path.is_dir();
        // Also resolves `.` and `..`.
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

    /// The name, without folder and extension.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The absolute path, to tell shards of one name apart.
    pub(crate) fn source(&self) -> String {
        let path = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        path.to_string_lossy().into_owned()
    }

    /// The files that it is read from: the tar file, or the images (and the list).
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let own = (!self.path.is_dir()).then_some(self.path.as_path());
        own.into_iter().chain(self.files.iter().flatten().map(PathBuf::as_path))
    }

    /// Returns the total size of its files in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.files().filter_map(|file| Some(fs::metadata(file).ok()?.len())).sum()
    }

    /// Returns a hash of what the file system says about its files: names, sizes, times and inodes.
    /// While it is the same, no file was written to or exchanged.
    ///
    /// # Errors
    /// The tar file is missing. An image that can't be read is reported in its answer.
    pub(crate) fn stamp(&self) -> Result<String> {
        if self.files.is_none() {
            fs::metadata(&self.path).context("cannot be read")?;
        }
        let mut lines = Lines::default();
        for file in self.files() {
            let found = fs::metadata(file).ok();
            lines.add(&self.inside(file));
            lines.add(&found.map_or_else(String::new, |found| times(&found)));
        }
        Ok(lines.fingerprint())
    }

    /// Returns the hash of its names and contents, by reading all of it. [`Shard::each`] returns the
    /// same.
    ///
    /// # Errors
    /// The tar file can't be read.
    pub(crate) fn content(&self) -> Result<String> {
        let Some(files) = &self.files else {
            return sha256_of_file(&self.path).context("cannot be read");
        };
        let mut lines = Lines::default();
        for file in files {
            self.add_content(&mut lines, file, &read_picture(file));
        }
        Ok(lines.fingerprint())
    }

    fn add_content(&self, lines: &mut Lines, file: &Path, bytes: &Result<Vec<u8>>) {
        lines.add(&self.inside(file));
        lines.add(&bytes.as_ref().map_or_else(|_| "unreadable".to_owned(), |b| sha256(b)));
    }

    /// The path of an image below the folder, so that a folder that was moved is the same.
    fn inside(&self, file: &Path) -> String {
        let name = file.strip_prefix(&self.path).unwrap_or(file);
        hex(name.as_os_str().as_encoded_bytes())
    }

    /// Reads every image without decoding it, and returns the total number of bytes: whether a
    /// download is whole, before it is given to a cluster.
    ///
    /// # Errors
    /// A tar file can't be read, is cut off or is damaged.
    pub fn verify(&self) -> Result<usize> {
        let mut sum = 0;
        self.each(&Progress::new("reading", 0), |member| {
            sum += member.bytes.map_or(0, |bytes| bytes.len());
            Ok(())
        })?;
        Ok(sum)
    }

    /// Calls `then` with every image, in order, and returns the hash of what was read (see
    /// [`Shard::content`]). `progress` counts the MiB read.
    ///
    /// # Errors
    /// A tar file can't be read, is cut off or is damaged, or an error of `then`.
    pub(crate) fn each(
        &self,
        progress: &Progress,
        mut then: impl FnMut(Member) -> Result<()>,
    ) -> Result<String> {
        let Some(files) = &self.files else {
            return self.each_in_tar(progress, then);
        };
        let mut lines = Lines::default();
        for path in files {
            let bytes = read_picture(path);
            self.add_content(&mut lines, path, &bytes);
            if let Ok(bytes) = &bytes {
                progress.read(bytes.len());
            }
            then(Member { name: path.display().to_string(), bytes })?;
        }
        Ok(lines.fingerprint())
    }

    fn each_in_tar(
        &self,
        progress: &Progress,
        mut then: impl FnMut(Member) -> Result<()>,
    ) -> Result<String> {
        let damaged = "it is cut off or damaged: copy it again";
        let file = File::open(&self.path).context("cannot be read")?;
        let mut hashed = Hashed::new(file);
        let buffered = BufReader::with_capacity(1 << 20, &mut hashed);
        let counted = Counted { inner: buffered, progress };
        let plain: Box<dyn Read + '_> = match has_ending(&self.path, &["gz", "tgz"]) {
            true => Box::new(MultiGzDecoder::new(counted)),
            false => Box::new(counted),
        };
        let whole = tar_members::each(plain, u64::MAX, |member| {
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
        // Without the zeros it was cut off between two members.
        ensure!(whole, "{damaged} (the zeros at its end are missing)");
        io::copy(&mut hashed, &mut io::sink()).context("cannot be read")?; // behind the end
        Ok(hashed.sha256())
    }
}

/// Size, times and inode of a file. On Unix no program can set the second time back.
fn times(found: &Metadata) -> String {
    let time = found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let time = time.map_or(0, |time| time.as_nanos());
    #[cfg(unix)]
    let own = {
        use std::os::unix::fs::MetadataExt;
        format!("{} {} {}", found.ctime(), found.ctime_nsec(), found.ino())
    };
    #[cfg(not(unix))]
    let own = "";
    format!("{} {time} {own}", found.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use utils::listing::PictureFiles;

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
        assert!(message(found(&["pictures/1.jpg"], false)).contains("not a shard"));
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
