//! All images of a set in one size, kept in the cache.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::PoisonError;

use anyhow::{Result, ensure};
use imaging::{Resizer, VERSION};
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

use super::Faces;
use utils::files;
use utils::hash::checksum;
use utils::paths;
use utils::progress::{Progress, say};

impl Faces {
    /// Returns every image resized to `size` x `size`, in order of the records, as a tensor
    /// `[n, size, size, 3]` of bytes, RGB: decoded in parallel at first, from the cache on disk
    /// afterwards, and from memory while the set is open. Channels are last, as decoders write them
    /// and as convolutions run fastest.
    ///
    /// # Errors
    /// An image that can't be read or decoded (the message lists them), or `size` outside 8..=512.
    pub fn pictures(&self, size: u32) -> Result<Tensor> {
        // The value is complete even if a thread panicked while holding the lock.
        let mut last = self.last().lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pictures) = last.as_ref().filter(|last| last.size()[1] == i64::from(size)) {
            return Ok(pictures.shallow_clone());
        }
        let pictures = load(self, size)?;
        *last = Some(pictures.shallow_clone());
        Ok(pictures)
    }
}

/// The bytes of a contiguous u8 tensor on the CPU.
fn bytes_of(tensor: &mut Tensor) -> &mut [u8] {
    // SAFETY: the callers made the tensor: contiguous, on the CPU, one byte per element. It is
    // borrowed mutably as long as its bytes are.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) }
}

/// First bytes of a cache file; the number changes with its format.
const MAGIC: &[u8; 8] = b"rorpix02";

/// Size of the header: the magic bytes and a [`seal`].
const HEAD: usize = MAGIC.len() + size_of::<u64>();

/// Bytes per piece: pixels are read and checked in pieces on every core, since most of the time is
/// the system's, which clears the new memory.
const PIECE: usize = 4 << 20;

fn load(faces: &Faces, size: u32) -> Result<Tensor> {
    ensure!((8..=512).contains(&size), "the image size is {size} px: choose 8 to 512");
    let side = i64::from(size);
    let shape = [faces.len() as i64, side, side, 3];
    let mut tensor = Tensor::f_empty(shape, (Kind::Uint8, Device::Cpu))?;
    let file = paths::cache().join(format!("pictures-{size}px-{}.bin", faces.fingerprint()));
    let bytes = bytes_of(&mut tensor);
    if !faces.is_kept() {
        resize_all(faces, size, bytes)?;
        return Ok(tensor);
    }
    files::clean_cache();
    let known = file.exists() && {
        let read = read_cache(&file, faces.fingerprint(), bytes);
        if let Err(error) = &read {
            say(&format!(
                "note: the resized images in {} are damaged or of another version; resizing them \
                 again: {error:#}",
                file.display()
            ));
        }
        read.is_ok()
    };
    if !known {
        resize_all(faces, size, bytes)?;
        let pieces = bytes.par_chunks(PIECE).map(checksum).collect::<Vec<_>>();
        let _writing = files::writing_to_cache();
        let written = files::write_cached(&file, |out| {
            out.write_all(MAGIC)?;
            out.write_all(&seal(faces.fingerprint(), &pieces))?;
            Ok(out.write_all(bytes)?)
        });
        if let Err(error) = written {
            say(&format!("note: cannot save the resized images for the next run: {error:#}"));
        }
    }
    Ok(tensor)
}

/// Checksum of the resizing version, the set and the checksums of the pieces.
fn seal(set: &str, pieces: &[u64]) -> [u8; 8] {
    let mut all = format!("{VERSION} {set} ").into_bytes();
    all.extend(pieces.iter().flat_map(|piece| piece.to_le_bytes()));
    checksum(&all).to_le_bytes()
}

fn read_cache(path: &Path, set: &str, pixels: &mut [u8]) -> Result<()> {
    let mut file = File::open(path)?;
    ensure!(file.metadata()?.len() == (HEAD + pixels.len()) as u64, "unexpected length");
    let (mut magic, mut sealed) = ([0; MAGIC.len()], [0; size_of::<u64>()]);
    file.read_exact(&mut magic)?;
    ensure!(magic == *MAGIC, "unexpected first bytes");
    file.read_exact(&mut sealed)?;
    let read_piece = |(i, pixels): (usize, &mut [u8])| -> Result<u64> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start((HEAD + i * PIECE) as u64))?;
        file.read_exact(pixels)?;
        Ok(checksum(pixels))
    };
    let pieces = pixels.par_chunks_mut(PIECE).enumerate().map(read_piece);
    ensure!(seal(set, &pieces.collect::<Result<Vec<_>>>()?) == sealed, "checksum mismatch");
    Ok(())
}

fn resize_all(faces: &Faces, size: u32, pixels: &mut [u8]) -> Result<()> {
    let progress = Progress::new("preparing images", faces.len());
    let each = (size * size * 3) as usize;
    let bad: Vec<Option<(usize, String)>> = pixels
        .par_chunks_mut(each)
        .enumerate()
        .map_init(Resizer::default, |resizer, (index, out)| {
            // Without the name of the image, which is added once.
            let picture = faces.source().picture(index);
            let done = picture.and_then(|picture| resizer.resize_into(&picture, size, out));
            progress.step()?;
            let name = |error| format!("{} ({error:#})", faces.all()[index].file);
            Ok(done.err().map(|error| (index, name(error))))
        })
        .collect::<Result<_>>()?;
    drop(progress);
    let bad: Vec<(usize, String)> = bad.into_iter().flatten().collect();
    match bad.is_empty() {
        true => Ok(()),
        false => Err(BadImages { bad, all: faces.len(), size }.into()),
    }
}

/// Images that can't be decoded.
#[derive(Debug)]
pub(super) struct BadImages {
    /// The index of each, and its name with the reason.
    pub(super) bad: Vec<(usize, String)>,
    all: usize,
    size: u32,
}

impl fmt::Display for BadImages {
    /// Names the first ten.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bad, all, size } = self;
        let shown = bad.iter().take(10).map(|(_, why)| why.as_str()).collect::<Vec<_>>();
        let more = if bad.len() > 10 { ", ..." } else { "" };
        write!(
            f,
            "{} of {all} images can't be used; replace or remove them, or leave them out with \
             faces.readable({size})?: {}{more}",
            bad.len(),
            shown.join(", ")
        )
    }
}

impl std::error::Error for BadImages {}
