//! A photograph with labeled boxes.

use std::fmt::Write;

use anyhow::{Result, ensure};
use image::{ImageFormat, RgbImage};
use plotters::prelude::RGBColor;
use utils::html::escape;

use crate::figure::{Figure, header, page};
use crate::pictures::{element, small_jpeg};
use crate::style::{FEMALE, MALE, MARGIN, ink_on, text_width};

/// Longest side of a displayed photograph, in pixels.
const LONGEST: f64 = 960.0;
/// Font size of a label, in pixels.
const LABEL: f64 = 13.0;
/// Height of a label, in pixels.
const HIGH: f64 = 18.0;

/// A box on a photograph: left, top, width and height in its pixels, what stands beside it, and
/// whether it is drawn in the first or the second color.
pub struct Boxed {
    /// Left, top, width and height, in the photograph's pixels.
    pub bounds: [f64; 4],
    /// The label beside the box.
    pub label: String,
    /// Orange instead of blue, the colors of "female" and "male" in charts.
    pub second: bool,
}

/// A photograph with boxes, and a label beside each where no other label is.
///
/// # Errors
/// An image without pixels.
pub fn boxes(title: &str, note: &str, picture: &RgbImage, all: &[Boxed]) -> Result<Figure> {
    let (wide, high) = (f64::from(picture.width()), f64::from(picture.height()));
    ensure!(wide > 0.0 && high > 0.0, "the photograph has no pixels");
    let scale = (LONGEST / wide.max(high)).min(1.0);
    let [width, height] = [wide, high].map(|side| (side * scale).round().max(1.0) as u32);
    let jpeg = small_jpeg(picture, (width, height), 85)?;
    let top = header(title, note);
    let mut drawn = element([MARGIN, top, width as i32, height as i32], ImageFormat::Jpeg, &jpeg);
    let mut labels: Vec<[f64; 3]> = vec![];
    for Boxed { bounds, label, second } in all {
        let color = if *second { FEMALE } else { MALE };
        let [color, ink] =
            [color, ink_on(color)].map(|RGBColor(r, g, b)| format!("rgb({r},{g},{b})"));
        let [x, y, w, h] = bounds.map(|value| value * scale);
        let (x, y) = (x + f64::from(MARGIN), y + f64::from(top));
        write!(
            drawn,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>"
        )?;
        let room = text_width(label, LABEL) + 6.0;
        let left = x.min(f64::from(MARGIN) + f64::from(width) - room).max(f64::from(MARGIN));
        // Above the box, below it or inside: where no other label and the photograph is.
        let ends = (f64::from(top), f64::from(top) + f64::from(height) - HIGH);
        let free = |at: &f64| {
            let apart =
                |[l, t, r]: &[f64; 3]| left >= l + r || left + room <= *l || (at - t).abs() >= HIGH;
            (ends.0..=ends.1).contains(at) && labels.iter().all(apart)
        };
        let places = [y - HIGH, y + h, y, y + h - HIGH, y + HIGH, y + h / 2.0];
        let at = places.into_iter().find(free).unwrap_or(y.clamp(ends.0, ends.1.max(ends.0)));
        labels.push([left, at, room]);
        write!(
            drawn,
            "<rect x=\"{left:.1}\" y=\"{at:.1}\" width=\"{room:.1}\" height=\"{HIGH}\" fill=\"{color}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"{LABEL}\" fill=\"{ink}\">{}</text>",
            left + room / 2.0,
            at + 13.5,
            escape(label)
        )?;
    }
    let size = (width as i32 + 2 * MARGIN, height as i32 + MARGIN);
    Ok(page(size, title, note, |_| Ok(()))?.with_elements(&drawn))
}
