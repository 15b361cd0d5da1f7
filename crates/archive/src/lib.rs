//! The files of a data set: those below a folder or in a tar archive, each with its SHA-256.
//!
//! [`open`] lists a folder, or unpacks an archive into the cache completely or not at all.
//! [`contents`] hashes files and remembers the hashes. Image files are read by [`read_picture`] and
//! [`read_in`], which limit how much memory they take.

mod contents;
mod picture_file;
mod tree;
mod unpack;
mod unpacking;

use std::path::Path;

use anyhow::Result;
use utils::files;

pub use contents::contents;
pub use picture_file::{read_in, read_picture, read_stream, room_for, small_enough};
pub use tree::{File, Tree, resolved};

/// Returns the files below a folder, or in an archive (`.tar`, `.tar.gz` or `.tgz`), which is unpacked
/// into the cache on first use. It may have 1,000,000 members and unpack to 2 GiB;
/// `ROR_UNPACK_FILES` and `ROR_UNPACK_BYTES` change these limits.
///
/// # Errors
/// A path that does not exist; a pipe or device; a folder that can't be listed; an archive that is
/// damaged, too large or in another format; or Stop pressed in a notebook.
pub fn open(path: &Path) -> Result<Tree> {
    files::clean_cache();
    if path.is_dir() { Tree::folder(path) } else { unpack::unpacked(path) }
}
