//! Brushes: a few shapes on a pixmap, in the coordinates of a 200 by 200 picture.

use anyhow::{Context, Result};
use resvg::tiny_skia::{
    Color, FillRule, LineCap, Paint, Path, PathBuilder, Pixmap, Stroke, Transform,
};

pub(super) type Point = (f32, f32);

/// A colour; each part is 0 to 255.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rgb(pub(super) f32, pub(super) f32, pub(super) f32);

impl Rgb {
    /// The colour a part of the way to another.
    pub(super) fn mix(self, other: Self, part: f32) -> Self {
        Self(
            mix(self.0, other.0, part),
            mix(self.1, other.1, part),
            mix(self.2, other.2, part),
        )
    }

    /// Brighter (above 1) or darker (below 1).
    pub(super) fn times(self, factor: f32) -> Self {
        Self(self.0 * factor, self.1 * factor, self.2 * factor)
    }
}

/// The number a part of the way from `a` to `b`.
pub(super) fn mix(a: f32, b: f32, part: f32) -> f32 {
    a + (b - a) * part
}

pub(super) struct Canvas {
    pub(super) pixmap: Pixmap,
    paint: Paint<'static>,
    pose: Transform,
}

impl Canvas {
    /// A canvas of `size` by `size` pixels; `pose` turns and shifts what is
    /// drawn, in units of the 200 by 200 picture.
    pub(super) fn new(size: u32, pose: Transform) -> Result<Self> {
        let scale = size as f32 / 200.0;
        Ok(Self {
            pixmap: Pixmap::new(size, size).context("no memory for a drawing")?,
            paint: Paint::default(),
            pose: pose.post_scale(scale, scale),
        })
    }

    fn ink(&mut self, colour: Rgb, opacity: f32) {
        let part = |value: f32| (value / 255.0).clamp(0.0, 1.0);
        let (r, g, b) = (part(colour.0), part(colour.1), part(colour.2));
        if let Some(colour) = Color::from_rgba(r, g, b, opacity.clamp(0.0, 1.0)) {
            self.paint.set_color(colour);
        }
    }

    /// Fills a path; a missing one (an outline without area) draws nothing.
    pub(super) fn fill(&mut self, path: Option<Path>, colour: Rgb, opacity: f32) {
        let Some(path) = path else { return };
        if opacity > 0.01 {
            self.ink(colour, opacity);
            self.pixmap
                .fill_path(&path, &self.paint, FillRule::Winding, self.pose, None);
        }
    }

    /// Draws along a path.
    pub(super) fn stroke(&mut self, path: Option<Path>, colour: Rgb, opacity: f32, width: f32) {
        let Some(path) = path else { return };
        if opacity > 0.01 {
            self.ink(colour, opacity);
            let stroke = Stroke {
                width,
                line_cap: LineCap::Round,
                ..Stroke::default()
            };
            self.pixmap
                .stroke_path(&path, &self.paint, &stroke, self.pose, None);
        }
    }

    pub(super) fn ellipse(&mut self, centre: Point, rx: f32, ry: f32, colour: Rgb, opacity: f32) {
        self.fill(ellipse(centre, rx, ry), colour, opacity);
    }

    /// An ellipse whose edge fades a little: two on top of each other, which is
    /// much cheaper than a gradient.
    pub(super) fn glow(&mut self, centre: Point, rx: f32, ry: f32, colour: Rgb, opacity: f32) {
        for part in [1.0, 0.65] {
            self.ellipse(centre, rx * part, ry * part, colour, opacity / 2.0);
        }
    }

    /// An arc from `a` to `b`, bent towards `bend`.
    pub(super) fn arc(
        &mut self,
        a: Point,
        bend: Point,
        b: Point,
        colour: Rgb,
        opacity: f32,
        width: f32,
    ) {
        self.stroke(arc(a, bend, b), colour, opacity, width);
    }
}

pub(super) fn ellipse(centre: Point, rx: f32, ry: f32) -> Option<Path> {
    let mut path = PathBuilder::new();
    let (x, y) = centre;
    // The usual approximation of a quarter circle.
    let (kx, ky) = (rx * 0.5523, ry * 0.5523);
    path.move_to(x + rx, y);
    path.cubic_to(x + rx, y + ky, x + kx, y + ry, x, y + ry);
    path.cubic_to(x - kx, y + ry, x - rx, y + ky, x - rx, y);
    path.cubic_to(x - rx, y - ky, x - kx, y - ry, x, y - ry);
    path.cubic_to(x + kx, y - ry, x + rx, y - ky, x + rx, y);
    path.close();
    path.finish()
}

fn arc(a: Point, bend: Point, b: Point) -> Option<Path> {
    let mut path = PathBuilder::new();
    path.move_to(a.0, a.1);
    path.quad_to(bend.0, bend.1, b.0, b.1);
    path.finish()
}

/// A closed shape bounded by one smooth curve or several, each through its
/// points, joined by straight lines.
pub(super) fn shape(curves: &[&[Point]]) -> Option<Path> {
    let mut path = PathBuilder::new();
    for curve in curves {
        let Some(&first) = curve.first() else {
            continue;
        };
        if path.is_empty() {
            path.move_to(first.0, first.1);
        } else {
            path.line_to(first.0, first.1);
        }
        // Catmull-Rom: at each point the curve runs parallel to its neighbours' line.
        for (index, pair) in curve.windows(2).enumerate() {
            let (from, to) = (pair[0], pair[1]);
            let before = curve[index.saturating_sub(1)];
            let after = curve[(index + 2).min(curve.len() - 1)];
            path.cubic_to(
                from.0 + (to.0 - before.0) / 6.0,
                from.1 + (to.1 - before.1) / 6.0,
                to.0 - (after.0 - from.0) / 6.0,
                to.1 - (after.1 - from.1) / 6.0,
                to.0,
                to.1,
            );
        }
    }
    path.close();
    path.finish()
}
