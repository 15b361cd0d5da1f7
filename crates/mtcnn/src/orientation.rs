//! Faces in photos that are sideways or upside down, without a note of it in the file.

use anyhow::{Result, ensure};
use image::RgbImage;
use imaging::resize_part;

use super::detector::{Detector, Found, scaled, turned, whole};
use super::{Bounds, Chip};

/// Larger photos are scaled down to this many pixels per side.
const LARGEST: f64 = 1280.0;

// Measured on 300 photographs, 60 drawn faces and tests/photos, each also turned by 90, 180 and 270
// degrees. The best face of an upright photograph scores 0.99 or more on 296, that of a turned one on 31
// of 900, where O-Net nearly always prefers it turned, or its landmarks are not where a face has them.

/// From this score on, a face is believed to be upright.
const CERTAIN: f64 = 0.9985;
/// From this score on, it is believed if O-Net does not prefer it turned.
const LIKELY: f64 = 0.98;
/// How much landmarks count that are off by the distance between the eyes: their median is 0.06 for
/// upright photographs, and 0.1 for what is found in turned ones.
const MISFIT: f64 = 25.0;
/// The doubt below which a face is believed that is found only in the turned photo.
const BELIEVED: f64 = 1.0;

impl Detector {
    /// Detects the faces in a photo, largest first. If none is clearly upright, also looks for them in
    /// the photo turned by 90, 180 and 270 degrees, and returns those of the orientation in which a face
    /// is least doubtful. They have the coordinates of the photo as given.
    ///
    /// # Errors
    /// The photo has no pixels, or libtorch fails.
    pub fn detect(&self, photo: &RgbImage) -> Result<Vec<Found>> {
        let (width, height) = photo.dimensions();
        ensure!(width > 0 && height > 0, "empty photo ({width} x {height} pixels)");
        // Otherwise most of the time would be spent on tiny faces in the background.
        let scale = (LARGEST / f64::from(width.max(height))).min(1.0);
        let smaller = match scale < 1.0 {
            true => {
                Some(resize_part(photo, whole(photo), scaled(width, scale), scaled(height, scale))?)
            }
            false => None,
        };
        let photo = smaller.as_ref().unwrap_or(photo);
        let mut found = self.upright(photo)?;
        if !self.is_upright(photo, &found)? {
            let mut least = doubt(&found).min(BELIEVED);
            for quarters in 1..4 {
                let others = self.upright(&turned(photo, quarters))?;
                let doubt = doubt(&others);
                if doubt < least {
                    least = doubt;
                    found = others.iter().map(|face| turned_back(face, quarters, photo)).collect();
                }
            }
        }
        for face in &mut found {
            face.bounds = face.bounds.scaled(1.0 / scale);
            face.points = face.points.map(|point| point.map(|at| at / scale));
        }
        found.sort_by(|a, b| b.bounds.area().total_cmp(&a.bounds.area()));
        Ok(found)
    }

    /// Whether the best of these faces is upright without doubt.
    fn is_upright(&self, photo: &RgbImage, found: &[Found]) -> Result<bool> {
        let Some(face) = found.iter().max_by(|a, b| a.score.total_cmp(&b.score)) else {
            return Ok(false);
        };
        if face.score < LIKELY || Chip::new(&face.points).turned() != 0 {
            return Ok(false);
        }
        if face.score >= CERTAIN {
            return Ok(true);
        }
        let [own, others @ ..] = self.scores_turned(photo, face)?;
        Ok(others.iter().all(|other| own >= *other))
    }
}

/// The doubt about the least doubtful face: low where the detector is sure and the landmarks are where
/// an upright face has them, infinite without a face that is about upright.
fn doubt(found: &[Found]) -> f64 {
    let doubts = found.iter().filter_map(|face| {
        let chip = Chip::new(&face.points);
        let doubt = (1.0001 - face.score) * (MISFIT * chip.misfit(&face.points)).exp();
        (chip.turned() == 0).then_some(doubt)
    });
    doubts.fold(f64::INFINITY, f64::min)
}

/// Returns a face of a photo that was turned clockwise by some quarters in the coordinates of `photo`,
/// which was not.
fn turned_back(face: &Found, quarters: u8, photo: &RgbImage) -> Found {
    let [wide, high] = [photo.width(), photo.height()].map(f64::from);
    // Landmarks are pixels, whose last one is 1 before the end; edges are between pixels.
    let back = |[x, y]: [f64; 2], last: f64| match quarters {
        1 => [y, high - last - x],
        2 => [wide - last - x, high - last - y],
        _ => [wide - last - y, x],
    };
    let Bounds { x, y, width, height } = face.bounds;
    let [[x, y], [x_end, y_end]] = [[x, y], [x + width, y + height]].map(|edge| back(edge, 0.0));
    Found {
        bounds: Bounds {
            x: x.min(x_end),
            y: y.min(y_end),
            width: (x - x_end).abs(),
            height: (y - y_end).abs(),
        },
        points: face.points.map(|point| back(point, 1.0)),
        score: face.score,
    }
}
