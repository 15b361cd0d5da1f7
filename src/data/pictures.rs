//! Pictures: decoded, resized, in one contiguous tensor, and cached.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use imaging::{Resizer, VERSION};
pub use imaging::{decode, decode_photo, resize};
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

use super::Faces;
use crate::support::files;
use crate::support::hash::checksum;
use crate::support::progress::{Progress, say};
use crate::support::threads::{Room, Taken};

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

/// Refuses a picture's file that is too large.
pub(super) fn small_enough(bytes: u64) -> Result<()> {
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
pub(crate) fn read_picture(path: &Path) -> Result<Vec<u8>> {
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
pub(crate) fn room_for<'a>(room: &'a Room, bytes: &[u8]) -> Result<Taken<'a>> {
    Ok(room.take(imaging::memory(Cursor::new(bytes))?))
}

/// The memory of a contiguous u8 tensor on the CPU.
fn bytes_of(tensor: &mut Tensor) -> &mut [u8] {
    // SAFETY: the callers made the tensor themselves: contiguous, on the CPU, one byte an
    // element; and it is borrowed mutably as long as its bytes are.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) }
}

/// The first bytes of a cache file: another number where its format changes.
const MAGIC: &[u8; 8] = b"rorpix02";

/// Before the pixels: the magic bytes and a [`seal`].
const HEAD: usize = MAGIC.len() + size_of::<u64>();

/// Pixels are read and checked in pieces of so many bytes, on every core: most of the time is the
/// system's, which clears the new memory.
const PIECE: usize = 4 << 20;

pub(super) fn load(faces: &Faces, size: u32) -> Result<Pictures> {
    ensure!((8..=512).contains(&size), "pictures of {size} px: choose 8 to 512");
    let side = i64::from(size);
    let shape = [faces.len() as i64, side, side, 3];
    let mut tensor = Tensor::f_empty(shape, (Kind::Uint8, Device::Cpu))?;
    let file = files::cache().join(format!("pictures-{size}px-{}.bin", faces.fingerprint()));
    let bytes = bytes_of(&mut tensor);
    if !faces.is_kept() {
        resize_all(faces, size, bytes)?;
        return Ok(Pictures { tensor, size });
    }
    files::clean_cache();
    let known = file.exists() && {
        let read = read_cache(&file, faces.fingerprint(), bytes);
        if let Err(error) = &read {
            say(&format!(
                "note: the resized pictures in {} are damaged or of another version, and are made \
                 anew: {error:#}",
                file.display()
            ));
        }
        read.is_ok()
    };
    if !known {
        resize_all(faces, size, bytes)?;
        let pieces = bytes.par_chunks(PIECE).map(checksum).collect::<Vec<_>>();
        let _writing = files::writing_to_cache();
        let written = files::write_with(&file, |out| {
            out.write_all(MAGIC)?;
            out.write_all(&seal(faces.fingerprint(), &pieces))?;
            Ok(out.write_all(bytes)?)
        });
        if let Err(error) = written {
            say(&format!("note: the resized pictures are not kept for next time: {error:#}"));
        }
    }
    Ok(Pictures { tensor, size })
}

/// A checksum over what made the pixels, of which set they are, and their pieces' checksums.
fn seal(set: &str, pieces: &[u64]) -> [u8; 8] {
    let mut all = format!("{VERSION} {set} ").into_bytes();
    all.extend(pieces.iter().flat_map(|piece| piece.to_le_bytes()));
    checksum(&all).to_le_bytes()
}

fn read_cache(path: &Path, set: &str, pixels: &mut [u8]) -> Result<()> {
    let mut file = File::open(path)?;
    ensure!(file.metadata()?.len() == (HEAD + pixels.len()) as u64, "its length is another");
    let (mut magic, mut sealed) = ([0; MAGIC.len()], [0; size_of::<u64>()]);
    file.read_exact(&mut magic)?;
    ensure!(magic == *MAGIC, "its first bytes are others");
    file.read_exact(&mut sealed)?;
    let read_piece = |(i, pixels): (usize, &mut [u8])| -> Result<u64> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start((HEAD + i * PIECE) as u64))?;
        file.read_exact(pixels)?;
        Ok(checksum(pixels))
    };
    let pieces = pixels.par_chunks_mut(PIECE).enumerate().map(read_piece);
    ensure!(seal(set, &pieces.collect::<Result<Vec<_>>>()?) == sealed, "its checksum is another");
    Ok(())
}

fn resize_all(faces: &Faces, size: u32, pixels: &mut [u8]) -> Result<()> {
    let progress = Progress::new("preparing pictures", faces.len());
    let each = (size * size * 3) as usize;
    let bad: Vec<Option<String>> = pixels
        .par_chunks_mut(each)
        .enumerate()
        .map_init(Resizer::default, |resizer, (index, out)| {
            let done =
                faces.picture(index).and_then(|picture| resizer.resize_into(&picture, size, out));
            progress.step()?;
            Ok(done.err().map(|error| format!("{error:#}")))
        })
        .collect::<Result<_>>()?;
    drop(progress);
    let bad: Vec<String> = bad.into_iter().flatten().collect();
    if !bad.is_empty() {
        let shown = bad.iter().take(10).map(String::as_str).collect::<Vec<_>>().join("\n  ");
        let more = if bad.len() > 10 { "\n  ..." } else { "" };
        bail!(
            "{} of {} pictures can't be used; replace or remove them:\n  {shown}{more}",
            bad.len(),
            faces.len()
        );
    }
    Ok(())
}
