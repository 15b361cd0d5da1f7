//! The project's folder and files, for the benchmark.

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
