//! Drawing shapes on an image, and simulating the camera's light and noise.

use anyhow::{Context, Result};
use image::RgbImage;
use tiny_skia::{
    Color, FillRule, LineCap, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform,
};

use crate::random::Draw;
use utils::random::Random;

/// Red, green and blue, 0 to 255.
pub(crate) type Rgb = [f32; 3];

/// A point in pixels of a 200 x 200 image: x from the middle of the face, y from the top.
pub(crate) type Point = (f32, f32);

/// Interpolates linearly from `a` (`part` 0) to `b` (`part` 1).
pub(crate) fn mix(a: f32, b: f32, part: f32) -> f32 {
    a + (b - a) * part
}

/// Interpolates linearly between two colors.
pub(crate) fn blend(a: Rgb, b: Rgb, part: f32) -> Rgb {
    std::array::from_fn(|i| mix(a[i], b[i], part))
}

/// Makes a color brighter (`factor` above 1) or darker (below 1).
pub(crate) fn shade(colour: Rgb, factor: f32) -> Rgb {
    colour.map(|part| part * factor)
}

fn paint(colour: Rgb, opacity: f32) -> Paint<'static> {
    let [r, g, b] = colour.map(|part| part as u8);
    let mut paint = Paint::default();
    paint.set_color_rgba8(r, g, b, (255.0 * opacity) as u8);
    paint
}

pub(crate) struct Canvas {
    pixmap: Pixmap,
    pose: Transform,
}

impl Canvas {
    /// Creates an empty image of `size` x `size` pixels. The head will be slightly shifted and
    /// rotated.
    pub(crate) fn new(size: u32, random: &mut Random) -> Result<Self> {
        let mut pixmap = Pixmap::new(size, size).context("not enough memory for an image")?;
        let [r, g, b] = random.colour().map(|part| part as u8);
        pixmap.fill(Color::from_rgba8(r, g, b, 255));
        let zoom = 1.02 + 0.03 * random.normal32();
        let turn = 0.04 * random.normal32(); // radians, so small that the sine is not needed
        let (x, y) = (2.5 * random.normal32(), 2.5 * random.normal32());
        let (x, y) = (x + 100.0 + 110.0 * turn, y + 110.0 * (1.0 - zoom));
        let scale = size as f32 / 200.0;
        let pose = Transform::from_row(zoom, turn, -turn, zoom, x, y).post_scale(scale, scale);
        Ok(Self { pixmap, pose })
    }

    fn fill(&mut self, path: Option<Path>, colour: Rgb, opacity: f32) {
        if let Some(path) = path.filter(|_| opacity > 0.0) {
            let (paint, rule) = (paint(colour, opacity), FillRule::Winding);
            self.pixmap.fill_path(&path, &paint, rule, self.pose, None);
        }
    }

    pub(crate) fn ellipse(&mut self, (x, y): Point, (rx, ry): Point, colour: Rgb, opacity: f32) {
        let bounds = Rect::from_ltrb(x - rx, y - ry, x + rx, y + ry);
        self.fill(bounds.and_then(PathBuilder::from_oval), colour, opacity);
    }

    /// Draws an arc from the first point to the last, bent toward the second.
    pub(crate) fn arc(&mut self, points: [Point; 3], width: f32, colour: Rgb, opacity: f32) {
        let [(ax, ay), (bx, by), (cx, cy)] = points;
        let mut path = PathBuilder::new();
        path.move_to(ax, ay);
        path.quad_to(bx, by, cx, cy);
        let stroke = Stroke { width, line_cap: LineCap::Round, ..Stroke::default() };
        if let Some(path) = path.finish().filter(|_| opacity > 0.0) {
            let paint = paint(colour, opacity);
            self.pixmap.stroke_path(&path, &paint, &stroke, self.pose, None);
        }
    }

    /// Fills a symmetric shape with a smooth outline. `right` is its right half; the left half
    /// mirrors it. The outline is a closed Catmull-Rom curve.
    pub(crate) fn shape(&mut self, right: &[Point], colour: Rgb, opacity: f32) {
        let left = right.iter().rev().filter(|point| point.0 > 0.0);
        let left = left.map(|&(x, y)| (-x, y));
        let points: Vec<Point> = right.iter().copied().chain(left).collect();
        let n = points.len();
        let mut path = PathBuilder::new();
        path.move_to(points[0].0, points[0].1);
        for i in 0..n {
            let [a, b, c, d] = [i + n - 1, i, i + 1, i + 2].map(|i| points[i % n]);
            let (bx, by) = (b.0 + (c.0 - a.0) / 6.0, b.1 + (c.1 - a.1) / 6.0);
            let (cx, cy) = (c.0 - (d.0 - b.0) / 6.0, c.1 - (d.1 - b.1) / 6.0);
            path.cubic_to(bx, by, cx, cy, c.0, c.1);
        }
        path.close();
        self.fill(path.finish(), colour, opacity);
    }

    /// Renders the image with random lighting and noise.
    pub(crate) fn photograph(&self, random: &mut Random) -> RgbImage {
        let (exposure, warmth) = (1.0 + 0.08 * random.normal32(), 0.03 * random.normal32());
        let (across, down) = (0.15 * random.normal32(), 0.08 * random.normal32());
        let noise = random.between(0.01, 0.05);
        let size = self.pixmap.width();
        let mut pixels = self.pixmap.data().chunks_exact(4);
        let mut picture = RgbImage::new(size, size);
        for (x, y, to) in picture.enumerate_pixels_mut() {
            let from = pixels.next().unwrap_or_default();
            let [x, y] = [x, y].map(|place| place as f32 / size as f32 - 0.5);
            let (light, bits) = (exposure + across * x + down * y, random.next_u64());
            for (i, (to, from)) in to.0.iter_mut().zip(from).enumerate() {
                let gain = light + warmth * (1.0 - i as f32);
                let grain = (bits >> (8 * i) & 0xff) as f32 - 127.5;
                *to = (f32::from(*from) * gain + noise * grain) as u8;
            }
        }
        picture
    }
}
