//! A photograph with boxes around its faces.

use anyhow::{Context, Result};
use charts::{Boxed, Figure, boxes};
use utils::progress::counted;

use crate::predict::Photo;
use crate::task::Gender;

/// A photograph with a numbered box around each face, in the color of its gender, and its
/// prediction beside it.
///
/// # Errors
/// A photograph whose image was dropped: open it with [`Photo::open`].
pub fn photo(photo: &Photo) -> Result<Figure> {
    let picture =
        photo.picture().context("the photograph's image was not kept: open it with Photo::open")?;
    let title = photo.path.file_name().unwrap_or_default().to_string_lossy();
    let faces = photo.faces.iter().enumerate().map(|(i, found)| {
        let turned = match found.turned() {
            0 => String::new(),
            degrees => format!(" (turned by {degrees}°)"),
        };
        let (gender, age) = (found.face.gender, found.face.age);
        let label = format!("{}: {}, {age:.0}{turned}", i + 1, gender.name());
        Boxed { bounds: found.bounds, label, second: gender == Gender::Female }
    });
    boxes(&title, &counted(photo.faces.len(), "face"), picture, &faces.collect::<Vec<_>>())
}
