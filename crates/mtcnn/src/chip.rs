//! Cropping a face from a photo, aligned like UTKFace's images.

use anyhow::Result;
use image::RgbImage;
use imaging::{bilinear, resize_part};

/// Side of an aligned crop in pixels, the same as UTKFace's.
pub const CHIP: u32 = 200;

/// Mean positions of the five landmarks (eyes, nose, corners of the mouth) that the detector finds
/// in 900 UTKFace images, made symmetric, in pixels of [`CHIP`].
const TEMPLATE: [[f64; 2]; 5] =
    [[60.21, 58.36], [138.79, 58.36], [99.50, 105.16], [64.39, 138.82], [134.61, 138.82]];

/// The position of an aligned crop in a photo: a rotation, scale and shift.
///
/// It maps the point (x, y) of the crop to (a x - b y + left, b x + a y + top) in the photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chip {
    a: f64,
    b: f64,
    left: f64,
    top: f64,
}

impl Chip {
    /// Returns the position that maps a face's five landmarks closest (least squares) to their
    /// positions in UTKFace's images.
    pub fn new(points: &[[f64; 2]; 5]) -> Self {
        let mean = |all: &[[f64; 2]; 5]| {
            [0, 1].map(|axis| all.iter().map(|point| point[axis]).sum::<f64>() / 5.0)
        };
        let (from, to) = (mean(&TEMPLATE), mean(points));
        let (mut a, mut b, mut spread) = (0.0, 0.0, 0.0);
        for (chip, photo) in TEMPLATE.iter().zip(points) {
            let [x, y] = [chip[0] - from[0], chip[1] - from[1]];
            let [u, v] = [photo[0] - to[0], photo[1] - to[1]];
            a += x * u + y * v;
            b += x * v - y * u;
            spread += x * x + y * y;
        }
        let (a, b) = (a / spread, b / spread);
        let left = to[0] - (a * from[0] - b * from[1]);
        let top = to[1] - (b * from[0] + a * from[1]);
        Self { a, b, left, top }
    }

    /// Returns the crop with these upper corners.
    pub fn from_corners(upper_left: [f64; 2], upper_right: [f64; 2]) -> Self {
        let end = f64::from(CHIP - 1);
        let [a, b] = [0, 1].map(|axis| (upper_right[axis] - upper_left[axis]) / end);
        Self { a, b, left: upper_left[0], top: upper_left[1] }
    }

    /// The number of photo pixels per pixel of the crop.
    pub fn scale(&self) -> f64 {
        self.a.hypot(self.b)
    }

    /// By how many degrees clockwise the face is turned in the photo, to the nearest quarter of a full
    /// turn: 0, 90, 180 or 270.
    pub fn turned(&self) -> u32 {
        let quarters = self.b.atan2(self.a) / std::f64::consts::FRAC_PI_2;
        (quarters.round() as i64).rem_euclid(4) as u32 * 90
    }

    /// How far a face's five landmarks are from their positions in UTKFace's images: the root of the
    /// mean squared distance, by the distance between the eyes.
    pub(super) fn misfit(&self, points: &[[f64; 2]; 5]) -> f64 {
        let squares = TEMPLATE.iter().zip(points).map(|(chip, photo)| {
            let [x, y] = self.point(*chip);
            (x - photo[0]).powi(2) + (y - photo[1]).powi(2)
        });
        let eyes = self.scale() * (TEMPLATE[1][0] - TEMPLATE[0][0]);
        (squares.sum::<f64>() / 5.0).sqrt() / eyes.max(1e-6)
    }

    /// Maps a point of the crop to the photo.
    pub fn point(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [self.a * x - self.b * y + self.left, self.b * x + self.a * y + self.top]
    }

    /// The crop's corners in the photo: upper left, upper right, lower right, lower left.
    pub fn corners(&self) -> [[f64; 2]; 4] {
        let end = f64::from(CHIP - 1);
        [[0.0, 0.0], [end, 0.0], [end, end], [0.0, end]].map(|corner| self.point(corner))
    }

    /// Crops a photo to [`CHIP`] x [`CHIP`] pixels with bilinear interpolation, antialiased if the
    /// photo has a higher resolution. Pixels outside the photo are black.
    ///
    /// # Errors
    /// The photo has no pixels.
    pub fn cut(&self, photo: &RgbImage) -> Result<RgbImage> {
        let corners = self.corners();
        let over = |axis: usize, pick: fn(f64, f64) -> f64, start: f64| {
            corners.iter().map(|corner| corner[axis]).fold(start, pick)
        };
        // The region of the photo that the crop needs, with a margin of one pixel of the crop.
        let (wide, high) = (f64::from(photo.width()), f64::from(photo.height()));
        let margin = self.scale() + 1.0;
        let left = (over(0, f64::min, f64::INFINITY) - margin).floor().clamp(0.0, wide);
        let top = (over(1, f64::min, f64::INFINITY) - margin).floor().clamp(0.0, high);
        let right = (over(0, f64::max, 0.0) + margin).ceil().clamp(0.0, wide);
        let bottom = (over(1, f64::max, 0.0) + margin).ceil().clamp(0.0, high);
        if right <= left || bottom <= top || !self.scale().is_finite() {
            return Ok(RgbImage::new(CHIP, CHIP));
        }
        let shrink = self.scale().max(1.0);
        let size = |length: f64| (length / shrink).round().max(1.0) as u32;
        let (width, height) = (size(right - left), size(bottom - top));
        let part = resize_part(photo, [left, top, right - left, bottom - top], width, height)?;
        // Pixels are areas, so their centers are at half a pixel.
        let (x_scale, y_scale) =
            (f64::from(width) / (right - left), f64::from(height) / (bottom - top));
        Ok(RgbImage::from_fn(CHIP, CHIP, |x, y| {
            let [u, v] = self.point([f64::from(x), f64::from(y)]);
            let u = (u + 0.5 - left) * x_scale - 0.5;
            let v = (v + 0.5 - top) * y_scale - 0.5;
            bilinear(&part, u, v, inside)
        }))
    }
}

/// Returns the coordinate if it is inside a side of `length` pixels.
fn inside(at: f64, length: u32) -> Option<u32> {
    (0.0..f64::from(length)).contains(&at).then_some(at as u32)
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    /// If the landmarks are the transformed template, the transformation is found exactly.
    #[test]
    fn a_similarity_is_found_exactly() {
        let chip = Chip { a: 0.9, b: 0.5, left: 40.0, top: -7.0 };
        let found = Chip::new(&TEMPLATE.map(|point| chip.point(point)));
        for (own, other) in chip.corners().iter().flatten().zip(found.corners().iter().flatten()) {
            assert!((own - other).abs() < 1e-9);
        }
        assert!((found.scale() - 0.9f64.hypot(0.5)).abs() < 1e-12);
        assert_eq!(found.corners()[0].map(f64::round), [40.0, -7.0]);
        let [upper_left, upper_right, lower_right, _] = chip.corners();
        let again = Chip::from_corners(upper_left, upper_right).corners()[2];
        assert!((again[0] - lower_right[0]).hypot(again[1] - lower_right[1]) < 1e-9);
    }

    #[test]
    fn landmarks_fit_where_a_face_has_them() {
        let chip = Chip { a: 0.9, b: 0.5, left: 40.0, top: -7.0 };
        let points = TEMPLATE.map(|point| chip.point(point));
        assert!(Chip::new(&points).misfit(&points) < 1e-9);
        // Eyes and mouth swapped: nothing fits but the nose.
        let [left, right, nose, low_left, low_right] = points;
        let points = [low_left, low_right, nose, left, right];
        assert!(Chip::new(&points).misfit(&points) > 0.1);
    }

    #[test]
    fn a_face_is_turned_by_the_nearest_quarter() {
        for degrees in [-100.0f64, -80.0, -44.0, 0.0, 44.0, 46.0, 90.0, 134.0, 180.0, 226.0, 300.0]
        {
            let (b, a) = degrees.to_radians().sin_cos();
            let chip = Chip { a: 0.7 * a, b: 0.7 * b, left: 5.0, top: 9.0 };
            let nearest = (degrees / 90.0).round().rem_euclid(4.0) * 90.0;
            assert_eq!(f64::from(chip.turned()), nearest, "{degrees}");
        }
    }

    #[test]
    fn a_chip_shows_what_is_there_and_black_beyond() {
        let photo = RgbImage::from_fn(700, 500, |x, y| Rgb([(x / 4) as u8, (y / 4) as u8, 200]));
        let level = |chip: &Chip, x: u32, y: u32, colour: usize| {
            i32::from(chip.cut(&photo).unwrap().get_pixel(x, y).0[colour])
        };
        // The same size as in the photo, half the size, twice the size.
        for scale in [1.0, 2.0, 0.5] {
            let chip = Chip { a: scale, b: 0.0, left: 60.0, top: 20.0 };
            let at = |x: f64, y: f64| chip.point([x, y]).map(|v| (v / 4.0) as i32);
            for (x, y) in [(10, 20), (150, 60), (199, 199)] {
                let [u, v] = at(f64::from(x), f64::from(y));
                assert!((level(&chip, x, y, 0) - u).abs() <= 1, "{scale} {x} {y}");
                assert!((level(&chip, x, y, 1) - v).abs() <= 1, "{scale} {x} {y}");
            }
        }
        let beyond = Chip { a: 1.0, b: 0.0, left: -50.0, top: -50.0 };
        assert_eq!([level(&beyond, 0, 0, 2), level(&beyond, 60, 60, 2)], [0, 200]);
        let nowhere = Chip { a: 1.0, b: 0.0, left: 9000.0, top: 0.0 };
        assert_eq!(level(&nowhere, 100, 100, 2), 0);
        // A quarter turn: the top of the photo is on the right.
        let turned = Chip { a: 0.0, b: -1.0, left: 100.0, top: 300.0 };
        assert_eq!(level(&turned, 0, 0, 0), 25);
        assert!((level(&turned, 100, 0, 1) - 50).abs() <= 1);
    }
}
