//! A photograph with boxes around its faces.

use std::fmt::Write;

use anyhow::{Context, Result};
use image::ImageFormat;

use super::figure::{Figure, header, page};
use super::pictures::{element, small_jpeg};
use super::style::{FEMALE, MALE, MARGIN, counted, ink_on, text_width};
use crate::predict::Photo;
use crate::task::Gender;
use utils::html::escape;

/// Longest side of a displayed photograph, in pixels.
const LONGEST: f64 = 960.0;
/// Font size of a label, in pixels.
const LABEL: f64 = 13.0;
/// Height of a label, in pixels.
const HIGH: f64 = 18.0;

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
    let top = header(&title, &note);
    let mut drawn = element([MARGIN, top, width as i32, height as i32], ImageFormat::Jpeg, &jpeg);
    let mut labels: Vec<[f64; 3]> = vec![];
    for (i, face) in photo.faces.iter().enumerate() {
        let color = if face.face.gender == Gender::Female { FEMALE } else { MALE };
        let ink = ink_on(color);
        let [color, ink] = [color, ink].map(|c| format!("rgb({},{},{})", c.0, c.1, c.2));
        let [x, y, w, h] = face.bounds.map(|value| value * scale);
        let (x, y) = (x + f64::from(MARGIN), y + f64::from(top));
        write!(
            drawn,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>"
        )?;
        let words = format!("{}: {}, {:.0}", i + 1, face.face.gender.name(), face.face.age);
        let room = text_width(&words, LABEL) + 6.0;
        let left = x.min(f64::from(MARGIN) + f64::from(width) - room).max(f64::from(MARGIN));
        // Above the box, below it or inside: where no other label and the photograph is.
        let ends = (f64::from(top), f64::from(top) + f64::from(height) - HIGH);
        let free = |label: &f64| {
            let apart = |[l, t, r]: &[f64; 3]| {
                left >= l + r || left + room <= *l || (label - t).abs() >= HIGH
            };
            (ends.0..=ends.1).contains(label) && labels.iter().all(apart)
        };
        let places = [y - HIGH, y + h, y, y + h - HIGH, y + HIGH, y + h / 2.0];
        let label = places.into_iter().find(free).unwrap_or(y.clamp(ends.0, ends.1.max(ends.0)));
        labels.push([left, label, room]);
        write!(
            drawn,
            "<rect x=\"{left:.1}\" y=\"{label:.1}\" width=\"{room:.1}\" height=\"{HIGH}\" fill=\"{color}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"{LABEL}\" fill=\"{ink}\">{}</text>",
            left + room / 2.0,
            label + 13.5,
            escape(&words)
        )?;
    }
    let size = (width as i32 + 2 * MARGIN, height as i32 + MARGIN);
    Ok(page(size, &title, &note, |_| Ok(()))?.with_elements(&drawn))
}
