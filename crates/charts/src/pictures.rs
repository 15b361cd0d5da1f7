//! Images under a title: one in its own pixels, or many with captions.

use anyhow::{Context, Result, ensure};
use image::imageops::FilterType;
use image::{DynamicImage, GenericImageView, ImageFormat, RgbImage, imageops};
use imaging::{encode_jpeg, encode_png};
use plotters::style::text_anchor::HPos;

use crate::figure::{Figure, header, page};
use crate::style::{INK, MARGIN, TEXT, WRONG, lines, shrunk, text};
use utils::html::data_url;
use utils::progress::counted;

/// Side of the square that an image is fitted into, in pixels.
const EDGE: i32 = 124;
/// Space between two images, and height of a line of a caption.
const GAP: i32 = 14;
const LINE: i32 = 17;

/// An image in its own pixels under a title.
///
/// # Errors
/// An image without pixels.
pub fn picture(title: &str, picture: &RgbImage) -> Result<Figure> {
    enlarged(title, picture, 1)
}

/// An image whose pixels are shown as squares of `zoom` pixels, under a title.
///
/// # Errors
/// An image without pixels.
pub fn enlarged(title: &str, picture: &RgbImage, zoom: u32) -> Result<Figure> {
    let (wide, high) = picture.dimensions();
    ensure!(wide > 0 && high > 0, "the image has no pixels");
    let png = encode_png(picture)?;
    let note = format!("{wide} x {high} px");
    let (wide, high) = (wide * zoom, high * zoom);
    let size = (wide as i32 + 2 * MARGIN, high as i32 + MARGIN);
    let place = [MARGIN, header(title, &note), wide as i32, high as i32];
    let image = element(place, ImageFormat::Png, &png);
    Ok(page(size, title, &note, |_| Ok(()))?.with_elements(&image))
}

/// Grid of images, row by row, each with its caption below.
///
/// `pictures` are captions and encoded JPEG or PNG files. The figure embeds them, large ones as
/// JPEG of the displayed size, so that a notebook stays small.
///
/// # Errors
/// No images, `columns` of 0, or a file that is damaged or neither JPEG nor PNG.
pub fn picture_grid(title: &str, pictures: &[(String, Vec<u8>)], columns: usize) -> Result<Figure> {
    let pictures = pictures.iter().map(|(caption, file)| Captioned { caption, file, wrong: false });
    let pictures: Vec<Captioned<'_>> = pictures.collect();
    captioned(title, &counted(pictures.len(), "image"), &pictures, columns)
}

/// An image of [`captioned`].
pub struct Captioned<'a> {
    /// What stands below the image.
    pub caption: &'a str,
    /// A JPEG or PNG file.
    pub file: &'a [u8],
    /// Whether the caption is red.
    pub wrong: bool,
}

/// A [`picture_grid`] with a note, and the captions of some images in red.
///
/// # Errors
/// Those of [`picture_grid`].
pub fn captioned(
    title: &str,
    note: &str,
    pictures: &[Captioned<'_>],
    columns: usize,
) -> Result<Figure> {
    ensure!(!pictures.is_empty(), "there are no images to show");
    ensure!(columns > 0, "a grid of images needs at least one column");
    let columns = columns.min(pictures.len());
    let rows = pictures.len().div_ceil(columns) as i32;
    let width = 2 * MARGIN + columns as i32 * (EDGE + GAP) - GAP;
    let captions = pictures.iter().map(|one| lines(one.caption, TEXT, f64::from(EDGE)));
    let captions: Vec<Vec<String>> = captions.collect();
    let most = captions.iter().map(Vec::len).max().unwrap_or(1) as i32;
    let row_height = EDGE + 4 + LINE * most + GAP;
    let corner = |i: usize| {
        let (row, column) = ((i / columns) as i32, (i % columns) as i32);
        (MARGIN + column * (EDGE + GAP), 4 + row * row_height)
    };
    let mut images = String::new();
    for (i, Captioned { caption, file, .. }) in pictures.iter().enumerate() {
        let (format, picture) =
            inspect(file).with_context(|| format!("image {} ({caption:?})", i + 1))?;
        // Fit into the square, centered, without distortion.
        let (wide, high) = picture.dimensions();
        let scale = f64::from(EDGE) / f64::from(wide.max(high));
        let [wide, high] = [wide, high].map(|side| (f64::from(side) * scale) as i32);
        let (left, top) = corner(i);
        let (left, top) = (left + (EDGE - wide) / 2, top + (EDGE - high) / 2);
        let place = [left, top + header(title, note), wide, high];
        images += &match scale < 1.0 {
            true => {
                let size = (wide.max(1) as u32, high.max(1) as u32);
                let jpeg = small_jpeg(&picture.into_rgb8(), size, 85)?;
                element(place, ImageFormat::Jpeg, &jpeg)
            }
            false => element(place, format, file),
        };
    }
    let figure = page((width, rows * row_height + 4), title, note, |body| {
        for (i, (lines, one)) in captions.iter().zip(pictures).enumerate() {
            let (left, top) = corner(i);
            for (n, line) in lines.iter().enumerate() {
                // Only a word of its own is ever too long.
                let size = shrunk(line, TEXT, f64::from(EDGE + GAP - 2));
                let style = text(size, if one.wrong { WRONG } else { INK }, HPos::Center);
                let below = top + EDGE + 13 + LINE * n as i32;
                body.draw_text(line, &style, (left + EDGE / 2, below))?;
            }
        }
        Ok(())
    })?;
    Ok(figure.with_elements(&images))
}

/// Encodes an image as JPEG of this size and quality.
pub fn small_jpeg(picture: &RgbImage, (width, height): (u32, u32), quality: u8) -> Result<Vec<u8>> {
    encode_jpeg(&imageops::resize(picture, width, height, FilterType::Triangle), quality)
}

/// Format and pixels of an image file that can be decoded.
fn inspect(bytes: &[u8]) -> Result<(ImageFormat, DynamicImage)> {
    let format = image::guess_format(bytes).ok();
    let format = format.filter(|f| matches!(f, ImageFormat::Jpeg | ImageFormat::Png));
    let format = format.context("the file is neither JPEG nor PNG: convert it first")?;
    let picture =
        image::load_from_memory_with_format(bytes, format).context("the file is damaged")?;
    let (wide, high) = picture.dimensions();
    ensure!(wide > 0 && high > 0, "the file has no pixels");
    Ok((format, picture))
}

/// An SVG element that embeds a file; the pixels of a PNG stay squares.
pub(crate) fn element([x, y, wide, high]: [i32; 4], format: ImageFormat, bytes: &[u8]) -> String {
    let how = if format == ImageFormat::Png { "pixelated" } else { "auto" };
    format!(
        "<image x=\"{x}\" y=\"{y}\" width=\"{wide}\" height=\"{high}\" style=\"image-rendering:{how}\" href=\"{}\"/>\n",
        data_url(format.to_mime_type(), bytes)
    )
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::Rgb;

    use super::*;

    fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        RgbImage::from_pixel(width, height, Rgb([200, 30, 30]))
            .write_to(&mut bytes, format)
            .unwrap();
        bytes.into_inner()
    }

    #[test]
    fn grid_embeds_pictures_and_escapes_captions() {
        let pictures = [
            ("Male: <23>".to_string(), encoded(20, 20, ImageFormat::Jpeg)),
            ("Female: 5".to_string(), encoded(20, 10, ImageFormat::Png)),
            ("Female: 7".to_string(), encoded(20, 10, ImageFormat::Png)),
        ];
        let figure = picture_grid("Faces", &pictures, 2).unwrap();
        let svg = figure.svg();
        assert_eq!(svg.matches("<image ").count(), 3);
        assert_eq!(svg.matches("data:image/jpeg;base64,").count(), 1);
        assert_eq!(svg.matches("data:image/png;base64,").count(), 2);
        assert!(svg.contains("width=\"124\" height=\"62\""), "not distorted");
        assert!(svg.contains("Male: &lt;23&gt;") && !svg.contains("<23>"));
        assert!(svg.contains("3 images"));
        assert!(svg.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn png_shows_the_pictures() {
        let jpeg = encoded(20, 20, ImageFormat::Jpeg);
        let one = RgbImage::from_pixel(124, 124, Rgb([200, 30, 30]));
        let folder = tempfile::tempdir().unwrap();
        for figure in [picture_grid("Faces", &[("Red".to_string(), jpeg)], 5), picture("Red", &one)]
        {
            let path = folder.path().join("picture.png");
            figure.unwrap().save(&path).unwrap();
            let drawn = image::open(path).unwrap().to_rgb8();
            let (x, y) = (MARGIN + EDGE / 2, header("Red", "n") + EDGE / 2);
            let Rgb([red, green, blue]) = *drawn.get_pixel(2 * x as u32, 2 * y as u32);
            assert!(red > 180 && green < 60 && blue < 60, "{red} {green} {blue}");
        }
    }

    #[test]
    fn unusable_pictures_are_errors() {
        let good = ("ok".to_string(), encoded(4, 4, ImageFormat::Png));
        assert!(picture("None", &RgbImage::new(0, 3)).is_err());
        assert!(picture_grid("None", &[], 3).is_err());
        assert!(picture_grid("Columns", std::slice::from_ref(&good), 0).is_err());
        let text = ("text".to_string(), b"hello".to_vec());
        let message = format!("{:#}", picture_grid("Text", &[good, text], 3).unwrap_err());
        assert!(message.contains("image 2") && message.contains("neither JPEG nor PNG"));
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let whole = encoded(40, 40, format);
            let cut = ("cut".to_string(), whole[..whole.len() / 2].to_vec());
            assert!(picture_grid("Cut", &[cut], 3).is_err(), "{format:?}");
        }
    }
}
