//! Pictures with captions.

use std::io::Cursor;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::ImageReader;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::figure::{Figure, Placed};
use super::style::{GRID, INK, MARGIN, NOTE, fit, header, page, text, thousands, title_width};

/// Edge of the square that a picture is fitted into, in pixels.
const EDGE: i32 = 124;
/// Space between two pictures, and height of a caption.
const GAP: i32 = 14;
const CAPTION: i32 = 24;

/// Grid of pictures, row by row, each with its caption below.
///
/// `pictures` are captions and encoded JPEG or PNG files; the figure embeds the
/// files as they are.
///
/// # Errors
///
/// When there is no picture, `columns` is 0, or a file is neither JPEG nor PNG
/// or is damaged.
pub fn picture_grid(title: &str, pictures: &[(String, Vec<u8>)], columns: usize) -> Result<Figure> {
    ensure!(!pictures.is_empty(), "there are no pictures to show");
    ensure!(columns > 0, "a grid of pictures needs at least one column");
    let columns = columns.min(pictures.len()) as i32;
    let rows = (pictures.len() as i32 + columns - 1) / columns;
    let note = format!(
        "n = {} picture{}",
        thousands(pictures.len()),
        if pictures.len() == 1 { "" } else { "s" }
    );
    let top = header(&note);
    let width = (2 * MARGIN + columns * (EDGE + GAP) - GAP).max(title_width(title, &note));
    let height = top + rows * (EDGE + CAPTION + GAP) + 4;

    let mut placed = Vec::with_capacity(pictures.len());
    let mut images = String::new();
    for (i, (caption, bytes)) in pictures.iter().enumerate() {
        let picture = || format!("picture {} ({caption:?})", i + 1);
        let mime = mime(bytes).with_context(picture)?;
        let (wide, high) = ImageReader::new(Cursor::new(bytes))
            .with_guessed_format()
            .with_context(picture)?
            .into_dimensions()
            .with_context(|| format!("{} is damaged", picture()))?;
        ensure!(wide > 0 && high > 0, "{} has no pixels", picture());
        // Fit into the square, centred, without distortion.
        let scale = EDGE as f32 / wide.max(high) as f32;
        let (wide, high) = (wide as f32 * scale, high as f32 * scale);
        let (left, upper) = corner(i, columns);
        let place = Placed {
            bytes: bytes.clone(),
            left: left as f32 + (EDGE as f32 - wide) / 2.0,
            top: (top + upper) as f32 + (EDGE as f32 - high) / 2.0,
            width: wide,
            height: high,
        };
        images += &format!(
            "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" href=\"data:{mime};base64,{}\"/>\n",
            place.left,
            place.top,
            place.width,
            place.height,
            STANDARD.encode(bytes)
        );
        placed.push(place);
    }
    let figure = page(width as u32, height as u32, title, &note, |body| {
        for (i, (caption, _)) in pictures.iter().enumerate() {
            let (left, upper) = corner(i, columns);
            body.draw(&Rectangle::new(
                [(left, upper), (left + EDGE, upper + EDGE)],
                GRID.filled(),
            ))?;
            let (caption, size) = fit(caption, NOTE, 10.0, f64::from(EDGE + GAP - 4));
            let style = text(size, INK, HPos::Center, VPos::Center);
            body.draw_text(&caption, &style, (left + EDGE / 2, upper + EDGE + 13))?;
        }
        Ok(())
    })?;
    Ok(figure.with_elements(&images).with_pictures(placed))
}

/// Upper left corner of the `i`-th picture below the page's header.
fn corner(i: usize, columns: i32) -> (i32, i32) {
    let (row, column) = (i as i32 / columns, i as i32 % columns);
    (
        MARGIN + column * (EDGE + GAP),
        row * (EDGE + CAPTION + GAP) + 4,
    )
}

/// Tells the file type by its first bytes.
fn mime(bytes: &[u8]) -> Result<&'static str> {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Ok("image/jpeg"),
        [0x89, b'P', b'N', b'G', ..] => Ok("image/png"),
        [] => bail!("the file is empty"),
        _ => bail!("the file is neither JPEG nor PNG: convert it first"),
    }
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, Rgb, RgbImage};

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
        assert!(svg.contains("Male: &lt;23&gt;") && !svg.contains("<23>"));
        assert!(svg.contains("n = 3 pictures"));
        assert!(svg.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn png_shows_the_pictures() {
        let pictures = [("Red".to_string(), encoded(20, 20, ImageFormat::Jpeg))];
        let figure = picture_grid("Faces", &pictures, 5).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grid.png");
        figure.save(&path).unwrap();
        let drawn = image::open(path).unwrap().to_rgb8();
        let (x, y) = (
            2 * (MARGIN + EDGE / 2) as u32,
            2 * (header("n") + 4 + EDGE / 2) as u32,
        );
        let Rgb([red, green, blue]) = *drawn.get_pixel(x, y);
        assert!(red > 180 && green < 60 && blue < 60, "{red} {green} {blue}");
    }

    #[test]
    fn unusable_pictures_are_errors() {
        let good = ("ok".to_string(), encoded(4, 4, ImageFormat::Png));
        assert!(picture_grid("None", &[], 3).is_err());
        assert!(picture_grid("Columns", std::slice::from_ref(&good), 0).is_err());
        let text = ("text".to_string(), b"hello".to_vec());
        let message = format!("{:#}", picture_grid("Text", &[good, text], 3).unwrap_err());
        assert!(message.contains("picture 2") && message.contains("neither JPEG nor PNG"));
        let cut = (
            "cut".to_string(),
            encoded(4, 4, ImageFormat::Png)[..10].to_vec(),
        );
        assert!(picture_grid("Cut", &[cut], 3).is_err());
    }
}
