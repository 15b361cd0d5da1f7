//! One large picture under a title.

use std::io::Cursor;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{ImageFormat, RgbImage};

use super::figure::{Figure, Placed};
use super::style::{MARGIN, header, page, title_width};

/// A picture in its own pixels under a title.
///
/// # Errors
/// A picture without pixels.
pub fn picture(title: &str, picture: &RgbImage) -> Result<Figure> {
    let (wide, high) = picture.dimensions();
    ensure!(
        wide > 0 && high > 0,
        "a picture without pixels can't be shown"
    );
    let mut png = Cursor::new(vec![]);
    picture
        .write_to(&mut png, ImageFormat::Png)
        .context("cannot encode the picture as PNG")?;
    let note = format!("{wide} x {high} px");
    let top = header(&note);
    let width = (2 * MARGIN + wide as i32).max(title_width(title, &note));
    let height = top + high as i32 + MARGIN;
    let place = Placed {
        bytes: png.into_inner(),
        left: MARGIN as f32,
        top: top as f32,
        width: wide as f32,
        height: high as f32,
    };
    let element = format!(
        "<image x=\"{}\" y=\"{}\" width=\"{wide}\" height=\"{high}\" style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{}\"/>\n",
        place.left,
        place.top,
        STANDARD.encode(&place.bytes)
    );
    let figure = page(width as u32, height as u32, title, &note, |_| Ok(()))?;
    Ok(figure.with_elements(&element).with_pictures(vec![place]))
}
