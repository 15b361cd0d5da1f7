//! Where the project's files live, and writing them whole or not at all.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The project's folder: `$ROR_HOME`, or else the folder this crate was built from.
pub fn home() -> PathBuf {
    std::env::var_os("ROR_HOME")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}

/// Where derived files (unpacked archives, resized pictures) are kept: `$ROR_CACHE`, or else
/// `data/cache` in the project. Everything below it can be deleted at any time.
pub fn cache() -> PathBuf {
    std::env::var_os("ROR_CACHE").map_or_else(|| home().join("data").join("cache"), PathBuf::from)
}

/// Where models live: `$ROR_MODELS`, or else `models` in the project. Those trained here go
/// into its folder `runs`.
pub fn models() -> PathBuf {
    std::env::var_os("ROR_MODELS").map_or_else(|| home().join("models"), PathBuf::from)
}

/// Has `make` write a file under a temporary name and then renames it to `path`, so that a
/// reader sees the old file or the new one and never half of one.
///
/// # Errors
/// What `make` returns, or the folder or the rename failing; the temporary file is removed.
pub fn write_whole(path: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let write = || {
        // The ending is kept: tch chooses a file format by it. Dropped before it is renamed,
        // the file is removed.
        let half = tempfile::Builder::new()
            .prefix(".")
            .suffix(&format!("-{name}"))
            .make_in(folder, |_| Ok(()))?
            .into_temp_path();
        make(&half)?;
        half.persist(path)
            .map_err(|failed| failed.error) // and the file is removed
            .with_context(|| format!("cannot rename to {}", path.display()))
    };
    write().with_context(|| {
        format!(
            "cannot write {} (is the disk full, or read-only?)",
            path.display()
        )
    })
}

/// [`write_whole`] for contents in memory, or made piece by piece.
///
/// # Errors
/// As [`write_whole`].
pub fn write_with(path: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    write_whole(path, |half| {
        let mut file = BufWriter::new(File::create(half)?);
        fill(&mut file)?;
        file.flush()?;
        file.into_inner().map_err(|e| e.into_error())?.sync_all()?;
        Ok(())
    })
}

/// [`write_whole`] for bytes.
///
/// # Errors
/// As [`write_whole`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |file| Ok(file.write_all(bytes)?))
}

/// Reads a text file.
///
/// # Errors
/// The file missing or not text, with its path.
pub fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Reads JSON from a file.
///
/// # Errors
/// The file missing or not of the expected form, with its path.
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = read_text(path)?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} is not what it should be", path.display()))
}

/// Writes a value as indented JSON, whole or not at all.
///
/// # Errors
/// As [`write_whole`].
pub fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    write_with(path, |file| Ok(writeln!(file, "{text}")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card.json");
        write_json(&path, &"first").unwrap();
        let failed = write_with(&path, |file| {
            file.write_all(b"half of the sec")?;
            anyhow::bail!("no space left")
        });
        assert!(format!("{:#}", failed.unwrap_err()).contains("no space left"));
        assert_eq!(read_json::<String>(&path).unwrap(), "first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
