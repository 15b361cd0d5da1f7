//! Decoding, encoding and resizing of images.
//!
//! The decoders are generic, so their loops are compiled in the crate that uses them. This crate is
//! compiled with full optimization, so that crates that are edited often can compile quickly.

mod frame;
mod huffman;
mod kinds;
mod progressive;
mod scan;
mod steps;

use std::io::{BufRead, Cursor, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Context, Result, anyhow, bail, ensure};
use fast_image_resize as fir;
use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{
    DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, Rgb, RgbImage, RgbaImage,
};
use image_webp::WebPDecoder;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::{colorspace::ColorSpace, options::DecoderOptions};

/// Version of the pixels that [`decode`] and [`resize`] return. Increment it whenever they change,
/// also through an update of a library, so that cached images are made again.
pub const VERSION: u32 = 2;

/// Maximum number of pixels in an image's header.
const MOST_PIXELS: u64 = 120_000_000;
/// Maximum number of bytes to decode an image.
const MOST_MEMORY: u64 = 7 * MOST_PIXELS;
/// Maximum number of bytes of a PNG's color profile and texts. They can expand a thousandfold.
const MOST_METADATA: u64 = 64 << 20;

/// The first bytes of a JPEG, a WebP and a PNG.
const JPEG: [u8; 2] = [0xFF, 0xD8];
const WEBP: &[u8] = b"RIFF";
const PNG: &[u8] = b"\x89PNG";
const NO_PICTURE: &str = "not a JPEG, PNG, WebP, BMP, GIF or TIFF image";

/// Runs a decoder and turns a panic into an error, so that one image can't end the work on others.
///
/// # Errors
/// An error of `work`, or a panic in it.
pub fn without_panic<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| bail!("the decoder panicked on this image"))
}

/// Returns the number of bytes needed to decode an image according to its header, excluding the
/// file itself: at most 840 MB. A PNG's metadata may take 64 MiB more.
///
/// # Errors
/// The input is not an image, or it has no pixels, has more than 120 megapixels or needs more
/// memory.
pub fn memory(mut picture: impl BufRead + Seek) -> Result<u64> {
    let (width, height, each) = without_panic(|| {
        let start = picture.fill_buf()?;
        if let Some(words) = kinds::unread(start) {
            bail!(words);
        }
        if start.starts_with(&JPEG) {
            jpeg_header(picture)
        } else if start.starts_with(WEBP) {
            webp_header(picture)
        } else {
            other_header(picture)
        }
    })?;
    ensure!(width > 0 && height > 0, "empty image ({width} x {height} pixels)");
    let pixels = u64::from(width) * u64::from(height);
    ensure!(
        pixels <= MOST_PIXELS,
        "image too large ({width} x {height} pixels): at most {} million pixels are supported",
        MOST_PIXELS / 1_000_000
    );
    ensure!(
        each * pixels <= MOST_MEMORY,
        "image needs too much memory ({width} x {height} pixels, {} MB to decode): at most {} MB \
         are supported; save it with 8 bits per channel or as a non-progressive JPEG",
        each * pixels / 1_000_000,
        MOST_MEMORY / 1_000_000
    );
    Ok(each * pixels)
}

/// Width, height, and bytes per pixel while decoding.
type Header = (u32, u32, u64);

fn jpeg_header(mut picture: impl BufRead + Seek) -> Result<Header> {
    let mut decoder = JpegDecoder::new_with_options(&mut picture, jpeg_options());
    decoder.decode_headers().map_err(damaged_jpeg)?;
    let header = decoder.info().context("the JPEG has no dimensions")?;
    // The reader is after the first scan's header, whose length depends on its component count.
    let mut end = [0; 16];
    picture.seek_relative(-(end.len() as i64))?;
    picture.read_exact(&mut end)?;
    let is_of = |n: u8| end[usize::from(8 - 2 * n)..].starts_with(&[0xFF, 0xDA, 0, 6 + 2 * n, n]);
    let several = header.sof.is_progressive() || (1..header.components.min(4)).any(is_of);
    // With several scans, all coefficients (2 bytes each) are kept until the last one.
    let coefficients = if several { 2 * u64::from(header.components) } else { 0 };
    // The decoded image, and its copy rotated upright.
    Ok((header.width.into(), header.height.into(), (3 + coefficients).max(3 + 3)))
}

fn webp_header(picture: impl BufRead + Seek) -> Result<Header> {
    let mut decoder = WebPDecoder::new(picture).context(NO_PICTURE)?;
    let (width, height) = decoder.dimensions();
    let alpha = u64::from(decoder.has_alpha());
    let each = match (decoder.is_animated(), decoder.is_lossy()) {
        // The image, and canvas and frame in RGBA.
        (true, _) => 3 + alpha + 4 + 4,
        // RGBA, then converted.
        (false, false) => 4 + 3 + alpha,
        // The image, its color planes (1.5, rounded up), an RGBA image for alpha, the alpha plane.
        (false, true) if alpha > 0 => 4 + 2 + 4 + 1,
        // The decoded image, and its copy rotated upright.
        (false, true) => 3 + 3,
    };
    Ok((width, height, each))
}

fn other_header(mut picture: impl BufRead + Seek) -> Result<Header> {
    // The frame of a GIF and the strips of a TIFF are in memory beside the image.
    let copies = if picture.fill_buf()?.starts_with(PNG) { 1 } else { 2 };
    let decoder = decoder(picture)?;
    let (width, height) = decoder.dimensions();
    // The decoded image, then converted to RGB, or to RGBA if it has an alpha channel.
    let color = decoder.color_type();
    let own = copies * u64::from(color.bytes_per_pixel());
    Ok((width, height, own + 3 + u64::from(color.has_alpha())))
}

/// Decodes an image (JPEG, PNG, WebP, BMP, TIFF or the first frame of a GIF; also grayscale, CMYK,
/// 16-bit or with an alpha channel) to RGB. Applies its EXIF orientation and puts transparent pixels on
/// white.
///
/// # Errors
/// The bytes are not such an image, are truncated or damaged, or [`memory`] rejects the image. A JPEG
/// must have its whole image up to its end marker; bytes behind that, such as a phone's video, are
/// ignored.
pub fn decode(bytes: &[u8]) -> Result<RgbImage> {
    memory(Cursor::new(bytes))?;
    without_panic(|| {
        let (picture, exif) = match bytes.starts_with(&JPEG) {
            true => decode_jpeg(bytes)?,
            false => decode_other(bytes)?,
        };
        // Ignore a damaged EXIF block.
        let orientation = exif.and_then(|exif| Orientation::from_exif_chunk(&exif));
        let mut picture = DynamicImage::from(picture);
        picture.apply_orientation(orientation.unwrap_or(Orientation::NoTransforms));
        Ok(picture.into_rgb8())
    })
}

const DAMAGED: &str = "the image is damaged";

fn damaged_jpeg(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("the JPEG is damaged or truncated: {error}")
}

/// Options that decode to RGB without a size limit, which [`memory`] enforces.
fn jpeg_options() -> DecoderOptions {
    DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_out_colorspace(ColorSpace::RGB)
}

/// An image and its EXIF block, if it has one.
type Decoded = (RgbImage, Option<Vec<u8>>);

fn decode_jpeg(bytes: &[u8]) -> Result<Decoded> {
    let options = jpeg_options().set_strict_mode(true);
    let mut decoder = JpegDecoder::new_with_options(Cursor::new(bytes), options);
    let pixels = decoder.decode().map_err(damaged_jpeg)?;
    // The decoder fills up what is missing: a face above gray, or smeared.
    scan::check(bytes).map_err(damaged_jpeg)?;
    let (width, height) = decoder.dimensions().context("the JPEG has no dimensions")?;
    let picture = RgbImage::from_raw(width as u32, height as u32, pixels);
    Ok((picture.context("the JPEG has too few pixels")?, decoder.exif().cloned()))
}

/// Decodes a PNG, WebP, BMP, GIF (its first frame) or TIFF, and puts transparent pixels on white.
fn decode_other(bytes: &[u8]) -> Result<Decoded> {
    let mut decoder = decoder(Cursor::new(bytes))?;
    // A TIFF has it among its own fields, not in an EXIF block.
    let is_tiff = bytes.starts_with(b"II") || bytes.starts_with(b"MM");
    let turned = if is_tiff { decoder.orientation().ok() } else { None };
    let exif = match bytes.starts_with(WEBP) {
        true => {
            // Limited, because a small file may declare a block of gigabytes.
            let mut limited = WebPDecoder::new(Cursor::new(bytes)).context(NO_PICTURE)?;
            limited.set_memory_limit(bytes.len());
            limited.exif_metadata().ok().flatten()
        }
        false => decoder.exif_metadata().ok().flatten(),
    };
    let mut picture = DynamicImage::from_decoder(decoder).context(DAMAGED)?;
    picture.apply_orientation(turned.unwrap_or(Orientation::NoTransforms));
    let picture = match picture.color().has_alpha() {
        true => over_white(picture.into_rgba8())?,
        false => picture.into_rgb8(),
    };
    Ok((picture, exif))
}

/// Creates a decoder for what is not a JPEG. For a PNG or WebP, its memory limit applies only to
/// metadata, which a PNG inflates before its pixels.
fn decoder<'a>(picture: impl BufRead + Seek + 'a) -> Result<impl ImageDecoder + 'a> {
    let mut reader = ImageReader::new(picture).with_guessed_format()?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(match reader.format() {
        Some(ImageFormat::Png | ImageFormat::WebP) => MOST_METADATA,
        _ => MOST_MEMORY,
    });
    reader.limits(limits);
    reader.into_decoder().context(NO_PICTURE)
}

/// Puts an image on white, reusing its memory.
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
    RgbImage::from_raw(width, height, levels).context("the image has too few pixels")
}

/// Encodes an image as PNG.
///
/// # Errors
/// The image has no pixels.
pub fn encode_png(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(vec![]);
    picture.write_to(&mut bytes, ImageFormat::Png).context("cannot encode the image as PNG")?;
    Ok(bytes.into_inner())
}

/// Encodes an image as JPEG with a quality of 1 to 100.
///
/// # Errors
/// The image has no pixels.
pub fn encode_jpeg(picture: &RgbImage, quality: u8) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
    picture.write_with_encoder(encoder).context("cannot encode the image as JPEG")?;
    Ok(bytes)
}

/// Samples an image at a fractional position with bilinear interpolation. `beyond` maps a
/// coordinate and the length of that side to a pixel; `None` is black.
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

/// Resizes to `size` x `size` with a three-lobe Lanczos filter, like Pillow's `LANCZOS`.
///
/// # Errors
/// The image or `size` has 0 pixels.
pub fn resize(picture: &RgbImage, size: u32) -> Result<RgbImage> {
    let mut out = RgbImage::new(size, size);
    Resizer::default().resize_into(picture, size, &mut out)?;
    Ok(out)
}

/// Resizes many images and reuses its memory.
#[derive(Debug, Default)]
pub struct Resizer(fir::Resizer);

impl Resizer {
    /// Like [`resize`], into RGB bytes of shape `size` x `size` x 3.
    ///
    /// # Errors
    /// The image or `size` has 0 pixels, or `out` has the wrong length.
    pub fn resize_into(&mut self, picture: &RgbImage, size: u32, out: &mut [u8]) -> Result<()> {
        let (width, height) = picture.dimensions();
        ensure!(
            width > 0 && height > 0 && size > 0,
            "cannot resize {width} x {height} pixels to {size} x {size}"
        );
        let from =
            fir::images::ImageRef::new(width, height, picture.as_raw(), fir::PixelType::U8x3)?;
        let mut to = fir::images::Image::from_slice_u8(size, size, out, fir::PixelType::U8x3)?;
        let options = fir::ResizeOptions::new()
            .resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Lanczos3));
        Ok(self.0.resize(&from, &mut to, &options)?)
    }
}

/// Resizes a region of an image, `[left, top, width, height]` in pixels, to `width` x `height`.
/// Uses bilinear interpolation, with antialiasing when shrinking.
///
/// # Errors
/// The region is not inside the image, or the image or size has 0 pixels.
pub fn resize_part(
    picture: &RgbImage,
    part: [f64; 4],
    width: u32,
    height: u32,
) -> Result<RgbImage> {
    let (wide, high) = picture.dimensions();
    ensure!(
        wide > 0 && high > 0 && width > 0 && height > 0,
        "cannot resize {wide} x {high} pixels to {width} x {height}"
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
        let wide = encode_jpeg(&RgbImage::new(20_000, 1), 90).unwrap();
        assert_eq!(decode(&wide).unwrap().dimensions(), (20_000, 1));
        let small = resize(&picture, 10).unwrap();
        assert_eq!(small.dimensions(), (10, 10));
        assert!(small.get_pixel(9, 5).0[0] > small.get_pixel(0, 5).0[0] + 150);
        assert!(resize(&picture, 0).is_err());
    }

    fn frame(marker: u8, width: u16, height: u16, components: u8) -> Vec<u8> {
        let mut frame = vec![0xFF, marker, 0, 8 + 3 * components, 8];
        frame.extend([height.to_be_bytes(), width.to_be_bytes()].concat());
        frame.push(components);
        (1..=components).for_each(|id| frame.extend([id, 0x11, 0]));
        frame
    }

    fn scan(components: u8) -> Vec<u8> {
        let mut scan = vec![0xFF, 0xDA, 0, 6 + 2 * components, components];
        (1..=components).for_each(|id| scan.extend([id, 0]));
        scan.extend([0, 63, 0]);
        scan
    }

    #[test]
    fn a_panic_is_an_error_of_its_picture() {
        let error = without_panic(|| -> Result<()> { panic!("as it should") }).unwrap_err();
        assert_eq!(error.to_string(), "the decoder panicked on this image");
        assert_eq!(without_panic(|| Ok(3)).unwrap(), 3);
        // A progressive JPEG with one component that later claims YCCK, so the decoder expects
        // more.
        let panics = include_bytes!("../../../tests/photos/panics.jpg");
        assert!(memory(Cursor::new(panics)).is_ok());
        let error = decode(panics).unwrap_err().to_string();
        assert_eq!(error, "the decoder panicked on this image");
    }

    /// Makes a WebP chunk.
    fn chunk(name: &[u8], content: &[u8]) -> Vec<u8> {
        [name, &(content.len() as u32).to_le_bytes(), content].concat()
    }

    fn webp(chunks: &[Vec<u8>]) -> Vec<u8> {
        chunk(b"RIFF", &[b"WEBP", &*chunks.concat()].concat())
    }

    fn lossless(width: u32, height: u32, alpha: bool) -> Vec<u8> {
        let bits = (width - 1) | (height - 1) << 14 | u32::from(alpha) << 28;
        chunk(b"VP8L", &[&[0x2F][..], &bits.to_le_bytes(), &[0]].concat())
    }

    fn lossy(width: u32, height: u32) -> Vec<u8> {
        let size = [(width as u16).to_le_bytes(), (height as u16).to_le_bytes()].concat();
        chunk(b"VP8 ", &[&[0, 0, 0, 0x9D, 1, 0x2A][..], &size].concat())
    }

    fn extended(flags: u8, width: u32, height: u32, more: &[Vec<u8>]) -> Vec<u8> {
        let size = [&(width - 1).to_le_bytes()[..3], &(height - 1).to_le_bytes()[..3]].concat();
        let head = chunk(b"VP8X", &[&[flags, 0, 0, 0], &*size].concat());
        webp(&[&[head], more].concat())
    }

    fn animated(alpha: u8, width: u32, height: u32) -> Vec<u8> {
        let frame = [vec![0; 16], lossless(8, 8, true)].concat();
        extended(2 | alpha, width, height, &[chunk(b"ANIM", &[0; 6]), chunk(b"ANMF", &frame)])
    }

    /// Makes a 16-bit RGBA PNG that ends before its pixels.
    fn deep_png(width: u32, height: u32) -> Vec<u8> {
        let picture = DynamicImage::new_rgba16(1, 1);
        let mut png = Cursor::new(vec![]);
        picture.write_to(&mut png, ImageFormat::Png).unwrap();
        let mut png = png.into_inner();
        png[16..24].copy_from_slice(&[width.to_be_bytes(), height.to_be_bytes()].concat());
        let mut crc = !0u32;
        for byte in &png[12..29] {
            crc ^= u32::from(*byte);
            (0..8).for_each(|_| crc = crc >> 1 ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 });
        }
        png[29..33].copy_from_slice(&(!crc).to_be_bytes());
        png
    }

    /// Tests the largest supported image of each kind, 10,000 pixels high, and one column more.
    #[test]
    fn memory_is_counted_by_the_header_and_limited() {
        const HIGH: u32 = 10_000;
        let jpeg = |marker: u8, components: u8, in_first: u8| {
            move |width: u32| {
                let frame = frame(marker, width as u16, HIGH as u16, components);
                [&JPEG[..], &frame, &scan(in_first)].concat()
            }
        };
        type Made = Box<dyn Fn(u32) -> Vec<u8>>;
        let kinds: [(&str, u64, u32, Made); 14] = [
            ("JPEG", 6, 12_000, Box::new(jpeg(0xC0, 3, 3))),
            ("CMYK JPEG", 6, 12_000, Box::new(jpeg(0xC0, 4, 4))),
            ("grey progressive JPEG", 6, 12_000, Box::new(jpeg(0xC2, 1, 1))),
            ("JPEG in several scans", 9, 9_333, Box::new(jpeg(0xC0, 3, 1))),
            ("JPEG in two scans", 9, 9_333, Box::new(jpeg(0xC1, 3, 2))),
            ("progressive JPEG", 9, 9_333, Box::new(jpeg(0xC2, 3, 3))),
            ("progressive CMYK JPEG", 11, 7_636, Box::new(jpeg(0xC2, 4, 4))),
            ("lossy WebP", 6, 12_000, Box::new(|width| webp(&[lossy(width, HIGH)]))),
            (
                "lossy WebP with alpha",
                11,
                7_636,
                Box::new(|width| {
                    extended(16, width, HIGH, &[chunk(b"ALPH", &[0; 2]), lossy(width, HIGH)])
                }),
            ),
            ("lossless WebP", 7, 12_000, Box::new(|width| webp(&[lossless(width, HIGH, false)]))),
            (
                "lossless WebP with alpha",
                8,
                10_500,
                Box::new(|width| webp(&[lossless(width, HIGH, true)])),
            ),
            ("animated WebP", 11, 7_636, Box::new(|width| animated(0, width, HIGH))),
            ("animated WebP with alpha", 12, 7_000, Box::new(|width| animated(16, width, HIGH))),
            ("PNG of 16 bits with alpha", 12, 7_000, Box::new(|width| deep_png(width, HIGH))),
        ];
        for (kind, each, widest, made) in kinds {
            let bytes = memory(Cursor::new(made(widest)));
            let expected = each * u64::from(widest) * u64::from(HIGH);
            assert_eq!(bytes.unwrap(), expected, "{kind}");
            let error = memory(Cursor::new(made(widest + 1))).unwrap_err().to_string();
            let limit = if widest == 12_000 { "at most 120 million" } else { "at most 840" };
            assert!(error.contains(limit), "{kind}: {error}");
        }
    }

    /// Without a limit, the decoder would allocate what the header declares.
    #[test]
    fn a_webp_whose_exif_block_is_said_to_be_long_is_read_without_it() {
        let picture = RgbImage::from_pixel(8, 8, Rgb([200, 100, 50]));
        let mut plain = Cursor::new(vec![]);
        picture.write_to(&mut plain, ImageFormat::WebP).unwrap();
        let pixels = plain.into_inner()[12..].to_vec();
        let turned = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0";
        let mut exif = chunk(b"EXIF", turned);
        let upright = DynamicImage::from(picture.clone()).rotate180().into_rgb8();
        let file = |exif: &[u8]| extended(8, 8, 8, &[pixels.clone(), exif.to_vec()]);
        assert!(decode(&file(&exif)).unwrap() == upright);
        exif[4..8].copy_from_slice(&0xFFFF_FFF0u32.to_le_bytes());
        assert!(decode(&file(&exif)).unwrap() == picture);
    }

    /// If this fails, cached pixels are outdated: increment [`VERSION`] and update the sums.
    #[test]
    fn the_version_is_that_of_the_pixels() {
        let picture = decode(include_bytes!("../../../tests/photos/plain.jpg")).unwrap();
        let small = resize(&picture, 10).unwrap();
        let sum = |picture: &RgbImage| -> usize {
            picture.iter().enumerate().map(|(i, byte)| (i + 1) * usize::from(*byte)).sum()
        };
        assert_eq!((VERSION, sum(&picture), sum(&small)), (2, 7_594_138_721_191, 6_533_660));
    }
}
