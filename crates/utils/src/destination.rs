//! Where a path for output leads: links are followed, and pipes and devices are written through.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Where writing to a path ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A regular file, at the end of all symbolic links, which may not exist yet.
    File(PathBuf),
    /// A pipe, a character device, or what standard output or standard error already writes to. It
    /// can't be replaced: bytes are passed on.
    Stream(PathBuf),
}

impl Destination {
    /// Finds out where writing to a path ends.
    ///
    /// # Errors
    /// A folder, a disk, a socket, a circle of links, or a path that can't be looked up.
    pub fn of(path: &Path) -> Result<Self> {
        if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            bail!("{} is the name of a folder: give the name of a file", path.display());
        }
        let found = match fs::metadata(path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self::File(end_of_links(path)?));
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot write {}", path.display()));
            }
        };
        if found.is_dir() {
            bail!("{} is a folder: give the name of a file", path.display());
        }
        if is_stream(&found) || standard(&found).is_some() {
            return Ok(Self::Stream(path.to_owned()));
        }
        if !found.is_file() {
            bail!("{} is a disk or a socket: give the name of a file", path.display());
        }
        Ok(Self::File(end_of_links(path)?))
    }
}

/// Opens a pipe or device to be written to. Standard output and standard error are shared, so that
/// nothing that they have written is overwritten.
pub(crate) fn open_stream(path: &Path) -> Result<File> {
    let cannot = || format!("cannot write {}", path.display());
    if let Some(standard) = standard(&fs::metadata(path).with_context(cannot)?) {
        return Ok(standard);
    }
    OpenOptions::new().write(true).open(path).with_context(cannot)
}

/// What a path is, so that two paths of one file can be recognized.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// Device and inode of what exists.
    There(u64, u64),
    /// The path of what does not exist yet, without links, `.` and `..`.
    New(PathBuf),
}

impl Identity {
    /// Returns what a path is, with links followed.
    pub fn of(path: &Path) -> Self {
        match fs::metadata(path) {
            Ok(found) => Self::of_existing(&found, path),
            Err(_) => Self::New(resolved(&end_of_links(path).unwrap_or_else(|_| path.to_owned()))),
        }
    }

    #[cfg(unix)]
    fn of_existing(found: &Metadata, _: &Path) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self::There(found.dev(), found.ino())
    }

    #[cfg(not(unix))]
    fn of_existing(_: &Metadata, path: &Path) -> Self {
        Self::New(resolved(path))
    }
}

/// Follows symbolic links of the last component, also one that leads to no file yet.
fn end_of_links(path: &Path) -> Result<PathBuf> {
    let mut at = path.to_owned();
    for _ in 0..40 {
        match fs::read_link(&at) {
            Ok(to) => at = at.parent().unwrap_or(Path::new("")).join(to),
            Err(_) => return Ok(at),
        }
    }
    bail!("{} is a circle of links", path.display())
}

/// An absolute path without links, `.` and `..`, also of what does not exist.
fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for above in path.ancestors() {
        let (Ok(mut there), Ok(rest)) = (above.canonicalize(), path.strip_prefix(above)) else {
            continue;
        };
        for part in rest.components() {
            match part {
                Component::ParentDir => drop(there.pop()),
                part => there.push(part),
            }
        }
        return there;
    }
    path
}

#[cfg(unix)]
fn is_stream(found: &Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let kind = found.file_type();
    kind.is_fifo() || kind.is_char_device()
}

#[cfg(not(unix))]
fn is_stream(_: &Metadata) -> bool {
    false
}

/// This process's standard output or standard error, if it writes to this file.
#[cfg(unix)]
fn standard(found: &Metadata) -> Option<File> {
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;
    let (output, errors) = (io::stdout(), io::stderr());
    [output.as_fd(), errors.as_fd()].into_iter().find_map(|standard| {
        let file = File::from(standard.try_clone_to_owned().ok()?);
        let own = file.metadata().ok()?;
        ((own.dev(), own.ino()) == (found.dev(), found.ino())).then_some(file)
    })
}

#[cfg(not(unix))]
fn standard(_: &Metadata) -> Option<File> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_to_the_file_or_to_where_it_will_be() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::write(at("file"), "x").unwrap();
        symlink("file", at("link")).unwrap();
        symlink(at("link"), at("second")).unwrap();
        symlink("new", at("dangling")).unwrap();
        symlink("round", at("round")).unwrap();
        let of = |name: &str| Destination::of(&at(name));
        assert_eq!(of("second").unwrap(), Destination::File(at("file")));
        assert_eq!(of("dangling").unwrap(), Destination::File(at("new")));
        assert!(
            of("round").is_err() && of("new/").is_err() && Destination::of(place.path()).is_err()
        );
        let identity = |name: &str| Identity::of(&at(name));
        assert_eq!(identity("second"), identity("file"));
        assert_eq!(identity("dangling"), identity("deep/../new"));
        assert_ne!(identity("dangling"), identity("file"));
        fs::hard_link(at("file"), at("hard")).unwrap();
        assert_eq!(identity("hard"), identity("file"));
    }
}
