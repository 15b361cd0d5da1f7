//! What `predict` prints for each image.

use std::path::Path;

use anyhow::{Error, Result};
use ror::predict::{FacePrediction, Photo, PhotoFace};
use serde::Serialize;
use utils::escape;

use super::print_json;

/// A line of `--json` for an aligned crop.
#[derive(Serialize)]
struct Line<'a> {
    path: &'a str,
    #[serde(flatten)]
    face: &'a FacePrediction,
}

/// A line of `--json` for a file that could not be read.
#[derive(Serialize)]
struct Unread<'a> {
    path: &'a str,
    error: String,
}

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
    let error = format!("{error:#}");
    match json {
        true => print_json(&Unread { path: &path.display().to_string(), error })?,
        false => note!("{}: error: {}", escape::path(path), escape::line(&error)),
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
        true => print_json(&Line { path: &path.display().to_string(), face })?,
        false => out!("{}: {face}", escape::path(path))?,
    }
    Ok(())
}
