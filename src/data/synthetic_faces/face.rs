//! Paints a face from its traits, from the back to the front.

use anyhow::{Context, Result};
use image::RgbImage;
use resvg::tiny_skia::{Path, Transform};

use super::canvas::{Canvas, Point, Rgb, mix, shape};
use super::traits::{HairStyle, Scene, Traits};
use crate::support::random::Random;

/// The middle of the face.
const MIDDLE: f32 = 100.0;

const SIDES: [f32; 2] = [-1.0, 1.0];

const INK: Rgb = Rgb(36.0, 24.0, 22.0);

const WHITE: Rgb = Rgb(246.0, 243.0, 240.0);

pub(super) fn paint(traits: &Traits, size: u32) -> Result<RgbImage> {
    let mut canvas = Canvas::new(size, pose(&traits.scene))?;
    background(&mut canvas, &traits.scene, size);
    let painter = Painter { traits };
    painter.hair_behind(&mut canvas);
    painter.body(&mut canvas);
    painter.head(&mut canvas);
    painter.age_lines(&mut canvas);
    painter.beard(&mut canvas);
    painter.nose(&mut canvas);
    painter.mouth(&mut canvas);
    painter.eyes(&mut canvas);
    painter.hair(&mut canvas);
    painter.accessories(&mut canvas);
    develop(&canvas, &traits.scene, size)
}

/// The head's small turn, size and shift in the picture.
fn pose(scene: &Scene) -> Transform {
    // For these few degrees the series is exact enough, and the same everywhere.
    let turn = scene.turn;
    let (sin, cos) = (turn, 1.0 - turn * turn / 2.0);
    let (sin, cos) = (sin * scene.zoom, cos * scene.zoom);
    let (x, y) = (MIDDLE, 110.0);
    Transform::from_row(
        cos,
        sin,
        -sin,
        cos,
        x - cos * x + sin * y + scene.shift.0,
        y - sin * x - cos * y + scene.shift.1,
    )
}

/// A number in units of 1/65536: whole numbers are fast, and the same everywhere.
fn fixed(value: f32) -> i32 {
    (value * 65536.0) as i32
}

/// Fills the canvas with a gradient; by hand, as the library's is much slower.
fn background(canvas: &mut Canvas, scene: &Scene, size: u32) {
    let (dx, dy) = scene.back_direction;
    let [from, to] = scene.back.map(|colour| [colour.0, colour.1, colour.2]);
    let at = |part: f32| [0, 1, 2].map(|i| fixed(mix(from[i], to[i], part).clamp(0.0, 255.0)));
    let rows = canvas.pixmap.data_mut().chunks_exact_mut(4 * size as usize);
    for (y, row) in rows.enumerate() {
        let part = 0.5 - dx / 2.0 + dy * (y as f32 / size as f32 - 0.5);
        let mut colour = at(part);
        let end = at(part + dx);
        let step = [0, 1, 2].map(|i| (end[i] - colour[i]) / size as i32);
        for pixel in row.chunks_exact_mut(4) {
            for channel in 0..3 {
                pixel[channel] = (colour[channel] >> 16) as u8;
                colour[channel] += step[channel];
            }
            pixel[3] = 255;
        }
    }
}

/// Applies light and noise, and drops the alpha channel.
fn develop(canvas: &Canvas, scene: &Scene, size: u32) -> Result<RgbImage> {
    let mut random = Random::new(scene.noise_seed);
    let noise = (scene.noise * 2.0) as i32;
    let width = size as usize;
    let mut picture = vec![0; 3 * width * width];
    let across = scene
        .gain
        .map(|gain| fixed(gain * scene.light.0 / size as f32));
    let from = canvas.pixmap.data().chunks_exact(4 * width);
    let to = picture.chunks_exact_mut(3 * width);
    for (y, (from, to)) in from.zip(to).enumerate() {
        let down = scene.light.1 * (y as f32 / size as f32 - 0.5);
        let mut gain = scene
            .gain
            .map(|gain| fixed(gain * (1.0 + down - scene.light.0 / 2.0)));
        for (pixel, out) in from.chunks_exact(4).zip(to.chunks_exact_mut(3)) {
            // Five random bytes: two for the brightness, one for each colour.
            let bits = random.next();
            let byte = |index: u32| (bits >> (8 * index)) as i32 & 0xff;
            let grain = 2 * (byte(0) + byte(1) - 255) - 128;
            for channel in 0..3 {
                let value = (i32::from(pixel[channel]) * gain[channel]) >> 16;
                let change = ((grain + byte(2 + channel as u32)) * noise) >> 9;
                out[channel] = (value + change).clamp(0, 255) as u8;
                gain[channel] += across[channel];
            }
        }
    }
    RgbImage::from_raw(size, size, picture).context("a drawing of the wrong size")
}

struct Painter<'a> {
    traits: &'a Traits,
}

impl Painter<'_> {
    fn height(&self) -> f32 {
        self.traits.chin - self.traits.top
    }

    /// The level a part of the way from the top of the skull to the chin.
    fn level(&self, part: f32) -> f32 {
        mix(self.traits.top, self.traits.chin, part)
    }

    /// Half the head's width at its widest.
    fn width(&self) -> f32 {
        self.traits.widths[1]
    }

    fn shade(&self, factor: f32) -> Rgb {
        let skin = self.traits.skin.times(factor);
        Rgb(skin.0, skin.1 * 0.95, skin.2 * 0.93)
    }

    fn face(&self) -> Option<Path> {
        let [forehead, cheeks, jaw, chin] = self.traits.widths;
        let half: [Point; 6] = [
            (0.0, self.traits.top),
            (forehead * 0.66, self.level(0.075)),
            (forehead, self.level(0.28)),
            (cheeks, self.level(0.55)),
            (jaw, self.level(0.82)),
            (chin, self.level(0.97)),
        ];
        let right = half.iter().map(|&(x, y)| (MIDDLE + x, y));
        let left = half.iter().rev().map(|&(x, y)| (MIDDLE - x, y));
        let outline: Vec<Point> = right
            .chain([(MIDDLE, self.traits.chin + 1.0)])
            .chain(left)
            .collect();
        shape(&[&outline])
    }

    /// Hair that the face and the shoulders cover in part.
    fn hair_behind(&self, canvas: &mut Canvas) {
        let hair = &self.traits.hair;
        let (w, v) = (self.width(), hair.volume);
        let colour = hair.colour.times(0.84);
        let bottom = match hair.style {
            HairStyle::Bob => self.level(0.98),
            HairStyle::Long => 212.0,
            HairStyle::Afro => {
                let middle = (MIDDLE, self.level(0.34));
                canvas.ellipse(middle, w + v, self.height() * 0.42 + v * 0.7, colour, 1.0);
                return;
            }
            HairStyle::Bun => {
                let (x, y) = (MIDDLE + hair.parting * 0.4, self.traits.top - v - 5.0);
                canvas.ellipse((x, y), 19.0, 15.0, colour, 1.0);
                return;
            }
            _ => return,
        };
        let half = [
            (w * 0.5, self.level(0.02) - v),
            (w + v * 0.8, self.level(0.3)),
            (w + v, self.level(0.7)),
            (w + v * 0.7, bottom),
        ];
        let right = half.iter().map(|&(x, y)| (MIDDLE + x, y));
        let left = half.iter().rev().map(|&(x, y)| (MIDDLE - x, y));
        let outline: Vec<Point> = right.chain(left).collect();
        canvas.fill(shape(&[&outline]), colour, 1.0);
    }

    fn body(&self, canvas: &mut Canvas) {
        let clothes = &self.traits.clothes;
        let (neck, chin) = (clothes.neck, self.traits.chin);
        let skin = self.shade(0.84);
        let throat = [
            (MIDDLE - neck, chin - 24.0),
            (MIDDLE - neck, chin + 8.0),
            (MIDDLE - neck - 12.0, 214.0),
            (MIDDLE + neck + 12.0, 214.0),
            (MIDDLE + neck, chin + 8.0),
            (MIDDLE + neck, chin - 24.0),
        ];
        canvas.fill(shape(&[&throat[..3], &throat[3..]]), skin, 1.0);
        let shoulder = clothes.shoulder;
        let collar = chin + 10.0;
        let depth = if clothes.v_neck { 26.0 } else { 12.0 };
        let left = [
            (MIDDLE - shoulder - 8.0, 240.0),
            (MIDDLE - shoulder, 202.0),
            (MIDDLE - shoulder * 0.66, collar + 9.0),
            (MIDDLE - neck - 1.0, collar),
        ];
        let right = left.map(|(x, y)| (2.0 * MIDDLE - x, y));
        let right: Vec<Point> = right.into_iter().rev().collect();
        let middle = [(MIDDLE, collar + depth)];
        let round = [left[3], (MIDDLE, collar + depth), right[0]];
        let cut: &[Point] = if clothes.v_neck { &middle } else { &round };
        canvas.fill(shape(&[&left, cut, &right]), clothes.colour, 1.0);
        let hem = clothes.colour.times(0.72);
        for side in SIDES {
            let edge = (MIDDLE + side * (neck + 1.0), collar);
            let bend = if clothes.v_neck {
                (MIDDLE + side * neck * 0.5, collar + depth * 0.5)
            } else {
                (MIDDLE + side * neck * 0.7, collar + depth)
            };
            canvas.arc(edge, bend, (MIDDLE, collar + depth), hem, 0.9, 2.5);
        }
    }

    fn head(&self, canvas: &mut Canvas) {
        let traits = self.traits;
        let (w, eye_y) = (self.width(), traits.eyes.y);
        for side in SIDES {
            let ear = (MIDDLE + side * (w + 1.5), eye_y + 9.0);
            canvas.ellipse(ear, 6.5, 13.0, self.shade(0.9), 1.0);
            canvas.ellipse(ear, 3.2, 8.0, self.shade(0.74), 0.7);
        }
        let face = self.face();
        canvas.fill(face.clone(), traits.skin, 1.0);
        let dark = self.shade(0.72);
        canvas.stroke(face, dark, 0.45, 2.0);
        for side in SIDES {
            // Turned away from the light, and full, rosy cheeks.
            let edge = (MIDDLE + side * w * 0.74, self.level(0.56));
            canvas.glow(edge, w * 0.2, self.height() * 0.2, dark, 0.18);
            let cheek = (MIDDLE + side * w * 0.55, self.level(0.68));
            let rosy = Rgb(222.0, 92.0, 92.0).mix(traits.skin, 0.3);
            canvas.glow(cheek, w * 0.27, w * 0.22, rosy, traits.blush);
        }
        let brow = (MIDDLE, self.level(0.24));
        canvas.glow(brow, w * 0.5, self.height() * 0.1, self.shade(1.16), 0.3);
    }

    fn age_lines(&self, canvas: &mut Canvas) {
        let traits = self.traits;
        let lines = &traits.lines;
        let eyes = &traits.eyes;
        let dark = self.shade(0.55);
        for &(spot, radius) in &lines.spots {
            canvas.ellipse(spot, radius, radius * 0.8, self.shade(0.72), 0.5);
        }
        for line in 0..lines.forehead_count {
            let y = eyes.y - eyes.ry - traits.brow_lift - 9.0 - 7.0 * line as f32;
            let half = self.width() * (0.58 - 0.06 * line as f32);
            let (a, b) = ((MIDDLE - half, y + 1.5), (MIDDLE + half, y + 1.5));
            canvas.arc(
                a,
                (MIDDLE, y - 3.0),
                b,
                dark,
                0.15 + 0.5 * lines.forehead,
                1.7,
            );
        }
        let (nose_y, mouth) = (eyes.y + traits.nose_length, &traits.mouth);
        for side in SIDES {
            let at = |x: f32, y: f32| (MIDDLE + side * x, y);
            let strength = lines.nose_to_mouth;
            if strength > 0.05 {
                let from = at(traits.nose_width + 2.0, nose_y - 3.0);
                let to = at(mouth.width + 5.0, mouth.y + 1.0 + 7.0 * strength);
                let bend = at(mouth.width + 5.0, mix(nose_y, mouth.y, 0.4));
                canvas.arc(from, bend, to, dark, 0.08 + 0.55 * strength, 1.4 + strength);
            }
            let strength = lines.eye_bags;
            if strength > 0.05 {
                let y = eyes.y + eyes.ry + 2.0;
                let (a, b) = (
                    at(eyes.apart - eyes.rx * 0.9, y - 1.0),
                    at(eyes.apart + eyes.rx * 0.9, y),
                );
                let bag = at(eyes.apart, y + 2.0);
                canvas.glow(bag, eyes.rx, 5.0, self.shade(0.66), 0.45 * strength);
                let bend = at(eyes.apart, y + 5.0 + 6.0 * strength);
                canvas.arc(a, bend, b, dark, 0.5 * strength, 1.6);
            }
            let strength = lines.crows_feet;
            let count = (3.0 * strength + 0.4) as u32;
            for line in 0..count {
                let slope = line as f32 * 3.5 - 3.0;
                let a = at(eyes.apart + eyes.rx + 3.0, eyes.y + slope * 0.5);
                let b = at(eyes.apart + eyes.rx + 10.0, eyes.y + slope * 1.6);
                canvas.arc(a, a, b, dark, 0.6 * strength, 1.3);
            }
            let strength = lines.jowls;
            if strength > 0.02 {
                let a = at(mouth.width + 3.0, mouth.y + 5.0);
                let b = at(mouth.width + 7.0, mouth.y + 19.0);
                let bend = at(mouth.width + 3.0, mouth.y + 13.0);
                canvas.arc(a, bend, b, dark, 0.7 * strength, 2.0);
                let sag = at(self.width() * 0.52, mouth.y + 10.0);
                canvas.glow(sag, 9.0, 12.0, self.shade(0.7), 0.5 * strength);
            }
        }
    }

    fn beard(&self, canvas: &mut Canvas) {
        let traits = self.traits;
        let beard = &traits.beard;
        let mouth = &traits.mouth;
        let [_, cheeks, jaw, chin] = traits.widths;
        if beard.chin > 0.02 {
            // Full beards hang a little below the chin.
            let drop = if beard.chin > 0.5 { 6.0 } else { 0.0 };
            let outer: [Point; 4] = [
                (cheeks - 0.5, self.level(0.56)),
                (jaw, self.level(0.82)),
                (chin + drop * 0.4, self.level(0.97) + drop * 0.6),
                (0.0, traits.chin + 1.0 + drop),
            ];
            let inner: [Point; 3] = [
                (cheeks - 5.0, self.level(0.58)),
                (jaw * 0.78, mouth.y - 6.0),
                (mouth.width + 3.0, mouth.y - 8.0),
            ];
            let mirrored = |&(x, y): &Point| (MIDDLE - x, y);
            let right = |&(x, y): &Point| (MIDDLE + x, y);
            let around: Vec<Point> = outer
                .iter()
                .map(mirrored)
                .chain(outer.iter().rev().skip(1).map(right))
                .collect();
            let across: Vec<Point> = inner
                .iter()
                .map(right)
                .chain([(MIDDLE, mouth.y - 4.0)])
                .chain(inner.iter().rev().map(mirrored))
                .collect();
            canvas.fill(shape(&[&around, &across]), beard.colour, beard.chin);
        }
        if beard.moustache > 0.02 {
            let (w, y) = (mouth.width, mouth.y - mouth.lips);
            let top = [
                (MIDDLE - w - 3.0, y + 4.0),
                (MIDDLE - w * 0.55, y - 4.0),
                (MIDDLE, y - 5.0),
                (MIDDLE + w * 0.55, y - 4.0),
                (MIDDLE + w + 3.0, y + 4.0),
            ];
            let bottom = [
                (MIDDLE + w * 0.5, y + 2.0),
                (MIDDLE, y),
                (MIDDLE - w * 0.5, y + 2.0),
            ];
            canvas.fill(shape(&[&top, &bottom]), beard.colour, beard.moustache);
        }
    }

    fn nose(&self, canvas: &mut Canvas) {
        let traits = self.traits;
        let (w, y) = (traits.nose_width, traits.eyes.y + traits.nose_length);
        let dark = self.shade(0.62);
        let bridge = (MIDDLE + w * 0.35, mix(traits.eyes.y, y, 0.55));
        canvas.glow(bridge, w * 0.5, traits.nose_length * 0.42, dark, 0.22);
        let tip = (MIDDLE - w * 0.1, y - 3.5);
        canvas.glow(tip, w * 0.55, w * 0.5, self.shade(1.14), 0.5);
        for side in SIDES {
            let nostril = (MIDDLE + side * w * 0.45, y + 1.2);
            canvas.ellipse(nostril, w * 0.24, 1.5, self.shade(0.42), 0.8);
            let (a, b) = (
                (MIDDLE + side * w * 0.85, y - 6.0),
                (MIDDLE + side * w * 0.75, y + 1.5),
            );
            canvas.arc(a, (MIDDLE + side * (w * 1.25), y), b, dark, 0.7, 1.5);
        }
    }

    fn mouth(&self, canvas: &mut Canvas) {
        let mouth = &self.traits.mouth;
        let (w, lips, smile) = (mouth.width, mouth.lips, mouth.smile);
        let (x, y) = (MIDDLE, mouth.y);
        let gap = if mouth.open { 4.0 + lips * 0.4 } else { 0.0 };
        let (left, right) = ((x - w, y - smile), (x + w, y - smile));
        let middle = y + smile * 0.35;
        let upper = [
            left,
            (x - w * 0.35, middle - lips),
            (x, middle - lips * 0.75),
            (x + w * 0.35, middle - lips),
            right,
        ];
        let lower = [right, (x, middle + lips * 1.3 + gap), left];
        let colour = mouth.colour;
        canvas.fill(shape(&[&upper, &lower]), colour, 1.0);
        let seam = [left, (x, middle), right];
        let inside = [
            (x + w * 0.84, y - smile * 0.75),
            (x, middle + gap),
            (x - w * 0.84, y - smile * 0.75),
        ];
        if mouth.open {
            canvas.fill(shape(&[&seam, &inside]), WHITE, 0.93);
        }
        let dark = colour.times(0.5);
        canvas.arc(left, (x, 2.0 * middle - y + smile), right, dark, 0.8, 1.5);
        let below = (x, middle + lips * 1.3 + gap + 5.0);
        canvas.glow(below, w * 0.5, 2.6, self.shade(0.7), 0.35);
    }

    fn eyes(&self, canvas: &mut Canvas) {
        let traits = self.traits;
        let eyes = &traits.eyes;
        let (rx, ry) = (eyes.rx, eyes.ry);
        for side in SIDES {
            let at = |x: f32, y: f32| (MIDDLE + side * (eyes.apart + x), eyes.y + y);
            canvas.glow(at(0.0, -2.0), rx * 1.35, ry + 6.0, self.shade(0.72), 0.32);
            canvas.ellipse(
                at(1.0, -ry * 0.7),
                rx * 1.15,
                ry * 0.9,
                eyes.shadow,
                0.7 * eyes.makeup,
            );
            let (inner, outer) = (at(-rx, 1.0), at(rx, -eyes.tilt));
            let upper = [inner, at(-rx * 0.3, -ry), at(rx * 0.45, -ry * 0.9), outer];
            let lower = [outer, at(rx * 0.2, ry * 0.8), inner];
            canvas.fill(shape(&[&upper, &lower]), WHITE, 0.96);
            let iris = (ry * 0.98).min(rx * 0.62);
            canvas.ellipse(at(0.0, -ry * 0.08), iris, iris, eyes.iris, 1.0);
            canvas.ellipse(at(0.0, -ry * 0.08), iris * 0.5, iris * 0.5, INK, 1.0);
            canvas.ellipse(at(-1.0, -ry * 0.4), iris * 0.22, iris * 0.22, WHITE, 0.9);
            let lid = at(0.1 * rx, -ry * 1.85);
            canvas.arc(inner, lid, outer, INK, 0.75, 1.7 + 1.9 * eyes.makeup);
            canvas.arc(
                outer,
                at(0.2, ry * 1.7),
                inner,
                self.shade(0.5),
                0.6,
                0.9 + eyes.makeup,
            );
            if eyes.makeup > 0.3 {
                let lash = at(rx + 3.0 + 2.0 * eyes.makeup, -eyes.tilt - 3.5);
                canvas.arc(outer, outer, lash, INK, 0.8, 1.6);
            }
            let y = -ry - traits.brow_lift;
            let thick = traits.brow;
            let brow = [
                at(-rx * 0.95, y + 2.6),
                at(rx * 0.2, y - thick * 0.5),
                at(rx * 1.3, y + 2.2 - eyes.tilt * 0.6),
            ];
            let under = [
                at(rx * 1.3, y + 2.8 - eyes.tilt * 0.6),
                at(rx * 0.2, y + thick * 0.5),
                at(-rx * 0.95, y + 2.6 + thick * 0.8),
            ];
            let colour = traits.hair.colour.mix(INK, 0.35).mix(traits.skin, 0.08);
            canvas.fill(shape(&[&brow, &under]), colour, 0.85);
        }
    }

    /// The hair in front: the cap with its hairline, and what hangs at the sides.
    fn hair(&self, canvas: &mut Canvas) {
        let hair = &self.traits.hair;
        let (w, v, eye_y) = (self.width(), hair.volume, self.traits.eyes.y);
        let forehead = self.traits.widths[0];
        let (colour, opacity) = (hair.colour, hair.opacity);
        if hair.style == HairStyle::Fringe {
            for side in SIDES {
                let at = |x: f32, y: f32| (MIDDLE + side * x, y);
                let outer = [
                    at(w - 2.0, eye_y + 8.0),
                    at(w + v + 3.0, eye_y - 4.0),
                    at(forehead + v + 1.0, self.level(0.26)),
                    at(forehead * 0.86, self.level(0.13)),
                ];
                let inner = [
                    at(forehead * 0.83, self.level(0.2)),
                    at(forehead * 0.9, self.level(0.32)),
                    at(w * 0.9, eye_y + 2.0),
                ];
                canvas.fill(shape(&[&outer, &inner]), colour, opacity);
            }
            return;
        }
        let (tip, flare) = match hair.style {
            HairStyle::Bob => (self.level(0.9), 1.0),
            HairStyle::Long => (206.0, 1.0),
            HairStyle::Fuzz | HairStyle::Bald => (eye_y - 14.0, 0.6),
            HairStyle::Afro => (eye_y + 6.0, 0.6),
            _ => (eye_y + 5.0, 0.5),
        };
        let half: [Point; 4] = [
            (w + v * flare - 1.0, tip),
            (w + v * (flare * 0.6 + 0.4), self.level(0.42)),
            (forehead + v * 0.8, self.level(0.2)),
            (forehead * 0.6 + v * 0.3, self.level(0.04) - v * 0.7),
        ];
        let outer: Vec<Point> = half
            .iter()
            .map(|&(x, y)| (MIDDLE - x, y))
            .chain([(MIDDLE + hair.parting * 0.3, self.traits.top - v * 1.15)])
            .chain(half.iter().rev().map(|&(x, y)| (MIDDLE + x, y)))
            .collect();
        let part = hair.parting;
        let (middle, corner) = if hair.bangs {
            (self.level(0.30), self.level(0.31))
        } else {
            let recede = hair.recede;
            (
                self.level(0.17 - 0.06 * recede),
                self.level(0.19 - 0.14 * recede),
            )
        };
        let hangs = tip > eye_y + 20.0;
        let side = if hangs { w * 0.84 } else { w * 0.93 };
        let end = if hangs { w + v * 0.45 } else { w - 2.0 };
        let inner: Vec<Point> = [
            (MIDDLE + end, tip),
            (MIDDLE + side, eye_y - 8.0),
            (MIDDLE + forehead * 0.85, self.level(0.28)),
            (MIDDLE + forehead * 0.55, corner),
            (MIDDLE + part, middle),
            (MIDDLE - forehead * 0.55, corner),
            (MIDDLE - forehead * 0.85, self.level(0.28)),
            (MIDDLE - side, eye_y - 8.0),
            (MIDDLE - end, tip),
        ]
        .into();
        canvas.fill(shape(&[&outer, &inner]), colour, opacity);
        if matches!(hair.style, HairStyle::Fuzz | HairStyle::Bald) {
            return;
        }
        // A few strands from the parting, darker and lighter.
        let root = (MIDDLE + part * 0.7, self.traits.top - v * 0.25);
        for side in SIDES {
            for (strand, tone) in [0.62, 1.32, 0.72].into_iter().enumerate() {
                let spread = 0.55 + 0.2 * strand as f32;
                let end = (
                    MIDDLE + side * (forehead * spread + 2.0),
                    self.level(0.1 + 0.07 * strand as f32),
                );
                let bend = (mix(root.0, end.0, 0.7), root.1 + 1.0);
                canvas.arc(root, bend, end, colour.times(tone), 0.45 * opacity, 2.2);
            }
            if hangs {
                let a = (MIDDLE + side * (w + v * 0.3), self.level(0.35));
                let b = (MIDDLE + side * (w + v * 0.4), tip - 8.0);
                let bend = (MIDDLE + side * (w + v * 0.8), self.level(0.65));
                canvas.arc(a, bend, b, colour.times(0.65), 0.5, 2.4);
            }
        }
    }

    fn accessories(&self, canvas: &mut Canvas) {
        let traits = self.traits;
        let eyes = &traits.eyes;
        if let Some(glasses) = &traits.glasses {
            let (half, h, t) = (eyes.apart - 4.5, glasses.height, glasses.thickness);
            for side in SIDES {
                let middle = (MIDDLE + side * (eyes.apart + 1.0), eyes.y + 1.0);
                let rim = super::canvas::ellipse(middle, half, h);
                canvas.fill(rim.clone(), WHITE, 0.1);
                canvas.stroke(rim, glasses.frame, 0.95, t);
                let hinge = (middle.0 + side * half, middle.1 - 2.0);
                let ear = (MIDDLE + side * (self.width() + 1.0), eyes.y - 2.0);
                canvas.arc(hinge, hinge, ear, glasses.frame, 0.9, t);
            }
            let (a, b) = ((MIDDLE - 6.0, eyes.y), (MIDDLE + 6.0, eyes.y));
            canvas.arc(a, (MIDDLE, eyes.y - 4.0), b, glasses.frame, 0.95, t);
        }
        if traits.earrings {
            for side in SIDES {
                let lobe = (MIDDLE + side * (self.width() + 3.0), eyes.y + 26.0);
                canvas.ellipse(lobe, 3.2, 4.4, Rgb(240.0, 212.0, 120.0), 1.0);
            }
        }
        if let Some(colour) = traits.bow {
            let (x, y) = (MIDDLE + 26.0, traits.top - traits.hair.volume + 8.0);
            for side in SIDES {
                let wing = [
                    (x, y),
                    (x + side * 17.0, y - 10.0),
                    (x + side * 17.0, y + 9.0),
                    (x, y),
                ];
                canvas.fill(shape(&[&wing]), colour, 1.0);
            }
            canvas.ellipse((x, y), 4.5, 4.5, colour.times(0.75), 1.0);
        }
    }
}
