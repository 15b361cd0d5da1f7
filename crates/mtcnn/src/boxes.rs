//! Bounding boxes and non-maximum suppression.

/// A bounding box in a photo, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Bounds {
    /// The area in square pixels.
    pub fn area(&self) -> f64 {
        self.width.max(0.0) * self.height.max(0.0)
    }

    fn common(&self, other: &Self) -> f64 {
        let width = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let height = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        width.max(0.0) * height.max(0.0)
    }

    /// Applies a network's box regression: how far each edge moves, relative to width and height.
    pub(super) fn regressed(&self, [left, top, right, bottom]: [f64; 4]) -> Self {
        let (x, y) = (self.x + left * self.width, self.y + top * self.height);
        let x_end = self.x + self.width + right * self.width;
        let y_end = self.y + self.height + bottom * self.height;
        Self { x, y, width: x_end - x, height: y_end - y }
    }

    /// Returns the square with the longer side and the same center.
    pub(super) fn squared(&self) -> Self {
        let side = self.width.max(self.height);
        Self {
            x: self.x + (self.width - side) / 2.0,
            y: self.y + (self.height - side) / 2.0,
            width: side,
            height: side,
        }
    }

    pub(super) fn scaled(&self, by: f64) -> Self {
        let Self { x, y, width, height } = *self;
        Self { x: by * x, y: by * y, width: by * width, height: by * height }
    }
}

/// How the overlap of two boxes is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overlap {
    /// Relative to the area of their union.
    Union,
    /// Relative to the smaller area, so that a box inside another is the same face.
    Smaller,
}

/// Non-maximum suppression: of boxes that overlap by more than `most`, keeps the one with the
/// highest score. Sorted by score, highest first.
pub(super) fn suppressed<T>(
    mut found: Vec<T>,
    most: f64,
    overlap: Overlap,
    of: impl Fn(&T) -> (Bounds, f64),
) -> Vec<T> {
    found.sort_by(|a, b| of(b).1.total_cmp(&of(a).1));
    let mut kept: Vec<T> = vec![];
    for one in found {
        let own = of(&one).0;
        let same = kept.iter().any(|other| {
            let other = of(other).0;
            let common = own.common(&other);
            let whole = match overlap {
                Overlap::Union => own.area() + other.area() - common,
                Overlap::Smaller => own.area().min(other.area()),
            };
            common > most * whole
        });
        if !same {
            kept.push(one);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: f64, side: f64) -> Bounds {
        Bounds { x, y: 0.0, width: side, height: side }
    }

    #[test]
    fn of_overlapping_boxes_the_best_stays() {
        let found =
            vec![(square(0.0, 10.0), 0.8), (square(1.0, 10.0), 0.9), (square(30.0, 10.0), 0.7)];
        let kept = suppressed(found.clone(), 0.5, Overlap::Union, |one| *one);
        assert_eq!(kept, [(square(1.0, 10.0), 0.9), (square(30.0, 10.0), 0.7)]);
        // 9 of 11 columns overlap, 0.82 of the union.
        assert_eq!(suppressed(found, 0.85, Overlap::Union, |one| *one).len(), 3);
        let inside = vec![(square(0.0, 10.0), 0.9), (square(2.0, 4.0), 0.8)];
        assert_eq!(suppressed(inside.clone(), 0.7, Overlap::Union, |one| *one).len(), 2);
        assert_eq!(suppressed(inside, 0.7, Overlap::Smaller, |one| *one).len(), 1);
    }

    #[test]
    fn boxes_move_by_shares_of_their_size() {
        let moved = square(10.0, 20.0).regressed([0.1, 0.0, -0.1, 0.5]);
        assert_eq!(moved, Bounds { x: 12.0, y: 0.0, width: 16.0, height: 30.0 });
        assert_eq!(moved.squared(), Bounds { x: 5.0, y: 0.0, width: 30.0, height: 30.0 });
    }
}
