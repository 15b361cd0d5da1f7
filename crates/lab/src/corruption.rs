//! Image corruptions as in other people's photos: gray, blurred, noisy, dark, badly cropped.

use std::fmt;

use anyhow::{Context, Result, ensure};
use image::{Rgb, RgbImage, imageops};
use imaging::{bilinear, encode_jpeg, encode_png};

use ror::data::{Faces, Record, Source, decode};
use utils::hash::rank;
use utils::random::Random;

/// Ways in which other images differ from UTKFace's, each in three severities. They follow
/// Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
/// Perturbations" (arXiv 1903.12261), limited to what occurs in face crops.
///
/// Random choices (the direction of a turn, the noise) depend only on the image hash, so the
/// results are the same on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Corruption {
    /// A half, a fifth or none of the color is left.
    Grey,
    /// Gaussian blur with a standard deviation of 1, 2 or 3.5 % of the side.
    Blur,
    /// Gaussian noise with a standard deviation of 15, 30 or 60 of 255 levels.
    Noise,
    /// JPEG of quality 40, 20 or 10.
    Jpeg,
    /// 80, 65 or 50 % of the brightness.
    Dark,
    /// 120, 135 or 150 % of the brightness, clipped at 255.
    Bright,
    /// Rotated by 7, 13 or 20 degrees to either side.
    Turned,
    /// Cropped 5, 10 or 15 % wider, with reflection beyond the edge.
    Wider,
    /// Cropped 5, 10 or 15 % tighter.
    Tighter,
    /// Shifted by 3, 5.5 or 8 % of the side in any direction.
    Shifted,
}

impl Corruption {
    /// All corruptions.
    pub const ALL: [Self; 10] = [
        Self::Grey,
        Self::Blur,
        Self::Noise,
        Self::Jpeg,
        Self::Dark,
        Self::Bright,
        Self::Turned,
        Self::Wider,
        Self::Tighter,
        Self::Shifted,
    ];

    /// Highest severity; the lowest is 1.
    pub const SEVEREST: usize = 3;

    /// `grey`, `blur`, ...
    pub fn name(self) -> &'static str {
        match self {
            Self::Grey => "grey",
            Self::Blur => "blur",
            Self::Noise => "noise",
            Self::Jpeg => "jpeg",
            Self::Dark => "dark",
            Self::Bright => "bright",
            Self::Turned => "turned",
            Self::Wider => "wider",
            Self::Tighter => "tighter",
            Self::Shifted => "shifted",
        }
    }

    /// Corrupts an image; its hash `content` determines the random choices.
    ///
    /// # Errors
    /// A severity outside 1 to 3, or an image without pixels.
    ///
    /// ```
    /// use lab::Corruption;
    /// use ror::data::Faces;
    ///
    /// # fn main() -> anyhow::Result<()> {
    /// let faces = Faces::synthetic(1, 0)?;
    /// let (picture, content) = (faces.picture(0)?, &faces.record(0)?.content);
    /// let blurred = Corruption::Blur.apply(&picture, 2, content)?;
    /// assert_eq!(blurred.dimensions(), picture.dimensions());
    /// # Ok(())
    /// # }
    /// ```
    pub fn apply(self, picture: &RgbImage, severity: usize, content: &str) -> Result<RgbImage> {
        check(severity)?;
        ensure!(picture.width() > 0 && picture.height() > 0, "the image has no pixels");
        let pick = |values: [f64; Self::SEVEREST]| values[severity - 1];
        let mut chance = Random::new(rank(severity as u64, &format!("{self} {content}")));
        let side = f64::from(picture.width().min(picture.height()));
        Ok(match self {
            Self::Grey => {
                let left = pick([0.5, 0.2, 0.0]);
                pixels(picture, |[r, g, b]| {
                    let grey = 0.299 * r + 0.587 * g + 0.114 * b;
                    [r, g, b].map(|level| grey + left * (level - grey))
                })
            }
            Self::Blur => imageops::blur(picture, (pick([0.01, 0.02, 0.035]) * side) as f32),
            Self::Noise => {
                let deviation = pick([15.0, 30.0, 60.0]);
                pixels(picture, |levels| levels.map(|level| level + deviation * chance.normal()))
            }
            Self::Jpeg => decode(&encode_jpeg(picture, pick([40.0, 20.0, 10.0]) as u8)?)?,
            Self::Dark => pixels(picture, |levels| levels.map(|l| l * pick([0.8, 0.65, 0.5]))),
            Self::Bright => pixels(picture, |levels| levels.map(|l| l * pick([1.2, 1.35, 1.5]))),
            Self::Turned => {
                let sign = if chance.uniform() < 0.5 { -1.0 } else { 1.0 };
                let angle = sign * pick([7.0f64, 13.0, 20.0]).to_radians();
                moved(picture, angle, 1.0, [0.0; 2])
            }
            Self::Wider => moved(picture, 0.0, 1.0 + pick([0.05, 0.1, 0.15]), [0.0; 2]),
            Self::Tighter => moved(picture, 0.0, 1.0 - pick([0.05, 0.1, 0.15]), [0.0; 2]),
            Self::Shifted => {
                let direction = std::f64::consts::TAU * chance.uniform();
                let by = pick([0.03, 0.055, 0.08]) * side;
                moved(picture, 0.0, 1.0, [by * direction.cos(), by * direction.sin()])
            }
        })
    }

    /// Returns the images at `indices`, in that order, corrupted with a severity of 1 to 3. They
    /// keep their labels, so that the loss of accuracy can be measured.
    ///
    /// ```
    /// use lab::Corruption;
    /// use ror::data::Faces;
    ///
    /// # fn main() -> anyhow::Result<()> {
    /// let faces = Faces::synthetic(20, 0)?;
    /// let dark = Corruption::Dark.applied_to(&faces, &[3, 5], 2)?;
    /// assert_eq!((dark.len(), dark.record(1)?.label), (2, faces.record(5)?.label));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// No indices, an index outside the set, or a severity outside 1 to 3.
    pub fn applied_to(self, faces: &Faces, indices: &[usize], severity: usize) -> Result<Faces> {
        let (source, records) = CorruptedSource::new(faces, indices, self, severity)?;
        Faces::from_source(Box::new(source), records)
    }
}

/// Images of a set, corrupted when they are read.
#[derive(Debug)]
pub(crate) struct CorruptedSource {
    faces: Faces,
    indices: Vec<usize>,
    corruption: Corruption,
    severity: usize,
}

impl CorruptedSource {
    pub(crate) fn new(
        faces: &Faces,
        indices: &[usize],
        corruption: Corruption,
        severity: usize,
    ) -> Result<(Self, Vec<Record>)> {
        check(severity)?;
        let records = indices.iter().map(|index| {
            let record = faces.record(*index)?.clone();
            Ok(Record { file: format!("{corruption}-{severity}/{}", record.file), ..record })
        });
        let records = records.collect::<Result<_>>()?;
        let indices = indices.to_vec();
        Ok((Self { faces: faces.clone(), indices, corruption, severity }, records))
    }
}

impl Source for CorruptedSource {
    fn describe(&self) -> String {
        format!("a set with the corruption {} at severity {}", self.corruption, self.severity)
    }

    fn bytes(&self, index: usize) -> Result<Vec<u8>> {
        encode_png(&self.picture(index)?)
    }

    fn picture(&self, index: usize) -> Result<RgbImage> {
        let index = *self.indices.get(index).context("no such image")?;
        let content = &self.faces.record(index)?.content;
        self.corruption.apply(&self.faces.picture(index)?, self.severity, content)
    }

    fn is_synthetic(&self) -> bool {
        self.faces.is_synthetic()
    }

    fn is_kept(&self) -> bool {
        false
    }
}

fn check(severity: usize) -> Result<()> {
    ensure!(
        (1..=Corruption::SEVEREST).contains(&severity),
        "the severity is {severity}: choose 1 to {}",
        Corruption::SEVEREST
    );
    Ok(())
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Changes the levels (0 to 255) of each pixel.
fn pixels(picture: &RgbImage, mut change: impl FnMut([f64; 3]) -> [f64; 3]) -> RgbImage {
    let mut changed = picture.clone();
    for pixel in changed.pixels_mut() {
        let levels = change(pixel.0.map(f64::from));
        *pixel = Rgb(levels.map(|level| level.round().clamp(0.0, 255.0) as u8));
    }
    changed
}

/// Rotates by `angle` around the center, shows `cut` times as much of the image and shifts it by
/// pixels, with bilinear interpolation and reflection beyond the edge.
fn moved(picture: &RgbImage, angle: f64, cut: f64, by: [f64; 2]) -> RgbImage {
    let (width, height) = picture.dimensions();
    let middle = [f64::from(width - 1) / 2.0, f64::from(height - 1) / 2.0];
    let (sin, cos) = (angle.sin() * cut, angle.cos() * cut);
    RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (f64::from(x) - middle[0], f64::from(y) - middle[1]);
        let x_from = cos * x - sin * y + middle[0] + by[0];
        let y_from = sin * x + cos * y + middle[1] + by[1];
        bilinear(picture, x_from, y_from, |at, length| Some(reflected(at, length)))
    })
}

/// A position along a side of `length` pixels, reflected at both ends.
fn reflected(at: f64, length: u32) -> u32 {
    let length = i64::from(length);
    let at = (at as i64).rem_euclid(2 * length);
    at.min(2 * length - 1 - at) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_change(a: &RgbImage, b: &RgbImage) -> f64 {
        let apart = a.iter().zip(b.iter()).map(|(a, b)| f64::from(a.abs_diff(*b)));
        apart.sum::<f64>() / a.len() as f64
    }

    /// Each changes an image, more so with each severity, and the same way every time.
    #[test]
    fn severities_grow_and_repeat() {
        let faces = Faces::synthetic(2, 0).unwrap();
        let picture = faces.picture(1).unwrap();
        for corruption in Corruption::ALL {
            let changed = |severity| corruption.apply(&picture, severity, "a").unwrap();
            let changes = [1, 2, 3].map(|severity| mean_change(&picture, &changed(severity)));
            assert!(changes[0] > 0.2, "{corruption}: {changes:?}");
            assert!(
                changes[0] < changes[1] && changes[1] < changes[2],
                "{corruption}: {changes:?}"
            );
            assert_eq!(changed(2), changed(2));
        }
        let noise = |content| Corruption::Noise.apply(&picture, 1, content).unwrap();
        assert_ne!(noise("a"), noise("b"), "the content decides");
        assert!(Corruption::Grey.apply(&picture, 4, "a").is_err());
        assert!(Corruption::Grey.apply(&RgbImage::new(0, 0), 1, "a").is_err());
        assert!(Corruption::Grey.applied_to(&faces, &[0], 0).is_err());
        assert!(Corruption::Grey.applied_to(&faces, &[2], 1).is_err());
        // As a set: its images are the corrupted ones, and never cached ones of another set.
        let set = Corruption::Dark.applied_to(&faces, &[1], 3).unwrap();
        let content = &faces.record(1).unwrap().content;
        assert_eq!(set.picture(0).unwrap(), Corruption::Dark.apply(&picture, 3, content).unwrap());
        assert_eq!(decode(&set.bytes(0).unwrap()).unwrap(), set.picture(0).unwrap());
        let mild = Corruption::Dark.applied_to(&faces, &[1], 1).unwrap();
        let mean = |set: &Faces| {
            set.pictures(16).unwrap().to_kind(tch::Kind::Float).mean(tch::Kind::Float)
        };
        assert!(mean(&set).double_value(&[]) < 0.8 * mean(&mild).double_value(&[]));
    }

    #[test]
    fn geometry_is_exact() {
        // A ramp from left to right: its slope gives the scale, its center the shift.
        let ramp = RgbImage::from_fn(101, 101, |x, _| Rgb([x as u8 * 2; 3]));
        let level = |picture: &RgbImage, x| i32::from(picture.get_pixel(x, 50).0[0]);
        let wider = moved(&ramp, 0.0, 1.1, [0.0; 2]);
        assert_eq!([level(&wider, 50), level(&wider, 60)], [100, 122]);
        let shifted = moved(&ramp, 0.0, 1.0, [5.0, 0.0]);
        assert_eq!(level(&shifted, 50), 110);
        let turned = moved(&ramp, std::f64::consts::FRAC_PI_2, 1.0, [0.0; 2]);
        assert_eq!(turned.get_pixel(50, 60).0[0], 80, "right is up");
        assert_eq!(
            [-1.0, 0.0, 100.0, 101.0, 103.0].map(|at| reflected(at, 101)),
            [0, 0, 100, 100, 98]
        );
    }
}
