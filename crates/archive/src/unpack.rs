//! The files of `UTKFace.tar.gz`, or of another tar archive, unpacked into the cache completely or not
//! at all.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::contents::{Contents, Seen};
use crate::picture_file::small_enough;
use crate::tree::{self, Tree};
use crate::unpacking::unpack;
use utils::files;
use utils::hash::hex;
use utils::live::keep_going;
use utils::paths::cache;
use utils::progress::{say, thousands};

/// Increased whenever unpacking gives a different result, so that older files are not reused.
const VERSION: u32 = 2;

/// In the folder of an unpacked archive: the files, and the list of their expected hashes.
const FILES: &str = "files";
const CONTENTS: &str = "contents.txt";

/// Returns the files of an archive, unpacked now or by an earlier call. It is unpacked again if its
/// size or modification time changed, or if an unpacked file is missing or modified.
///
/// # Errors
/// An archive that is truncated, damaged, in an unsupported format or larger than [`Most`]; a
/// member that would be written outside the folder, or is neither a file nor a link to one; or a
/// cache that can't be written. A failure leaves no partial files behind.
pub(crate) fn unpacked(archive: &Path) -> Result<Tree> {
    let context = || format!("cannot unpack {}", archive.display());
    let meta = fs::metadata(archive).with_context(context)?;
    // Reading a pipe or a device may never end.
    ensure!(meta.is_file(), "{} is neither a folder nor a file", archive.display());
    let time = meta.modified()?.duration_since(UNIX_EPOCH).map_or(0, |t| t.as_nanos());
    let path = archive.canonicalize()?;
    let key = Sha256::digest(format!("{VERSION} {} {} {time}", path.display(), meta.len()));
    let key = hex(&key[..6]);
    let folder = cache().join(format!("unpacked-{key}"));
    // Held until the end, so that two processes neither unpack the same archive nor replace each
    // other's files.
    let _lock = lock(&cache().join(format!("lock-{key}")), archive)?;
    if folder.is_dir() {
        match as_unpacked(&folder) {
            Ok(tree) => return Ok(tree),
            Err(error) => {
                keep_going()?;
                say(&format!(
                    "note: {}, unpacked from {}, is damaged; unpacking it again: {error:#}",
                    folder.display(),
                    archive.display()
                ));
                fs::remove_dir_all(&folder)
                    .with_context(|| format!("cannot remove {}", folder.display()))?;
            }
        }
    }
    // Removed when dropped, unless it was renamed to `folder`.
    let _writing = files::writing_to_cache();
    let half = half_unpacked()
        .with_context(|| {
            format!(
                "cannot create a folder in {} (set ROR_CACHE to a writable folder)",
                cache().display()
            )
        })
        .with_context(context)?;
    let unpack = || -> Result<Contents> {
        let files = unpack(archive, meta.len(), &half.path().join(FILES))?;
        let mut contents = Contents::new(half.path().join(CONTENTS));
        contents.keep(files.into_iter())?;
        fs::rename(half.path(), &folder)?;
        Ok(contents)
    };
    Ok(tree(&folder, &unpack().with_context(context)?))
}

/// Returns the files unpacked by an earlier call if they are unchanged.
fn as_unpacked(folder: &Path) -> Result<Tree> {
    files::remove_half_written(folder);
    let mut contents = Contents::read(folder.join(CONTENTS))?;
    let (names, expected): (Vec<String>, Vec<String>) =
        contents.all().map(|(name, seen)| (name.clone(), seen.content.clone())).unzip();
    let found = contents.look(&folder.join(FILES), &names, |_| Ok(()))?;
    let same = |seen: &Result<Seen>, content: &String| {
        seen.as_ref().is_ok_and(|seen| seen.content == *content)
    };
    let mut wrong = names.iter().zip(found.iter().zip(&expected));
    if let Some((name, _)) = wrong.find(|(_, (seen, content))| !same(seen, content)) {
        let more = 1 + wrong.filter(|(_, (seen, content))| !same(seen, content)).count();
        bail!(
            "{} of {} files are missing or modified, for example {name}",
            thousands(more),
            thousands(names.len())
        );
    }
    // Only the modification times changed: the folder was copied.
    let seen = found.into_iter().filter_map(Result::ok);
    let _ = contents.keep(names.into_iter().zip(seen));
    Ok(tree(folder, &contents))
}

fn tree(folder: &Path, contents: &Contents) -> Tree {
    let file = |(name, seen): (&String, &Seen)| tree::File {
        name: name.clone(),
        content: Some(small_enough(seen.bytes()).map(|()| seen.content.clone())),
    };
    Tree { root: folder.join(FILES), files: contents.all().map(file).collect(), unreadable: vec![] }
}

/// Waits until no other process unpacks this archive. `None` if the cache has no file locks.
fn lock(path: &Path, archive: &Path) -> Result<Option<File>> {
    let file = fs::create_dir_all(cache()).and_then(|()| files::open_lock(path));
    let Ok(file) = file else { return Ok(None) };
    // The other process may only be checking the files, which takes less than a second.
    let waiting = format!("waiting for another process that is unpacking {}", archive.display());
    let locked = files::wait_for_lock(&file, Duration::from_secs(1), &waiting)?;
    Ok(locked.is_ok().then_some(file))
}

/// Creates a folder in the cache with the default permissions, since it will be renamed.
fn half_unpacked() -> io::Result<TempDir> {
    fs::create_dir_all(cache())?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(files::UNPACKING);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    builder.tempdir_in(cache())
}
