//! Synthetic people: their labels, file names and images.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use image::{RgbImage, codecs::jpeg::JpegEncoder};
use sha2::{Digest, Sha256};

use crate::draw;
use crate::face::Face;
use crate::random::Draw;
use utils::random::Random;

/// Width and height in pixels of UTKFace's aligned crops and of [`Person::jpeg`].
pub const SIZE: u32 = 200;

/// The highest age, as in UTKFace.
const MAX_AGE: u32 = 116;

/// UTKFace's age distribution: the last year of each range, and how many of 23,708 images are in
/// it.
#[rustfmt::skip]
const AGES: [(u32, u64); 19] = [
    (1, 1120), (2, 480), (4, 560), (9, 945), (14, 585), (19, 940), (23, 1500), (25, 1590), (26, 2195),
    (28, 1530), (35, 3555), (45, 2840), (60, 3035), (70, 1525), (80, 970), (90, 695), (100, 81), (110, 22),
    (MAX_AGE, 12),
];

/// UTKFace's counts of male and female images.
const GENDERS: [u64; 2] = [12_391, 11_317];

/// UTKFace's counts of images by race label.
const RACES: [u64; 5] = [10_078, 4_526, 3_434, 3_975, 1_692];

/// One entry of the data set: its labels and its face.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The age label in years, 1 to 116.
    pub age: u32,
    /// The gender label: 0 male, 1 female.
    pub gender: u8,
    /// The race label: 0 White, 1 Black, 2 Asian, 3 Indian, 4 others.
    pub race: u8,
    /// Milliseconds since January 1, 2017, unique per person.
    timestamp: u64,
    face: Face,
}

/// Generates `n` people, sorted by the bytes of their file names. The result depends only on `n`
/// and `seed`, on every machine.
///
/// About 1.6 % are duplicates: another entry's face under a new name. A third of the duplicates
/// have a different age label and a tenth the other gender label. Of the other entries, 1 % have a
/// wrong gender label.
pub fn population(n: usize, seed: u64) -> Vec<Person> {
    let mut random = Random::new(seed);
    // One timestamp from each of `n` equal parts of January, so that they are unique.
    let part = (31 * 24 * 3_600_000 / n.max(1) as u64).max(1);
    let mut people: Vec<Person> = Vec::with_capacity(n);
    for index in 0..n as u64 {
        let timestamp = index * part + random.below(part);
        if index > 0 && random.below(1000) < 16 {
            let mut person = people[random.below(index) as usize].clone();
            person.timestamp = timestamp;
            if random.below(3) == 0 {
                let years = 1 + random.below(12) as u32;
                let older = (person.age + years).min(MAX_AGE);
                let younger = person.age.saturating_sub(years).max(1);
                person.age = [older, younger][random.below(2) as usize];
            }
            person.gender ^= u8::from(random.below(10) == 0);
            people.push(person);
            continue;
        }
        let span = random.weighted(&AGES.map(|(_, count)| count));
        let first = if span == 0 { 1 } else { AGES[span - 1].0 + 1 };
        let age = first + random.below(u64::from(AGES[span].0 - first + 1)) as u32;
        let gender = random.weighted(&GENDERS) as u8;
        let face = Face {
            age,
            gender: gender ^ u8::from(random.below(100) == 0),
            race: random.weighted(&RACES) as u8,
            seed: random.next_u64(),
        };
        people.push(Person { age, gender, race: face.race, timestamp, face });
    }
    people.sort_by_cached_key(Person::file_name);
    people
}

impl Person {
    /// The file name in UTKFace's format, `[age]_[gender]_[race]_[timestamp].jpg.chip.jpg`. The
    /// timestamp has 17 digits, `yyyymmddHHMMSSmmm`.
    pub fn file_name(&self) -> String {
        let (seconds, ms) = (self.timestamp / 1000, self.timestamp % 1000);
        let (day, hour) = (seconds / 86_400 + 1, seconds / 3600 % 24);
        let (minute, second) = (seconds / 60 % 60, seconds % 60);
        let time = format!("201701{day:02}{hour:02}{minute:02}{second:02}{ms:03}");
        let (age, gender, race) = (self.age, self.gender, self.race);
        format!("{age}_{gender}_{race}_{time}.jpg.chip.jpg")
    }

    /// The SHA-256 (64 hexadecimal digits) of the parameters of the face. Duplicates share it.
    pub fn content(&self) -> String {
        // Increment when faces are drawn differently, because caches identify images by this hash.
        let version = 2;
        format!("{:x}", Sha256::digest(format!("{version} {:?}", self.face)))
    }

    /// Draws the face as an image of `size` x `size` pixels.
    ///
    /// # Errors
    /// `size` is outside 8..=2048.
    pub fn draw(&self, size: u32) -> Result<RgbImage> {
        let fits = (8..=2048).contains(&size);
        ensure!(fits, "face size {size} px is out of range: choose 8 to 2048");
        draw::draw(&self.face, size)
    }

    /// Encodes the face as a JPEG of [`SIZE`] x [`SIZE`] pixels.
    ///
    /// # Errors
    /// The encoder fails, which is not expected.
    pub fn jpeg(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.draw(SIZE)?
            .write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 90))
            .context("cannot encode a face as JPEG")?;
        Ok(bytes)
    }
}

/// Writes each person's JPEG to `folder` under its [`Person::file_name`]. Creates the folder if
/// needed.
///
/// # Errors
/// The folder or a file can't be written. The error names the path.
pub fn write_folder(folder: &Path, people: &[Person]) -> Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot create the folder {}", folder.display()))?;
    for person in people {
        let path = folder.join(person.file_name());
        fs::write(&path, person.jpeg()?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_people_and_pictures() {
        let people = population(300, 5);
        assert_eq!(people, population(300, 5));
        assert_ne!(people, population(300, 6));
        assert_eq!(people[7].jpeg().unwrap(), people[7].jpeg().unwrap());
        // If this hash changes, all results on synthetic faces change.
        let names: String = people.iter().map(Person::file_name).collect();
        let hash = format!("{:x}", Sha256::digest(names));
        assert_eq!(&hash[..16], "417cb6bb2b267c0e");
    }

    #[test]
    fn names_are_sorted_and_ages_are_distributed_like_utkface() {
        let people = population(23_708, 0);
        let names: Vec<_> = people.iter().map(Person::file_name).collect();
        assert!(names.is_sorted_by(|a, b| a < b));
        let last = names[names.len() - 1].replace(|c: char| c.is_ascii_digit(), "0");
        assert_eq!(last, "0_0_0_00000000000000000.jpg.chip.jpg");
        let share = |low, high| {
            let inside = people.iter().filter(|p| (low..=high).contains(&p.age));
            inside.count() as f64 / people.len() as f64
        };
        assert_eq!(share(1, MAX_AGE), 1.0);
        assert!((share(24, 28) - 0.22).abs() < 0.015);
        assert!((share(1, 4) - 0.09).abs() < 0.008);
        assert!((share(61, MAX_AGE) - 0.14).abs() < 0.012);
    }

    #[test]
    fn duplicates_share_their_content_and_some_disagree() {
        let people = population(23_708, 0);
        let mut originals: HashMap<String, &Person> = HashMap::new();
        let (mut duplicates, mut ages, mut genders) = (0, 0, 0);
        for person in &people {
            let original = *originals.entry(person.content()).or_insert(person);
            if original != person {
                assert_eq!(original.face, person.face);
                duplicates += 1;
                ages += u32::from(original.age != person.age);
                genders += u32::from(original.gender != person.gender);
            }
        }
        assert!((300..460).contains(&duplicates), "{duplicates}");
        assert!((80..180).contains(&ages), "{ages}");
        assert!((15..70).contains(&genders), "{genders}");
    }

    #[test]
    fn age_gender_and_race_change_the_picture() {
        let draw = |face: &Face| draw::draw(face, 64).unwrap().into_raw();
        let man = Face { age: 30, gender: 0, race: 0, seed: 3 };
        let reference = draw(&man);
        let others = [
            Face { age: 8, ..man },
            Face { age: 70, ..man },
            Face { gender: 1, ..man },
            Face { race: 1, ..man },
        ];
        for other in others {
            let pairs = draw(&other).into_iter().zip(&reference);
            let changed = pairs.filter(|(a, b)| a.abs_diff(**b) > 20).count();
            assert!(changed > reference.len() / 50, "{other:?}: {changed}");
        }
    }

    #[test]
    fn sizes_are_what_was_asked_for() {
        let person = &population(1, 0)[0];
        for size in [8, 33, SIZE, 2048] {
            assert_eq!(person.draw(size).unwrap().dimensions(), (size, size));
        }
        assert!(person.draw(7).is_err() && person.draw(2049).is_err());
    }

    #[test]
    fn a_folder_holds_the_pictures() {
        let people = population(5, 9);
        let folder = tempfile::tempdir().unwrap();
        write_folder(&folder.path().join("new"), &people).unwrap();
        for person in &people {
            let path = folder.path().join("new").join(person.file_name());
            let read = image::open(path).unwrap().into_rgb8();
            let drawn = person.draw(SIZE).unwrap();
            assert_eq!(read.dimensions(), drawn.dimensions());
            let pairs = read.as_raw().iter().zip(drawn.as_raw());
            let apart: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            assert!(apart < 5 * read.len() as u64);
        }
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 5);
        assert!(population(0, 0).is_empty());
    }
}
