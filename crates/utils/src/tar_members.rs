//! Reading the members of a tar file one by one with bounded memory, even from a malicious file.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use anyhow::Result;

/// Maximum number of bytes between the contents of two members: long names, extended headers and
/// sparse maps, all of which are read into memory, and padding.
const MOST_BETWEEN: u64 = 16 << 20;

/// Calls `then` with each member of a tar file of at most `bytes` bytes, or with the error that
/// ends it (`FileTooLarge` for a longer file). Returns whether the file is complete, that is, ends
/// with at least 512 zero bytes.
///
/// # Errors
/// An error of `then`.
pub fn each<R: Read>(
    inner: R,
    bytes: u64,
    mut then: impl FnMut(io::Result<tar::Entry<'_, Bounded<R>>>) -> Result<()>,
) -> Result<bool> {
    let most = Rc::new(Cell::new(MOST_BETWEEN));
    let bounded = Bounded { inner, at: 0, bytes, most: Rc::clone(&most), zeros: 0 };
    let mut tar = tar::Archive::new(bounded);
    // Also read concatenated tar files, each of which ends with zeros.
    tar.set_ignore_zeros(true);
    for member in tar.entries()? {
        then(member.and_then(|mut member| {
            let end = member.raw_file_position().saturating_add(stored(&mut member)?);
            most.set(end.saturating_add(MOST_BETWEEN));
            Ok(member)
        }))?;
    }
    Ok(tar.into_inner().zeros >= 512)
}

/// Returns the number of bytes a member occupies in the file. For a sparse file it is less than its
/// size.
fn stored(member: &mut tar::Entry<impl Read>) -> io::Result<u64> {
    if !member.header().entry_type().is_gnu_sparse() {
        return Ok(member.size());
    }
    // An extended header could override this number, and `tar` does not expose the result.
    match member.pax_extensions()? {
        None => member.header().entry_size(),
        Some(_) => Err(io::Error::other("a sparse file with an extended header is not supported")),
    }
}

/// A reader with a moving limit that counts the zero bytes at its end.
pub struct Bounded<R> {
    inner: R,
    at: u64,
    /// Maximum number of bytes in total.
    bytes: u64,
    /// Position up to which the next member's headers may extend.
    most: Rc<Cell<u64>>,
    zeros: usize,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.at += n as u64;
        if self.at > self.bytes {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if self.at > self.most.get() {
            let most = MOST_BETWEEN >> 20;
            return Err(io::Error::other(format!("more than {most} MiB of headers in one place")));
        }
        let own = buffer[..n].iter().rev().take_while(|byte| **byte == 0).count();
        self.zeros = if own == n { self.zeros + n } else { own };
        Ok(n)
    }
}
