//! Pictures: decoded, resized, in one contiguous tensor, and cached.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;

use anyhow::{Context, Result, ensure};
pub use imaging::{decode, decode_photo, resize};
use tch::Tensor;

use utils::threads::{Room, Taken};

/// The most bytes that a picture's file may have: it is read into memory.
const MOST_BYTES: u64 = 256 << 20;

/// Pictures of one size as numbers, in the order of their set's records.
#[derive(Debug)]
pub struct Pictures {
    /// Shape `[n, size, size, 3]`, u8, RGB: channels last, as decoders write it and as
    /// convolutions run fastest.
    pub tensor: Tensor,
    /// Side in pixels.
    pub size: u32,
}

impl Pictures {
    /// How many pictures there are.
    pub fn len(&self) -> usize {
        self.tensor.size()[0] as usize
    }

    /// The same pictures, not copied.
    pub(super) fn share(&self) -> Self {
        Self { tensor: self.tensor.shallow_clone(), size: self.size }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Refuses an image file that is too large.
///
/// # Errors
/// More than 256 MiB.
pub fn small_enough(bytes: u64) -> Result<()> {
    ensure!(bytes <= MOST_BYTES, "{bytes} bytes: at most {} MiB are taken", MOST_BYTES >> 20);
    Ok(())
}

/// A picture's file, opened, and its length.
fn opened(path: &Path) -> Result<(File, u64)> {
    // Before it is opened: that would wait for the other end of a pipe.
    let meta = std::fs::metadata(path).context("cannot be read")?;
    ensure!(meta.is_file(), "not a file");
    small_enough(meta.len())?;
    Ok((File::open(path).context("cannot be read")?, meta.len()))
}

/// The bytes of a picture's file.
///
/// # Errors
/// A file that is missing, no regular file, or too large.
pub fn read_picture(path: &Path) -> Result<Vec<u8>> {
    let (file, length) = opened(path)?;
    read_opened(file, length)
}

fn read_opened(file: File, length: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length as usize);
    // It may grow meanwhile.
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).context("cannot be read")?;
    small_enough(bytes.len() as u64)?;
    Ok(bytes)
}

/// The bytes of a picture's file, once there is room for them and for the decoded picture; the room
/// is held until it is dropped.
///
/// # Errors
/// A file that can't be read, is too large, or is not a picture.
pub(crate) fn read_in<'a>(room: &'a Room, path: &Path) -> Result<(Vec<u8>, Taken<'a>)> {
    let (mut file, length) = opened(path)?;
    let taken = room.take(length + imaging::memory(BufReader::new(&file))?);
    file.rewind().context("cannot be read")?;
    Ok((read_opened(file, length)?, taken))
}

/// Room for decoding a picture whose bytes are in memory.
///
/// # Errors
/// Bytes that are not a picture.
pub fn room_for<'a>(room: &'a Room, bytes: &[u8]) -> Result<Taken<'a>> {
    Ok(room.take(imaging::memory(Cursor::new(bytes))?))
}
