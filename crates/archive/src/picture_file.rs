//! Image files, read into memory of a limited size.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use utils::threads::{Room, Taken};

/// Maximum size of an image file in bytes: it is read into memory.
const MOST_BYTES: u64 = 256 << 20;

/// Rejects an image file that is too large.
///
/// # Errors
/// More than 256 MiB.
pub fn small_enough(bytes: u64) -> Result<()> {
    ensure!(
        bytes <= MOST_BYTES,
        "the file has {bytes} bytes: at most {} MiB are allowed",
        MOST_BYTES >> 20
    );
    Ok(())
}

/// Opens an image file and returns its length.
fn opened(path: &Path) -> Result<(File, u64)> {
    // Checked before opening it, which would wait for the other end of a pipe.
    let meta = std::fs::metadata(path).context("cannot be read")?;
    ensure!(meta.is_file(), "not a file");
    small_enough(meta.len())?;
    Ok((File::open(path).context("cannot be read")?, meta.len()))
}

/// Returns the bytes of an image file.
///
/// # Errors
/// A file that is missing, not a regular file, or too large.
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

/// Returns the bytes of a stream, such as standard input, with the limit of an image file.
///
/// # Errors
/// More than 256 MiB, or a stream that can't be read.
pub fn read_stream(stream: impl Read) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    stream.take(MOST_BYTES + 1).read_to_end(&mut bytes).context("cannot be read")?;
    ensure!(
        bytes.len() as u64 <= MOST_BYTES,
        "it has more than {} MiB, the limit of an image file",
        MOST_BYTES >> 20
    );
    Ok(bytes)
}

/// Returns the bytes of an image file once there is room for them and the decoded image; the room
/// is held until it is dropped.
///
/// # Errors
/// A file that can't be read, is too large, or is not an image.
pub fn read_in<'a>(room: &'a Room, path: &Path) -> Result<(Vec<u8>, Taken<'a>)> {
    let (mut file, length) = opened(path)?;
    let taken = room.take(length + imaging::memory(BufReader::new(&file))?);
    file.rewind().context("cannot be read")?;
    Ok((read_opened(file, length)?, taken))
}

/// Reserves room for decoding an image whose bytes are in memory.
///
/// # Errors
/// Bytes that are not an image.
pub fn room_for<'a>(room: &'a Room, bytes: &[u8]) -> Result<Taken<'a>> {
    Ok(room.take(imaging::memory(Cursor::new(bytes))?))
}
