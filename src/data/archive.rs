//! Unpacking `UTKFace.tar.gz`, whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::files::cache;
use crate::support::live::keep_going;
use crate::support::progress::{Counted, Progress};

/// The folder with the archive's pictures: unpacked now, or by an earlier call. A changed
/// archive (size or time) is unpacked anew.
///
/// # Errors
/// An archive that is cut off or damaged, a member that would land outside the folder, or a
/// cache that can't be written; nothing half-unpacked stays behind.
pub(super) fn unpacked(archive: &Path) -> Result<PathBuf> {
    let context = || format!("cannot unpack {}", archive.display());
    let meta = fs::metadata(archive).with_context(context)?;
    let time = meta.modified()?.duration_since(UNIX_EPOCH).map_or(0, |t| t.as_nanos());
    let path = archive.canonicalize()?;
    let key = Sha256::digest(format!("{} {} {time}", path.display(), meta.len()));
    let folder = cache().join(format!("unpacked-{}", crate::support::hash::hex(&key[..6])));
    if folder.is_dir() {
        return Ok(folder);
    }
    // Removed when dropped, unless it has become the folder.
    let half = half_unpacked()
        .with_context(|| {
            format!(
                "cannot make a folder in {} (set ROR_CACHE to a folder that can be written)",
                cache().display()
            )
        })
        .with_context(context)?;
    let done = unpack(archive, meta.len(), half.path())
        .and_then(|()| Ok(fs::rename(half.path(), &folder)?));
    match done {
        // Another kernel may have unpacked the same archive meanwhile.
        Err(error) if !folder.is_dir() => Err(error).with_context(context),
        _ => Ok(folder),
    }
}

/// A new folder in the cache, with everyone's usual rights: it will be renamed.
fn half_unpacked() -> io::Result<TempDir> {
    fs::create_dir_all(cache())?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".unpacking-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    builder.tempdir_in(cache())
}

fn unpack(archive: &Path, bytes: u64, folder: &Path) -> Result<()> {
    // Of the compressed bytes, so that progress needs no second pass.
    let progress = Progress::new("unpacking (MiB)", (bytes >> 20) as usize);
    let counted = Counted { inner: BufReader::new(File::open(archive)?), progress: &progress };
    let damaged = "the archive is cut off or damaged: download it again";
    let mut tar = tar::Archive::new(GzDecoder::new(counted));
    for member in tar.entries().context(damaged)? {
        keep_going()?;
        let mut member = member.context(damaged)?;
        let path = member.path().context(damaged)?.into_owned();
        if path.components().any(|c| !matches!(c, Component::Normal(_) | Component::CurDir)) {
            bail!(
                "its member {} would land outside the folder: this is not UTKFace, don't use it",
                path.display()
            );
        }
        // Links and devices have no place in a set of pictures.
        if member.header().entry_type().is_file() {
            let target = folder.join(&path);
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent)?;
            }
            let mut file = File::create(&target)
                .with_context(|| format!("cannot write {}", target.display()))?;
            let written = io::copy(&mut member, &mut file)
                .with_context(|| format!("{damaged} (at {})", path.display()))?;
            if written != member.size() {
                bail!("{damaged} (at {})", path.display());
            }
        }
    }
    // The tar format ends before the gzip stream does: only its last bytes prove it whole.
    io::copy(&mut tar.into_inner(), &mut io::sink()).context(damaged)?;
    Ok(())
}
