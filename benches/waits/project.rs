//! The project's folder and files, and this process's memory, for the benchmark.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

pub fn home() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

pub fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// What it was measured on, and when.
pub fn stamp() -> (String, String) {
    let date = time::OffsetDateTime::now_utc().date().to_string();
    (ror::hardware(ror::tch::Device::Cpu), date)
}

/// The files in a folder, by name.
pub fn files_in(folder: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort_unstable();
    Ok(files)
}

/// A field of /proc/self/status, in MB.
fn status_mb(field: &str) -> f64 {
    std::fs::read_to_string("/proc/self/status")
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix(field)?.split_whitespace().next()?.parse::<f64>().ok())
        .map_or(f64::NAN, |kb| kb / 1024.0)
}

pub fn resident_mb() -> f64 {
    status_mb("VmRSS:")
}

pub fn peak_mb() -> f64 {
    status_mb("VmHWM:")
}
