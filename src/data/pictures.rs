//! Pictures: decoded, resized, in one contiguous tensor, and cached.

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
use fast_image_resize as fir;
use image::RgbImage;
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::{colorspace::ColorSpace, options::DecoderOptions};

use super::Faces;
use crate::support::files;
use crate::support::progress::{Progress, say};

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

/// Decodes a JPEG (or PNG) picture to RGB.
///
/// # Errors
/// Bytes that are not such a picture, or are cut off.
pub fn decode(bytes: &[u8]) -> Result<RgbImage> {
    if !bytes.starts_with(&[0xFF, 0xD8]) {
        return Ok(image::load_from_memory(bytes)
            .context("not a JPEG or PNG picture")?
            .into_rgb8());
    }
    // Strict: a picture that is cut off is an error, not half a face above grey.
    let options =
        DecoderOptions::default().set_strict_mode(true).jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(Cursor::new(bytes), options);
    let pixels = decoder.decode().map_err(|error| anyhow!("a damaged or cut-off JPEG: {error}"))?;
    ensure!(ends_whole(bytes), "a cut-off JPEG: its end marker is missing");
    let (width, height) = decoder.dimensions().context("a JPEG without dimensions")?;
    RgbImage::from_raw(width as u32, height as u32, pixels).context("a JPEG with too few pixels")
}

/// Whether a JPEG has its end marker; some writers pad behind it.
fn ends_whole(bytes: &[u8]) -> bool {
    bytes.windows(2).rev().take(4096).any(|pair| pair == [0xFF, 0xD9])
}

/// Resizes to `size` x `size` with a Lanczos filter of three lobes, as Pillow's LANCZOS.
///
/// # Errors
/// A picture or a size of 0 pixels.
pub fn resize(picture: &RgbImage, size: u32) -> Result<RgbImage> {
    let mut out = RgbImage::new(size, size);
    resize_into(&mut fir::Resizer::new(), picture, size, &mut out)?;
    Ok(out)
}

fn resize_into(
    resizer: &mut fir::Resizer,
    picture: &RgbImage,
    size: u32,
    out: &mut [u8],
) -> Result<()> {
    let (width, height) = picture.dimensions();
    let from = fir::images::ImageRef::new(width, height, picture.as_raw(), fir::PixelType::U8x3)?;
    let mut to = fir::images::Image::from_slice_u8(size, size, out, fir::PixelType::U8x3)?;
    let options = fir::ResizeOptions::new()
        .resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Lanczos3));
    Ok(resizer.resize(&from, &mut to, &options)?)
}

/// The memory of a contiguous u8 tensor on the CPU.
fn bytes_of(tensor: &mut Tensor) -> &mut [u8] {
    // SAFETY: the callers made the tensor themselves: contiguous, on the CPU, one byte an
    // element; and it is borrowed mutably as long as its bytes are.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) }
}

/// The first bytes of a cache file: a changed format gets another number.
const MAGIC: &[u8; 8] = b"rorpix01";

pub(super) fn load(faces: &Faces, size: u32) -> Result<Pictures> {
    ensure!((8..=512).contains(&size), "pictures of {size} px: choose 8 to 512");
    let side = i64::from(size);
    let shape = [faces.len() as i64, side, side, 3];
    let mut tensor = Tensor::f_empty(shape, (Kind::Uint8, Device::Cpu))?;
    let file = files::cache().join(format!("pictures-{size}px-{}.bin", faces.fingerprint()));
    if read_cache(&file, bytes_of(&mut tensor)).is_err() {
        resize_all(faces, size, bytes_of(&mut tensor))?;
        let bytes = bytes_of(&mut tensor);
        let written = files::write_with(&file, |out| {
            out.write_all(MAGIC)?;
            Ok(out.write_all(bytes)?)
        });
        if let Err(error) = written {
            say(&format!("note: the resized pictures are not kept for next time: {error:#}"));
        }
    }
    Ok(Pictures { tensor, size })
}

fn read_cache(path: &Path, pixels: &mut [u8]) -> Result<()> {
    let mut file = File::open(path)?;
    ensure!(file.metadata()?.len() == (MAGIC.len() + pixels.len()) as u64);
    let mut magic = [0; MAGIC.len()];
    file.read_exact(&mut magic)?;
    ensure!(magic == *MAGIC);
    // In pieces on every core: most of the time is the system's, which clears the new memory.
    let piece = 4 << 20;
    pixels.par_chunks_mut(piece).enumerate().try_for_each(|(i, pixels)| {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start((MAGIC.len() + i * piece) as u64))?;
        Ok(file.read_exact(pixels)?)
    })
}

fn resize_all(faces: &Faces, size: u32, pixels: &mut [u8]) -> Result<()> {
    let progress = Progress::new("preparing pictures", faces.len());
    let each = (size * size * 3) as usize;
    let bad: Vec<String> = pixels
        .par_chunks_mut(each)
        .enumerate()
        .map_init(fir::Resizer::new, |resizer, (index, out)| {
            let done =
                faces.picture(index).and_then(|picture| resize_into(resizer, &picture, size, out));
            progress.step();
            done.err().map(|error| format!("{error:#}"))
        })
        .flatten()
        .collect();
    drop(progress);
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
