//! The members of a tar file, one by one, in little memory whatever the file says.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use anyhow::Result;

/// The most bytes that a tar file may have between the contents of two members: names of any length,
/// extended headers and tables of holes, which are all read into memory, and padding.
const MOST_BETWEEN: u64 = 16 << 20;

/// Hands each member of a tar file of at most so many bytes to `then`, or why there is no further one
/// (`FileTooLarge` where it has more), and says whether the file ends as a whole one does: by 512 zeros
/// at least.
///
/// # Errors
/// What `then` returns.
pub fn each<R: Read>(
    inner: R,
    bytes: u64,
    mut then: impl FnMut(io::Result<tar::Entry<'_, Bounded<R>>>) -> Result<()>,
) -> Result<bool> {
    let most = Rc::new(Cell::new(MOST_BETWEEN));
    let bounded = Bounded { inner, at: 0, bytes, most: Rc::clone(&most), zeros: 0 };
    let mut tar = tar::Archive::new(bounded);
    // Of several tar files behind one another, too, each of which ends with zeros.
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

/// The bytes that a tar file has of a member: of a sparse one fewer than its size.
fn stored(member: &mut tar::Entry<impl Read>) -> io::Result<u64> {
    if !member.header().entry_type().is_gnu_sparse() {
        return Ok(member.size());
    }
    // An extended header could have another number, which counts instead and can't be asked for.
    match member.pax_extensions()? {
        None => member.header().entry_size(),
        Some(_) => Err(io::Error::other("a sparse file with an extended header")),
    }
}

/// What may be read up to a place, and knows by how many zeros it ends.
pub struct Bounded<R> {
    inner: R,
    at: u64,
    /// Of all that is read.
    bytes: u64,
    /// Up to and with the next member's headers.
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
