//! Drawn faces that stand in for the UTKFace photographs.
//!
//! **These are drawings, not photographs, and show nobody.** They let notebooks
//! and tests run without the data set: [`population`] invents people whose ages,
//! genders and races are distributed like UTKFace's (repeated pictures and
//! contradicting labels included), and [`draw`] draws each of them from a seed.
//! Gender and age show in the drawings only on average, as with real faces, so
//! that a small network learns them well but not perfectly. Numbers measured on
//! these drawings say nothing about real faces.
//!
//! People and file names are the same on every machine. The drawings are the
//! same on machines of one kind; rasterising in floating point may change a few
//! pixel values by one between kinds of CPU.

mod canvas;
mod face;
mod population;
mod traits;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, RgbImage};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

pub use population::population;

use crate::support::files::write_whole;

/// The width and height of UTKFace's aligned pictures, and of [`encode`]'s.
pub const NATURAL_SIZE: u32 = 200;

/// The largest size [`draw`] accepts.
pub const MAX_SIZE: u32 = 2048;

const JPEG_QUALITY: u8 = 90;

/// One entry of the made-up data set: its labels, and what determines its drawing.
///
/// The labels are public. The age and gender that were actually drawn are not:
/// in a few entries, as in UTKFace, they disagree with the labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Person {
    /// The age label in years, 1 to 116.
    pub age: u32,
    /// The gender label: 0 male, 1 female.
    pub gender: u8,
    /// The race label, UTKFace's coding: 0 White, 1 Black, 2 Asian, 3 Indian, 4 others.
    pub race: u8,
    /// When the picture was "collected": 17 digits, `yyyymmddHHMMSSmmm`.
    pub timestamp: String,
    /// The seed of the drawing.
    pub look: u64,
    drawn_age: u32,
    drawn_gender: u8,
}

impl Person {
    /// A person who is drawn as labelled.
    ///
    /// Nothing is checked here: [`draw`] and [`write_folder`] refuse labels
    /// outside the ranges given at the fields.
    pub fn new(age: u32, gender: u8, race: u8, timestamp: impl Into<String>, look: u64) -> Self {
        Self {
            age,
            gender,
            race,
            timestamp: timestamp.into(),
            look,
            drawn_age: age,
            drawn_gender: gender,
        }
    }

    /// The file name in UTKFace's scheme: `{age}_{gender}_{race}_{timestamp}.jpg.chip.jpg`.
    pub fn file_name(&self) -> String {
        let Self {
            age,
            gender,
            race,
            timestamp,
            ..
        } = self;
        format!("{age}_{gender}_{race}_{timestamp}.jpg.chip.jpg")
    }

    /// The SHA-256, as 64 lower-case hex digits, of everything that determines
    /// the drawing. Two people have the same content exactly if they are drawn
    /// alike, whatever their labels say.
    pub fn content(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"ror synthetic face 1\n");
        hash.update(self.look.to_le_bytes());
        hash.update(self.drawn_age.to_le_bytes());
        hash.update([self.drawn_gender, self.race]);
        format!("{:x}", hash.finalize())
    }
}

/// Draws a person as a square picture of `size` by `size` pixels.
///
/// Any size from 1 to [`MAX_SIZE`] works; [`NATURAL_SIZE`] is UTKFace's. The
/// drawing depends on nothing but the person and the size.
///
/// # Errors
///
/// If the size is out of range, or the person's race or gender is none of
/// UTKFace's codes, or the age is not in 1 to 116.
pub fn draw(person: &Person, size: u32) -> Result<RgbImage> {
    ensure!(
        (1..=MAX_SIZE).contains(&size),
        "a drawing's size must be 1 to {MAX_SIZE} pixels, not {size}"
    );
    ensure!(person.race <= 4, "race {} is not 0 to 4", person.race);
    for gender in [person.gender, person.drawn_gender] {
        ensure!(gender <= 1, "gender {gender} is not 0 or 1");
    }
    for age in [person.age, person.drawn_age] {
        ensure!(
            (1..=population::MAX_AGE).contains(&age),
            "age {age} is not 1 to {}",
            population::MAX_AGE
        );
    }
    let traits = traits::Traits::new(
        person.drawn_age,
        person.drawn_gender == 1,
        person.race,
        person.look,
    );
    face::paint(&traits, size)
}

/// Draws a person at [`NATURAL_SIZE`] and returns the picture as a JPEG file's bytes.
///
/// # Errors
///
/// As [`draw`], or if the encoder fails.
pub fn encode(person: &Person) -> Result<Vec<u8>> {
    let picture = draw(person, NATURAL_SIZE)?;
    let mut bytes = Vec::with_capacity(16 << 10);
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)
        .encode(
            picture.as_raw(),
            NATURAL_SIZE,
            NATURAL_SIZE,
            ExtendedColorType::Rgb8,
        )
        .context("encoding a drawing as JPEG")?;
    Ok(bytes)
}

/// Writes each person's picture under its file name into `folder`, which is
/// created if need be. Files of the same names are replaced; others stay.
///
/// Works in parallel. A file appears complete or not at all, so an interrupted
/// run leaves no half pictures under a picture's name.
///
/// # Errors
///
/// If a person cannot be drawn (see [`draw`]), a timestamp is not 17 digits, or
/// the folder or a file cannot be written; the error names the file.
pub fn write_folder(folder: &Path, people: &[Person]) -> Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("creating the folder {}", folder.display()))?;
    people.par_iter().try_for_each(|person| {
        let path = folder.join(person.file_name());
        write_picture(&path, person).with_context(|| format!("drawing {}", path.display()))
    })
}

fn write_picture(path: &Path, person: &Person) -> Result<()> {
    // The timestamp becomes part of a path, and it may be anything.
    ensure!(
        person.timestamp.len() == 17 && person.timestamp.bytes().all(|b| b.is_ascii_digit()),
        "the timestamp {:?} is not 17 digits",
        person.timestamp
    );
    let bytes = encode(person)?;
    write_whole(path, |half| Ok(fs::write(half, bytes)?))
}

#[cfg(test)]
mod tests;
