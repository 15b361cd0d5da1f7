//! Decoding and resizing of pictures.
//!
//! A crate of its own, compiled in one piece at the highest level of optimisation: the decoders are
//! generic, so their loops are compiled where they are used, and the crate that edits are made in
//! must compile quickly.

use std::io::{BufRead, Cursor, Seek};

use anyhow::{Context, Result, anyhow, ensure};
use fast_image_resize as fir;
use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{
    ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Rgb, RgbImage, RgbaImage,
};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::{colorspace::ColorSpace, options::DecoderOptions};

/// Which pixels [`decode`] and [`resize`] give: count it up where they come to give others, an update
/// of the libraries included, so that pictures cached before are made anew.
pub const VERSION: u32 = 1;

/// The most pixels that a picture may declare: 120 megapixels.
pub const MOST_PIXELS: u64 = 120_000_000;
/// The most bytes that decoding a picture may take: 7 for each of [`MOST_PIXELS`].
pub const MOST_MEMORY: u64 = 7 * MOST_PIXELS;

/// How a JPEG begins.
const JPEG: [u8; 2] = [0xFF, 0xD8];
const NO_PICTURE: &str = "not a JPEG, PNG or WebP picture";

/// The bytes that decoding a picture takes, beside those of its file, by what its header declares.
///
/// # Errors
/// What is not a picture, declares no pixels or more than [`MOST_PIXELS`], or takes more than
/// [`MOST_MEMORY`].
pub fn memory(mut picture: impl BufRead + Seek) -> Result<u64> {
    let (width, height, each) = if picture.fill_buf()?.starts_with(&JPEG) {
        let options =
            DecoderOptions::default().set_max_width(usize::MAX).set_max_height(usize::MAX);
        let mut decoder = JpegDecoder::new_with_options(picture, options);
        decoder.decode_headers().map_err(|error| anyhow!("a damaged or cut-off JPEG: {error}"))?;
        let header = decoder.info().context("a JPEG without dimensions")?;
        // Decoded, and turned upright; of a progressive one all coefficients are kept, 2 bytes each.
        let each = if header.sof.is_progressive() { 3 + 6 } else { 3 + 3 };
        (u32::from(header.width), u32::from(header.height), each)
    } else {
        let mut reader = ImageReader::new(picture).with_guessed_format()?;
        reader.no_limits(); // these are ours
        let decoder = reader.into_decoder().context(NO_PICTURE)?;
        let (width, height) = decoder.dimensions();
        // Decoded, and then made RGB, or RGBA where it has an alpha channel.
        let each = match decoder.color_type() {
            ColorType::Rgb8 => 3 + 3,
            color => u64::from(color.bytes_per_pixel()) + 3 + u64::from(color.has_alpha()),
        };
        (width, height, each)
    };
    ensure!(width > 0 && height > 0, "a picture of {width} x {height} pixels");
    let pixels = u64::from(width) * u64::from(height);
    ensure!(
        pixels <= MOST_PIXELS,
        "a picture of {width} x {height} pixels: at most {} million are taken",
        MOST_PIXELS / 1_000_000
    );
    ensure!(
        each * pixels <= MOST_MEMORY,
        "a picture of {width} x {height} pixels that takes {} MB to decode: at most {} are taken; \
         save it with 8 bits a channel, or as a JPEG that is not progressive",
        each * pixels / 1_000_000,
        MOST_MEMORY / 1_000_000
    );
    Ok(each * pixels)
}

/// Decodes a JPEG (or PNG or WebP) picture to RGB.
///
/// # Errors
/// Bytes that are not such a picture or are cut off, or a picture that [`memory`] refuses.
pub fn decode(bytes: &[u8]) -> Result<RgbImage> {
    memory(Cursor::new(bytes))?;
    if !bytes.starts_with(&JPEG) {
        let picture = DynamicImage::from_decoder(decoder(bytes)?).context(DAMAGED)?;
        return Ok(picture.into_rgb8());
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

/// Decodes a photograph as people have them (JPEG, PNG or WebP; grey, CMYK, 16 bit, with an alpha
/// channel) to RGB: upright by its EXIF orientation, and over white where it is transparent.
///
/// # Errors
/// Bytes that are not such a picture or are cut off, or a picture that [`memory`] refuses.
pub fn decode_photo(bytes: &[u8]) -> Result<RgbImage> {
    memory(Cursor::new(bytes))?;
    if bytes.starts_with(&JPEG) {
        ensure!(ends_whole(bytes), "a cut-off JPEG: its end marker is missing");
    }
    let mut decoder = decoder(bytes)?;
    // A damaged EXIF block says nothing about the picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder).context(DAMAGED)?;
    let picture = match picture.color().has_alpha() {
        true => over_white(picture.into_rgba8())?,
        false => picture.into_rgb8(),
    };
    let mut picture = DynamicImage::from(picture);
    picture.apply_orientation(orientation);
    Ok(picture.into_rgb8())
}

const DAMAGED: &str = "a damaged picture";

fn decoder(bytes: &[u8]) -> Result<impl ImageDecoder> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    reader.no_limits(); // they were looked at
    reader.into_decoder().context(NO_PICTURE)
}

/// A picture over white where it is transparent: in its own memory.
fn over_white(picture: RgbaImage) -> Result<RgbImage> {
    let (width, height) = picture.dimensions();
    let mut levels = picture.into_raw();
    let pixels = levels.len() / 4;
    for pixel in 0..pixels {
        let alpha = u32::from(levels[4 * pixel + 3]);
        for channel in 0..3 {
            let level = u32::from(levels[4 * pixel + channel]);
            let over = (level * alpha + 255 * (255 - alpha) + 127) / 255;
            levels[3 * pixel + channel] = over as u8;
        }
    }
    levels.truncate(3 * pixels);
    RgbImage::from_raw(width, height, levels).context("a picture with too few pixels")
}

/// Whether a JPEG has its end marker; some writers pad behind it.
fn ends_whole(bytes: &[u8]) -> bool {
    bytes.windows(2).rev().take(4096).any(|pair| pair == [0xFF, 0xD9])
}

/// Encodes a picture as PNG.
///
/// # Errors
/// A picture without pixels.
pub fn encode_png(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(vec![]);
    picture.write_to(&mut bytes, ImageFormat::Png).context("cannot encode a picture as PNG")?;
    Ok(bytes.into_inner())
}

/// Encodes a picture as JPEG of a quality of 1 to 100.
///
/// # Errors
/// A picture without pixels.
pub fn encode_jpeg(picture: &RgbImage, quality: u8) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
    picture.write_with_encoder(encoder).context("cannot encode a picture as JPEG")?;
    Ok(bytes)
}

/// The level of each colour at a place between pixels, bilinear. `beyond` says which pixel stands at
/// a place along a side of so many pixels; none is black.
pub fn bilinear(
    picture: &RgbImage,
    x: f64,
    y: f64,
    beyond: impl Fn(f64, u32) -> Option<u32>,
) -> Rgb<u8> {
    let (left, top) = (x.floor(), y.floor());
    let (x_share, y_share) = (x - left, y - top);
    let mut levels = [0.0; 3];
    for (dx, dy, share) in [
        (0.0, 0.0, (1.0 - x_share) * (1.0 - y_share)),
        (1.0, 0.0, x_share * (1.0 - y_share)),
        (0.0, 1.0, (1.0 - x_share) * y_share),
        (1.0, 1.0, x_share * y_share),
    ] {
        let at = (beyond(left + dx, picture.width()), beyond(top + dy, picture.height()));
        if let (Some(u), Some(v)) = at {
            for (level, own) in levels.iter_mut().zip(picture.get_pixel(u, v).0) {
                *level += share * f64::from(own);
            }
        }
    }
    Rgb(levels.map(|level| level.round() as u8))
}

/// Resizes to `size` x `size` with a Lanczos filter of three lobes, as Pillow's LANCZOS.
///
/// # Errors
/// A picture or a size of 0 pixels.
pub fn resize(picture: &RgbImage, size: u32) -> Result<RgbImage> {
    let mut out = RgbImage::new(size, size);
    Resizer::default().resize_into(picture, size, &mut out)?;
    Ok(out)
}

/// Resizes many pictures with the same memory.
#[derive(Debug, Default)]
pub struct Resizer(fir::Resizer);

impl Resizer {
    /// [`resize`] into RGB bytes, `size` x `size` x 3.
    ///
    /// # Errors
    /// A picture or a size of 0 pixels, or another number of bytes.
    pub fn resize_into(&mut self, picture: &RgbImage, size: u32, out: &mut [u8]) -> Result<()> {
        let (width, height) = picture.dimensions();
        ensure!(
            width > 0 && height > 0 && size > 0,
            "{width} x {height} pixels can't be resized to {size} x {size}"
        );
        let from =
            fir::images::ImageRef::new(width, height, picture.as_raw(), fir::PixelType::U8x3)?;
        let mut to = fir::images::Image::from_slice_u8(size, size, out, fir::PixelType::U8x3)?;
        let options = fir::ResizeOptions::new()
            .resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Lanczos3));
        Ok(self.0.resize(&from, &mut to, &options)?)
    }
}

/// A part of a picture, `[left, top, width, height]` in pixels, resized to `width` x `height`: by
/// the mean of what a pixel covers where it shrinks, bilinear where it grows.
///
/// # Errors
/// A part that is not in the picture, or a picture or size of 0 pixels.
pub fn resize_part(
    picture: &RgbImage,
    part: [f64; 4],
    width: u32,
    height: u32,
) -> Result<RgbImage> {
    let (wide, high) = picture.dimensions();
    ensure!(
        wide > 0 && high > 0 && width > 0 && height > 0,
        "{wide} x {high} pixels can't be resized to {width} x {height}"
    );
    let [left, top, w, h] = part;
    let from = fir::images::ImageRef::new(wide, high, picture.as_raw(), fir::PixelType::U8x3)?;
    let mut out = RgbImage::new(width, height);
    let mut to = fir::images::Image::from_slice_u8(width, height, &mut out, fir::PixelType::U8x3)?;
    let options = fir::ResizeOptions::new()
        .resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Bilinear))
        .crop(left, top, w, h);
    fir::Resizer::new().resize(&from, &mut to, &options)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_come_back_and_cut_ones_do_not() {
        let picture = RgbImage::from_fn(40, 30, |x, y| Rgb([6 * x as u8, 8 * y as u8, 90]));
        for (format, reach) in [(ImageFormat::Png, 0), (ImageFormat::Jpeg, 40)] {
            let mut bytes = vec![];
            picture.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
            let decoded = decode(&bytes).unwrap();
            assert_eq!(decoded.dimensions(), (40, 30));
            let apart = decoded.iter().zip(picture.iter()).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(apart.unwrap() <= reach, "{apart:?}");
            assert!(decode(&bytes[..bytes.len() / 2]).is_err());
        }
        assert!(decode(b"no picture").is_err());
        let small = resize(&picture, 10).unwrap();
        assert_eq!(small.dimensions(), (10, 10));
        assert!(small.get_pixel(9, 5).0[0] > small.get_pixel(0, 5).0[0] + 150);
        assert!(resize(&picture, 0).is_err());
    }

    /// Where this fails, caches hold other pixels than these: count [`VERSION`] up with the sum.
    #[test]
    fn the_version_is_that_of_the_pixels() {
        let picture =
            RgbImage::from_fn(40, 30, |x, y| Rgb([6 * x as u8, 8 * y as u8, (x * y) as u8]));
        let small = resize(&picture, 10).unwrap();
        let sum: usize =
            small.iter().enumerate().map(|(i, byte)| (i + 1) * usize::from(*byte)).sum();
        assert_eq!((VERSION, sum), (1, 5_932_399));
    }
}
