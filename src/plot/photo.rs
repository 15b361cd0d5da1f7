//! A photograph with boxes around its faces.

use std::fmt::Write;

use anyhow::{Context, Result};
use image::ImageFormat;

use super::figure::Figure;
use super::figure::page;
use super::pictures::{element, small_jpeg};
use super::style::{FEMALE, MALE, MARGIN, counted, header, text_width};
use crate::predict::Photo;
use crate::task::Gender;
use utils::html::escape;

/// Longest side of a displayed photograph, in pixels.
const LONGEST: f64 = 960.0;
/// Font size of a label, in pixels.
const LABEL: f64 = 13.0;

/// A photograph with a numbered box around each face, in the color of its gender, and its
/// prediction beside it.
///
/// # Errors
/// A photograph whose image was dropped: open it with [`Photo::open`].
pub fn photo(photo: &Photo) -> Result<Figure> {
    let picture =
        photo.picture().context("the photograph's image was not kept: open it with Photo::open")?;
    let (wide, high) = (f64::from(photo.width), f64::from(photo.height));
    let scale = (LONGEST / wide.max(high)).min(1.0);
    let [width, height] = [wide, high].map(|side| (side * scale).round().max(1.0) as u32);
    let jpeg = small_jpeg(picture, (width, height), 85)?;
    let title = photo.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let note = counted(photo.faces.len(), "face");
    let top = header(&note);
    let mut drawn = element([MARGIN, top, width as i32, height as i32], ImageFormat::Jpeg, &jpeg);
    for (i, face) in photo.faces.iter().enumerate() {
        let color = if face.face.gender == Gender::Female { FEMALE } else { MALE };
        let color = format!("rgb({},{},{})", color.0, color.1, color.2);
        let [x, y, w, h] = face.bounds.map(|value| value * scale);
        let (x, y) = (x + f64::from(MARGIN), y + f64::from(top));
        write!(
            drawn,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>"
        )?;
        let words = format!("{}: {}, {:.0}", i + 1, face.face.gender.name(), face.face.age);
        let room = text_width(&words, LABEL) + 8.0;
        // Above the box, or inside it at the edge of the photograph.
        let label = if y - 18.0 >= f64::from(top) { y - 18.0 } else { y };
        let left = x.min(f64::from(MARGIN) + f64::from(width) - room).max(f64::from(MARGIN));
        write!(
            drawn,
            "<rect x=\"{left:.1}\" y=\"{label:.1}\" width=\"{room:.1}\" height=\"18\" fill=\"{color}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" font-family=\"sans-serif\" font-size=\"{LABEL}\" fill=\"white\">{}</text>",
            left + 4.0,
            label + 13.5,
            escape(&words)
        )?;
    }
    let size = (width as i32 + 2 * MARGIN, height as i32 + MARGIN);
    Ok(page(size, &title, &note, |_| Ok(()))?.with_elements(&drawn))
}
