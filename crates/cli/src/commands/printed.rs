//! What `predict` prints for each image.

use std::path::Path;

use anyhow::{Error, Result};
use ror::predict::{FacePrediction, Photo, PhotoFace, crop_json, unread_json};
use utils::escape;

use super::print_json;

/// Prints the faces of a photo.
pub fn photo(photo: &Photo, json: bool) -> Result<()> {
    if json {
        print_json(photo)?;
    } else if photo.faces.is_empty() {
        note!("{}: no face found", escape::path(&photo.path));
    } else {
        return photo.faces.iter().try_for_each(|face| face_in(&photo.path, face));
    }
    Ok(())
}

/// Prints why a file could not be read.
pub fn unread(path: &Path, error: &Error, json: bool) -> Result<()> {
    match json {
        true => out!("{}", unread_json(&path.display().to_string(), error))?,
        false => note!("{}: error: {}", escape::path(path), escape::line(&format!("{error:#}"))),
    }
    Ok(())
}

fn face_in(path: &Path, face: &PhotoFace) -> Result<()> {
    let [x, y, width, height] = face.bounds;
    out!("{} [{x:.0},{y:.0} {width:.0}x{height:.0}]: {face}", escape::path(path))
}

/// Prints the prediction for an aligned crop.
pub fn chip(path: &Path, face: &FacePrediction, json: bool) -> Result<()> {
    match json {
        true => out!("{}", crop_json(&path.display().to_string(), face)?),
        false => out!("{}: {face}", escape::path(path)),
    }
}
