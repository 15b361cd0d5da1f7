//! Where models, data and caches are kept.
//!
//! Each folder can be set by an environment variable. Without one, a clone's folders are used where
//! its scripts have set `ROR_HOME`, or else the folders of the XDG base directory specification.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// `$variable/ror`, or else `below/ror` in the user's home.
fn user(xdg: &str, below: &str) -> PathBuf {
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_else(|| OsString::from(".")));
    variable(xdg).unwrap_or_else(|| home().join(below)).join("ror")
}

/// The folder of a clone, which its scripts set: `$ROR_HOME`.
pub fn clone() -> Option<PathBuf> {
    variable("ROR_HOME")
}

/// The folder where `UTKFace.tar.gz` is looked for: `data` in a clone, or else
/// `~/.local/share/ror/data`.
pub fn data() -> PathBuf {
    clone().unwrap_or_else(|| user("XDG_DATA_HOME", ".local/share")).join("data")
}

/// The folder of models: `$ROR_MODELS`, or else `models` in a clone, or else
/// `~/.local/share/ror/models`. Those trained here go into its folder `runs`.
pub fn models() -> PathBuf {
    variable("ROR_MODELS").unwrap_or_else(|| {
        clone().unwrap_or_else(|| user("XDG_DATA_HOME", ".local/share")).join("models")
    })
}

/// The folder of derived files (unpacked archives, resized images), which can be deleted at any
/// time: `$ROR_CACHE`, or else `data/cache` in a clone, or else `~/.cache/ror`.
pub fn cache() -> PathBuf {
    variable("ROR_CACHE").unwrap_or_else(|| match clone() {
        Some(clone) => clone.join("data").join("cache"),
        None => user("XDG_CACHE_HOME", ".cache"),
    })
}
