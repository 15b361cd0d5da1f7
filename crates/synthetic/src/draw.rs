//! Draws a face from back to front. No single feature reveals gender or age, because each has its
//! own noise.

use anyhow::Result;
use image::RgbImage;

use crate::canvas::{Canvas, Rgb, blend, mix, shade};
use crate::face::Face;
use crate::random::Draw;
use utils::random::Random;

/// Skin color by race label.
const SKIN: [Rgb; 5] = [
    [236.0, 196.0, 172.0],
    [118.0, 80.0, 58.0],
    [230.0, 190.0, 152.0],
    [172.0, 124.0, 90.0],
    [204.0, 158.0, 126.0],
];
/// Share of people with light hair and eyes, by race label.
const LIGHT: [f32; 5] = [0.65, 0.03, 0.03, 0.03, 0.2];
const DARK_HAIR: Rgb = [34.0, 26.0, 24.0];
const LIGHT_HAIR: Rgb = [196.0, 146.0, 88.0];
const GREY: Rgb = [206.0, 205.0, 204.0];
const WHITE: Rgb = [246.0, 243.0, 240.0];
const INK: Rgb = [36.0, 24.0, 22.0];
const BLUE: Rgb = [86.0, 128.0, 170.0];
const BROWN: Rgb = [80.0, 52.0, 32.0];
const PALE: Rgb = [206.0, 186.0, 166.0];
const RED: Rgb = [196.0, 44.0, 66.0];

const SIDES: [f32; 2] = [-1.0, 1.0];

/// The visible traits of a person.
struct Sitter {
    random: Random,
    female: bool,
    /// 0 (newborn) to 1 (21 years), growing faster at first.
    growth: f32,
    /// 0 up to 20 years, 1 at 70 years.
    old: f32,
}

impl Sitter {
    /// Returns approximately normal noise with standard deviation 1.
    fn noise(&mut self) -> f32 {
        self.random.normal32()
    }

    /// Returns true with a probability that depends on the gender.
    fn odds(&mut self, male: f32, female: f32) -> bool {
        self.random.chance(if self.female { female } else { male })
    }

    /// Returns -0.5 for men to 0.5 for women with noise. Children are closer together.
    fn lean(&mut self) -> f32 {
        let side = if self.female { 0.5 } else { -0.5 };
        side * mix(0.4, 1.0, self.growth) + 0.2 * self.noise()
    }

    /// Returns the strength of one sign of age, 0 to about 1.5.
    fn ageing(&mut self) -> f32 {
        (self.old * (1.0 + 0.25 * self.noise())).max(0.0)
    }
}

pub(crate) fn draw(face: &Face, size: u32) -> Result<RgbImage> {
    let mut random = Random::new(face.seed);
    let mut canvas = Canvas::new(size, &mut random)?;
    // Some people look older or younger than they are.
    let years = face.age as f32;
    let age = (years + random.normal32() * (0.4 + 0.06 * years)).max(0.5);
    let child = 1.0 - (age / 21.0).min(1.0);
    let growth = 1.0 - child * child;
    let old = ((age - 20.0) / 50.0).clamp(0.0, 1.3);
    let (race, female) = (usize::from(face.race), face.gender == 1);
    let mut sitter = Sitter { random, female, growth, old };

    let skin = blend(SKIN[race], PALE, 0.25 * old);
    let skin = shade(skin, 1.0 + 0.05 * sitter.noise());
    let is_light = sitter.random.chance(LIGHT[race]);
    let light = sitter.random.between(0.0, 0.25) + if is_light { 0.5 } else { 0.0 };
    let grey = ((age - 28.0) / 38.0 + 0.1 * sitter.noise()).clamp(0.0, 1.0);
    let grey = grey * if sitter.odds(0.05, 0.25) { 0.3 } else { 1.0 }; // dyed
    let hair = blend(blend(DARK_HAIR, LIGHT_HAIR, light), GREY, grey);

    // Heights and half widths. A child's face is round, with a high forehead and low eyes.
    let top = 42.0 + 2.0 * sitter.noise();
    let chin = mix(160.0, 177.0, growth) + 2.0 * sitter.noise();
    let cheeks = mix(56.0, 49.0, growth) + 1.5 * sitter.noise() + 3.0 * old;
    let broad = if female { -0.06 } else { 0.06 } + 0.025 * sitter.noise();
    let jaw = cheeks * (0.8 + broad * growth + 0.06 * old);
    let level = |part: f32| mix(top, chin, part);
    let eyes = level(mix(0.61, 0.49, growth));
    let nose = eyes + mix(13.0, 25.0, growth) + 3.0 * old + sitter.noise();
    let lips = mix(nose, chin, 0.42);
    let apart = 0.44 * cheeks;
    let dark = shade(skin, 0.55); // lines and shadows

    // Hair behind the head, and its volume.
    let is_baby = age < 2.0;
    let volume = if is_baby { 1.5 } else { sitter.random.between(5.0, 11.0) };
    if !is_baby && sitter.odds(0.07, 0.84) {
        let long = sitter.random.chance(0.6);
        let half = [
            (cheeks * 0.5, top - volume),
            (cheeks + volume * 0.8, level(0.3)),
            (cheeks + volume, level(0.7)),
            (cheeks + volume * 0.9, if long { 210.0 } else { level(0.92) }),
        ];
        canvas.shape(&half, shade(hair, 0.82), 1.0);
    } else if !is_baby {
        let radii = (cheeks + 0.6 * volume, 0.36 * (chin - top));
        canvas.ellipse((0.0, level(0.37)), radii, shade(hair, 0.82), 1.0);
    }

    // Neck and clothes.
    let neck = mix(20.0, 27.0, growth) - 4.0 * sitter.lean() * growth;
    let shoulder = mix(56.0, 88.0, growth) - 12.0 * sitter.lean() * growth;
    let collar = chin + 8.0;
    let throat = [(neck, chin - 30.0), (neck, collar), (neck + 10.0, 215.0)];
    canvas.shape(&throat, shade(skin, 0.84), 1.0);
    let slope = (shoulder * 0.75, collar + 12.0);
    let half = [(0.0, collar + 14.0), (neck, collar), slope, (shoulder, 215.0)];
    canvas.shape(&half, sitter.random.colour(), 1.0);

    // Head, ears and cheeks.
    for side in SIDES {
        let ear = (side * (cheeks + 1.0), eyes + 9.0);
        canvas.ellipse(ear, (6.5, 12.0), shade(skin, 0.88), 1.0);
    }
    let half = [
        (0.0, top),
        (cheeks * 0.64, level(0.07)),
        (cheeks * 0.95, level(0.28)),
        (cheeks, level(0.55)),
        (jaw, level(0.82)),
        (jaw * 0.5, chin - 2.0),
    ];
    canvas.shape(&half, skin, 1.0);
    let blush = 0.2 - 0.13 * growth + 0.05 * sitter.noise().abs();
    for side in SIDES {
        let cheek = (side * cheeks * 0.58, level(0.68));
        canvas.ellipse(cheek, (cheeks * 0.22, cheeks * 0.17), RED, blush);
    }

    // Wrinkles get darker and more numerous with age.
    let [forehead, bags, folds] = [(); 3].map(|()| sitter.ageing());
    for line in [0.0, 1.0, 2.0, 3.0] {
        let strength = (2.2 * forehead - 0.4 * line).clamp(0.0, 0.7);
        let (x, y) = (cheeks * (0.6 - 0.05 * line), eyes - 22.0 - 6.5 * line);
        canvas.arc([(-x, y), (0.0, y - 4.0), (x, y)], 1.8, dark, strength);
    }
    for side in SIDES {
        let at = |x: f32, y: f32| (side * x, y);
        let (y, bend) = (eyes + 9.0, at(apart, eyes + 13.0 + 5.0 * bags));
        canvas.arc([at(apart - 9.0, y), bend, at(apart + 9.0, y)], 1.8, dark, 0.7 * bags);
        let (from, bend) = (at(12.0, nose - 3.0), at(24.0, mix(nose, lips, 0.4)));
        let points = [from, bend, at(24.0, lips + 8.0 * folds)];
        canvas.arc(points, 1.5 + folds, dark, 0.55 * folds);
    }

    if age >= 17.0 && sitter.odds(0.6, 0.0) {
        let half = [
            (0.0, lips - 8.0),
            (jaw * 0.55, lips - 8.0),
            (cheeks - 1.0, level(0.58)),
            (jaw + 1.0, level(0.82)),
            (jaw * 0.55, chin + 2.0),
        ];
        let density = sitter.random.between(0.2, 1.0);
        canvas.shape(&half, shade(hair, 0.9), density);
    }

    let wide = mix(6.0, 9.5, growth) + 1.5 * old - 1.5 * sitter.lean();
    let points = [(-wide, nose - 3.0), (0.0, nose + 6.0), (wide, nose - 3.0)];
    canvas.arc(points, 2.2, dark, 0.8);

    // Mouth.
    let full = (mix(3.5, 5.0, growth) + sitter.lean() - 1.8 * sitter.ageing()).max(1.5);
    let wide = mix(12.0, 19.0, growth) + sitter.noise();
    let lipstick = age > 14.0 && sitter.odds(0.0, 0.65);
    let colour = blend(skin, RED, if lipstick { 0.85 } else { 0.3 });
    let corners = lips - sitter.random.between(0.0, 5.0);
    let open = if sitter.random.chance(0.4) { 4.0 } else { 0.0 };
    let (bow, below) = ((wide * 0.35, lips - full), (wide * 0.4, lips + full + open));
    canvas.shape(&[(0.0, lips - 0.7 * full), bow, (wide, corners), below], colour, 1.0);
    if open > 0.0 {
        let (corner, below) = ((wide * 0.75, mix(lips, corners, 0.6)), (wide * 0.3, lips + open));
        canvas.shape(&[(0.0, lips), corner, below], WHITE, 1.0);
    } else {
        let points = [(-wide, corners), (0.0, 2.0 * lips - corners), (wide, corners)];
        canvas.arc(points, 1.5, shade(colour, 0.5), 0.8);
    }

    // Eyes and brows.
    let blue = is_light && sitter.random.chance(0.6);
    let iris = if blue { BLUE } else { BROWN };
    let lid = if age > 14.0 && sitter.odds(0.02, 0.65) { 3.2 } else { 1.6 };
    let apart = apart + 0.7 * sitter.noise();
    let wide = mix(11.5, 9.5, growth) + 0.3 * sitter.noise();
    let high = mix(9.5, 6.2, growth) + 0.7 * sitter.lean() - 1.4 * sitter.ageing();
    let high = high.max(3.0);
    let radius = 0.9 * high.min(0.6 * wide);
    let brow = (mix(1.8, 4.0, growth) - 2.0 * sitter.lean() * growth).max(1.2);
    let lift = high + mix(5.0, 6.0, growth) + 1.5 * sitter.lean();
    for side in SIDES {
        let at = |x: f32, up: f32| (side * (apart + x), eyes - up);
        canvas.ellipse(at(0.0, 0.0), (wide, high), WHITE, 1.0);
        canvas.ellipse(at(0.0, 0.0), (radius, radius), iris, 1.0);
        canvas.ellipse(at(0.0, 0.0), (0.5 * radius, 0.5 * radius), INK, 1.0);
        canvas.ellipse(at(-1.0, 2.0), (1.3, 1.3), WHITE, 1.0);
        let points = [at(-wide, 0.0), at(0.0, 2.1 * high), at(wide + lid - 1.0, 1.0)];
        canvas.arc(points, lid, INK, 0.85);
        let points = [at(-wide, lift), at(0.3 * wide, lift + 6.0), at(wide + 2.0, lift)];
        canvas.arc(points, brow, blend(hair, INK, 0.35), 0.9);
    }

    // Hair above the forehead: men's hairline recedes, and some men are bald.
    let recede = if female { 0.0 } else { sitter.ageing().min(1.0) };
    if female || !sitter.random.chance(0.5 * (old - 0.1)) {
        let fringe = recede < 0.4 && sitter.random.chance(0.3);
        let line = if fringe { 0.31 } else { 0.18 - 0.06 * recede };
        let half = [
            (0.0, top - volume),
            (cheeks * 0.55 + volume * 0.4, level(0.03) - 0.7 * volume),
            (cheeks * 0.95 + volume * 0.8, level(0.24)),
            (cheeks + volume * 0.6, eyes - 2.0),
            (cheeks - 2.0, eyes - 2.0),
            (cheeks * 0.88, level(0.3)),
            (cheeks * 0.55, level(line - 0.05 * recede)),
            (0.0, level(line)),
        ];
        canvas.shape(&half, hair, if is_baby { 0.45 } else { 1.0 });
    }
    Ok(canvas.photograph(&mut sitter.random))
}
