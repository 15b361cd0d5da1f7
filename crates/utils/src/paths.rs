//! The folders of models, data and caches.
//!
//! By default these are the folders of the XDG base directory specification. If `ROR_HOME` is set,
//! as the scripts of a clone do, they are in that clone. `ROR_MODELS` and `ROR_CACHE` take
//! precedence.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Returns `$xdg/ror`, or `below/ror` in the user's home if the variable is not set.
fn user(xdg: &str, below: &str) -> PathBuf {
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_else(|| OsString::from(".")));
    variable(xdg).unwrap_or_else(|| home().join(below)).join("ror")
}

/// The folder of a clone, from `$ROR_HOME`, which its scripts set.
pub fn clone() -> Option<PathBuf> {
    variable("ROR_HOME")
}

/// A path in words: within the clone, relative to it.
pub fn short(path: &Path) -> String {
    let clone = clone();
    let inside = clone.as_ref().and_then(|clone| path.strip_prefix(clone).ok());
    inside.unwrap_or(path).display().to_string()
}

/// The folder that may contain `UTKFace.tar.gz`: `data` in a clone, otherwise
/// `~/.local/share/ror/data`.
pub fn data() -> PathBuf {
    clone().unwrap_or_else(|| user("XDG_DATA_HOME", ".local/share")).join("data")
}

/// The folder of models: `$ROR_MODELS`, otherwise `models` in a clone, otherwise
/// `~/.local/share/ror/models`. Newly trained models go into its subfolder `runs`.
pub fn models() -> PathBuf {
    variable("ROR_MODELS").unwrap_or_else(|| {
        clone().unwrap_or_else(|| user("XDG_DATA_HOME", ".local/share")).join("models")
    })
}

/// The folder of derived files (unpacked archives, resized images), which can be deleted at any
/// time: `$ROR_CACHE`, otherwise `data/cache` in a clone, otherwise `~/.cache/ror`.
pub fn cache() -> PathBuf {
    variable("ROR_CACHE").unwrap_or_else(|| match clone() {
        Some(clone) => clone.join("data").join("cache"),
        None => user("XDG_CACHE_HOME", ".cache"),
    })
}
