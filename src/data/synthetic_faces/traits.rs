//! What a drawn person looks like: every measure and colour, chosen from the
//! drawing's seed.
//!
//! No single trait gives the gender or the age away. Each leans towards one side
//! with noise of its own, so that only many of them together tell.

use super::canvas::{Point, Rgb, mix};
use crate::support::random::Random;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HairStyle {
    /// Hardly any yet.
    Fuzz,
    Short,
    /// A big round head of curls.
    Afro,
    /// Down to the chin.
    Bob,
    /// Over the shoulders.
    Long,
    /// Pinned up in a bun.
    Bun,
    /// A band around a bald head.
    Fringe,
    Bald,
}

#[derive(Debug)]
pub(super) struct Hair {
    pub(super) style: HairStyle,
    pub(super) colour: Rgb,
    /// How far it stands off the head.
    pub(super) volume: f32,
    pub(super) opacity: f32,
    /// Whether it hangs over the forehead.
    pub(super) bangs: bool,
    /// How far the temples have receded, 0 to 1.
    pub(super) recede: f32,
    /// Where the parting is, left (negative) or right of the middle.
    pub(super) parting: f32,
}

#[derive(Debug)]
pub(super) struct Beard {
    /// 0 shaved; stubble is faint, a beard strong.
    pub(super) chin: f32,
    pub(super) moustache: f32,
    pub(super) colour: Rgb,
}

/// Strengths of the lines in the face, 0 to 1, and how many lines a forehead has.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) forehead: f32,
    pub(super) forehead_count: u32,
    pub(super) nose_to_mouth: f32,
    pub(super) eye_bags: f32,
    pub(super) crows_feet: f32,
    pub(super) jowls: f32,
    /// Age spots: where, and how large.
    pub(super) spots: Vec<(Point, f32)>,
}

#[derive(Debug)]
pub(super) struct Eyes {
    pub(super) y: f32,
    /// From the middle of the face to the middle of an eye.
    pub(super) apart: f32,
    pub(super) rx: f32,
    pub(super) ry: f32,
    /// How much higher the outer corners are.
    pub(super) tilt: f32,
    pub(super) iris: Rgb,
    /// How much the lashes are made up, 0 to 1.
    pub(super) makeup: f32,
    pub(super) shadow: Rgb,
}

#[derive(Debug)]
pub(super) struct Mouth {
    pub(super) y: f32,
    /// Half its width.
    pub(super) width: f32,
    pub(super) lips: f32,
    pub(super) colour: Rgb,
    pub(super) smile: f32,
    pub(super) open: bool,
}

#[derive(Debug)]
pub(super) struct Glasses {
    pub(super) frame: Rgb,
    pub(super) thickness: f32,
    pub(super) height: f32,
}

#[derive(Debug)]
pub(super) struct Clothes {
    pub(super) colour: Rgb,
    pub(super) v_neck: bool,
    /// Half the neck's width.
    pub(super) neck: f32,
    pub(super) shoulder: f32,
}

/// The camera's part: pose, background and light.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) turn: f32,
    pub(super) zoom: f32,
    pub(super) shift: Point,
    /// The background's colours, from one side to the other.
    pub(super) back: [Rgb; 2],
    pub(super) back_direction: Point,
    /// Change of brightness across the picture, to the right and down.
    pub(super) light: Point,
    /// Gain of red, green and blue.
    pub(super) gain: [f32; 3],
    /// Amplitude of the noise, in grey levels.
    pub(super) noise: f32,
    pub(super) noise_seed: u64,
}

/// Everything that [`face::paint`](super::face::paint) needs to know.
#[derive(Debug)]
pub(super) struct Traits {
    pub(super) scene: Scene,
    pub(super) skin: Rgb,
    /// Top of the skull, and the chin.
    pub(super) top: f32,
    pub(super) chin: f32,
    /// Half widths of forehead, cheeks, jaw and chin.
    pub(super) widths: [f32; 4],
    pub(super) blush: f32,
    pub(super) eyes: Eyes,
    pub(super) brow: f32,
    pub(super) brow_lift: f32,
    pub(super) nose_length: f32,
    pub(super) nose_width: f32,
    pub(super) mouth: Mouth,
    pub(super) hair: Hair,
    pub(super) beard: Beard,
    pub(super) lines: Lines,
    pub(super) glasses: Option<Glasses>,
    pub(super) earrings: bool,
    pub(super) bow: Option<Rgb>,
    pub(super) clothes: Clothes,
}

/// Whom to draw, with the noise already in it.
struct Subject {
    random: Random,
    /// Years as they show.
    age: f32,
    /// 0 newborn to 1 grown up, fast at first.
    growth: f32,
    /// 0 up to the mid-twenties, 1 at about 80.
    old: f32,
    female: bool,
    race: usize,
}

impl Subject {
    /// About 0 for men and 1 for women, closer together in children, with noise
    /// of the given standard deviation.
    fn lean(&mut self, noise: f32) -> f32 {
        let side = if self.female { 0.5 } else { -0.5 };
        0.5 + side * mix(0.4, 1.0, self.growth) + noise * self.random.bell()
    }

    /// A probability that depends on the gender.
    fn odds(&mut self, male: f32, female: f32) -> bool {
        let odds = if self.female { female } else { male };
        self.random.chance(odds)
    }

    /// How strongly one sign of age shows: [`Self::old`], but some people's skin
    /// or hair ages earlier than others'.
    fn ageing(&mut self, noise: f32) -> f32 {
        (self.old * (1.0 + 0.6 * noise * self.random.bell())
            + noise * 0.22 * self.random.bell() * self.growth)
            .clamp(0.0, 1.2)
    }
}

const SKINS: [Rgb; 5] = [
    Rgb(236.0, 196.0, 172.0),
    Rgb(118.0, 80.0, 58.0),
    Rgb(230.0, 190.0, 152.0),
    Rgb(172.0, 124.0, 90.0),
    Rgb(204.0, 158.0, 126.0),
];

const DARK_HAIR: [Rgb; 3] = [
    Rgb(26.0, 22.0, 22.0),
    Rgb(44.0, 32.0, 26.0),
    Rgb(66.0, 45.0, 32.0),
];

const LIGHT_HAIR: [Rgb; 5] = [
    Rgb(92.0, 62.0, 40.0),
    Rgb(124.0, 88.0, 54.0),
    Rgb(166.0, 128.0, 80.0),
    Rgb(212.0, 178.0, 118.0),
    Rgb(152.0, 76.0, 40.0),
];

impl Traits {
    pub(super) fn new(age: u32, female: bool, race: u8, look: u64) -> Self {
        let mut random = Random::new(look ^ 0x6661_6365);
        let age = age as f32;
        // Some people look older than they are, and some younger.
        let age = (age + random.bell() * (0.4 + 0.075 * age)).max(0.3);
        let child = 1.0 - (age / 21.0).min(1.0);
        let mut who = Subject {
            random,
            age,
            growth: 1.0 - child * child,
            old: ((age - 23.0) / 55.0).clamp(0.0, 1.2),
            female,
            race: usize::from(race).min(SKINS.len() - 1),
        };
        let scene = scene(&mut who.random);
        let skin = skin(&mut who);
        let hair_colour = hair_colour(&mut who);
        let grey = grey(&mut who);
        let lean = who.lean(0.28);

        let top = 38.0 + 2.5 * who.random.bell();
        let chin = mix(164.0, 176.0, who.growth)
            + 2.0 * who.old
            + (2.0 - 2.0 * lean) * who.growth
            + 2.5 * who.random.bell();
        let height = chin - top;
        let stout = 2.2 * who.random.bell() + 2.0 * who.old;
        let broad = (0.5 - who.lean(0.3)) * who.growth;
        let cheeks = mix(58.0, 50.5, who.growth) + stout;
        let widths = [
            cheeks * mix(0.97, 0.93, who.growth) + 0.8 * who.random.bell(),
            cheeks,
            cheeks * (mix(0.84, 0.80, who.growth) + 0.09 * broad + 0.05 * who.old)
                + 1.2 * who.random.bell(),
            cheeks * (mix(0.42, 0.42, who.growth) + 0.13 * broad) + 1.2 * who.random.bell(),
        ];

        let eyes = eyes(&mut who, top, height, skin);
        let nose_length = mix(13.0, 26.0, who.growth) + 3.0 * who.old + 1.5 * who.random.bell();
        let nose_width = mix(7.0, 10.0, who.growth)
            + 2.2 * broad
            + 1.6 * who.old
            + if who.race == 1 { 1.5 } else { 0.0 }
            + 0.8 * who.random.bell();
        let mouth_y = mix(eyes.y + nose_length, chin, 0.44) + who.random.bell();
        let mouth = mouth(&mut who, mouth_y, skin);
        let brow = (mix(2.0, 4.4, who.growth) + 2.2 * (0.5 - who.lean(0.35)) * who.growth
            - 0.5 * who.old
            + 0.4 * who.random.bell())
        .max(1.2);
        let brow_lift =
            mix(7.0, 8.5, who.growth) + 2.0 * (lean - 0.5) * who.growth + who.random.bell();

        let hair = hair(&mut who, hair_colour, grey);
        let beard = beard(&mut who, hair_colour, grey);
        let lines = lines(&mut who, top, height);
        let glasses = who
            .random
            .chance(if who.age < 6.0 {
                0.0
            } else {
                0.08 + 0.22 * who.old
            })
            .then(|| glasses(&mut who));
        let earrings = who.age > 9.0 && who.odds(0.03, 0.4);
        let bow = (who.age < 10.0 && who.odds(0.01, 0.35)).then(|| {
            Rgb(235.0, 90.0, 140.0).mix(Rgb(250.0, 190.0, 70.0), who.random.between(0.0, 0.7))
        });
        let clothes = clothes(&mut who, broad);
        Self {
            scene,
            skin,
            top,
            chin,
            widths,
            blush: who.random.between(0.02, 0.14)
                + 0.18 * (1.0 - who.growth)
                + if who.age > 15.0 && who.odds(0.0, 0.4) {
                    0.12
                } else {
                    0.0
                },
            eyes,
            brow,
            brow_lift,
            nose_length,
            nose_width,
            mouth,
            hair,
            beard,
            lines,
            glasses,
            earrings,
            bow,
            clothes,
        }
    }
}

fn scene(random: &mut Random) -> Scene {
    let base = any_colour(random, 0.35);
    let other = base
        .times(random.between(0.6, 1.35))
        .mix(any_colour(random, 0.5), 0.25);
    let exposure = 1.0 + 0.09 * random.bell();
    let warmth = 0.035 * random.bell();
    Scene {
        turn: 0.045 * random.bell(),
        zoom: 1.03 + 0.035 * random.bell(),
        shift: (2.5 * random.bell(), 2.5 * random.bell()),
        back: [base, other],
        back_direction: (random.between(-1.0, 1.0), random.between(-1.0, 1.0)),
        light: (0.17 * random.bell(), 0.09 * random.bell()),
        gain: [
            exposure * (1.0 + warmth),
            exposure,
            exposure * (1.0 - warmth),
        ],
        noise: random.between(1.5, 6.0),
        noise_seed: random.next(),
    }
}

/// Any colour; with a vividness of 0 it is a grey.
fn any_colour(random: &mut Random, vivid: f32) -> Rgb {
    let grey = random.between(45.0, 225.0);
    let mut part = || grey * (1.0 - vivid) + vivid * random.between(20.0, 240.0);
    Rgb(part(), part(), part())
}

fn skin(who: &mut Subject) -> Rgb {
    let neighbour = SKINS[who.random.below(SKINS.len() as u64) as usize];
    let tone = SKINS[who.race]
        .mix(neighbour, who.random.between(0.0, 0.22))
        .times(1.0 + 0.06 * who.random.bell());
    // Skin pales and yellows a little with age.
    let aged = tone.mix(Rgb(205.0, 180.0, 155.0), 0.12 * who.ageing(0.4));
    aged.mix(Rgb(250.0, 190.0, 180.0), 0.10 * (1.0 - who.growth))
}

fn hair_colour(who: &mut Subject) -> Rgb {
    let light = match who.race {
        0 => 0.7,
        4 => 0.2,
        _ => 0.04,
    };
    let colour = if who.random.chance(light) {
        let pick = if who.age < 8.0 {
            [1, 2, 3, 3, 1]
        } else {
            [4, 3, 2, 2, 1]
        };
        LIGHT_HAIR[who.random.weighted(&pick)]
    } else {
        DARK_HAIR[who.random.weighted(&[3, 3, 1])]
    };
    colour.times(1.0 + 0.1 * who.random.bell())
}

/// The share of grey hair, 0 to 1.
fn grey(who: &mut Subject) -> f32 {
    let onset = 50.0 + 8.0 * who.random.bell();
    let natural = ((who.age - onset) / 26.0 + 0.35).clamp(0.0, 1.0);
    if who.age < 28.0 {
        0.0
    } else if who.odds(0.06, 0.38) {
        natural * 0.2 // dyed
    } else {
        natural
    }
}

fn greyed(colour: Rgb, grey: f32, random: &mut Random) -> Rgb {
    let white = Rgb(208.0, 207.0, 206.0).times(random.between(0.82, 1.1));
    colour.mix(white, grey)
}

fn eyes(who: &mut Subject, top: f32, height: f32, skin: Rgb) -> Eyes {
    let lean = who.lean(0.35);
    let growth = who.growth;
    let iris = match who.race {
        0 => [
            Rgb(86.0, 128.0, 170.0),
            Rgb(96.0, 128.0, 90.0),
            Rgb(96.0, 64.0, 38.0),
        ][who.random.weighted(&[4, 2, 4])],
        _ => Rgb(58.0, 38.0, 26.0).times(who.random.between(0.7, 1.4)),
    };
    let makeup = if who.age > 13.0 && who.odds(0.02, 0.65) {
        who.random.between(0.35, 1.0)
    } else {
        0.0
    };
    let shade = [
        Rgb(120.0, 90.0, 140.0),
        Rgb(90.0, 120.0, 160.0),
        Rgb(110.0, 80.0, 70.0),
    ];
    Eyes {
        y: top + height * (mix(0.585, 0.50, growth) + 0.008 * who.random.bell()),
        apart: mix(25.5, 22.5, growth) + 0.8 * who.random.bell(),
        rx: mix(12.5, 9.8, growth) + 0.6 * lean + 0.4 * who.random.bell(),
        ry: (mix(10.0, 5.2, growth) + 0.9 * (lean - 0.5) * growth - 1.1 * who.ageing(0.3)
            + 0.5 * who.random.bell())
        .max(2.6),
        tilt: 1.2 * who.random.bell() + 0.8 * (lean - 0.5) - 1.5 * who.old,
        iris,
        makeup,
        shadow: shade[who.random.below(3) as usize].mix(skin, 0.45),
    }
}

fn mouth(who: &mut Subject, y: f32, skin: Rgb) -> Mouth {
    let natural = skin.mix(Rgb(176.0, 70.0, 72.0), 0.42 - 0.12 * who.ageing(0.3));
    let painted = [
        Rgb(190.0, 36.0, 56.0),
        Rgb(206.0, 84.0, 110.0),
        Rgb(150.0, 40.0, 60.0),
    ][who.random.below(3) as usize];
    let lean = who.lean(0.3);
    let lipstick = if who.age > 14.0 && who.odds(0.0, 0.5) {
        who.random.between(0.4, 0.95)
    } else {
        0.12 * lean.clamp(0.0, 1.0)
    };
    Mouth {
        y,
        width: mix(12.5, 20.0, who.growth) + 1.5 * who.random.bell(),
        lips: (mix(4.2, 5.2, who.growth) + 1.5 * (lean - 0.5) - 1.9 * who.ageing(0.3)
            + 0.6 * who.random.bell())
        .max(2.0),
        colour: natural.mix(painted, lipstick),
        smile: who.random.between(-1.5, 5.0) + 1.2 * lean - who.old,
        open: who.random.chance(0.38),
    }
}

fn hair(who: &mut Subject, colour: Rgb, grey: f32) -> Hair {
    use HairStyle::{Afro, Bald, Bob, Bun, Fringe, Fuzz, Long, Short};
    const STYLES: [HairStyle; 8] = [Fuzz, Short, Afro, Bob, Long, Bun, Fringe, Bald];
    let bald = if who.age < 24.0 {
        0
    } else {
        (4.0 + 40.0 * who.old) as u32
    };
    let curly = if who.race == 1 { 10 } else { 2 };
    let style = match (who.female, who.age) {
        (_, ..1.2) => who.random.weighted(&[85, 15]),
        (false, ..2.5) => who.random.weighted(&[55, 45, 2, 2]),
        (true, ..2.5) => who.random.weighted(&[48, 34, 3, 10, 2, 4]),
        (false, _) => who
            .random
            .weighted(&[0, 100, curly, 6, 5, 1, bald, bald / 3 + 2]),
        // Older women wear it shorter.
        (true, _) => who.random.weighted(&[
            0,
            14 + (20.0 * who.old) as u32,
            curly,
            26,
            (52.0 - 30.0 * who.old) as u32,
            14,
        ]),
    };
    let style = STYLES[style];
    let recede = if who.female {
        0.15 * who.old + 0.08 * who.random.bell()
    } else {
        0.85 * who.ageing(0.6) + 0.12 * who.random.bell()
    };
    let thin = 0.35 * who.ageing(0.5) * if who.female { 0.4 } else { 1.0 };
    Hair {
        style,
        colour: greyed(colour, grey, &mut who.random),
        volume: match style {
            Fuzz => 1.5,
            Short => mix(5.0, 9.0, who.lean(0.25).clamp(0.0, 1.0)) * (1.0 - 0.35 * thin),
            Afro => who.random.between(14.0, 24.0),
            Fringe | Bald => 2.5,
            Bob | Long | Bun => 10.0,
        } + who.random.bell().abs()
            * if style == Fuzz || style == Bald {
                0.2
            } else {
                2.2
            },
        opacity: match style {
            Fuzz => who.random.between(0.25, 0.6),
            Bald => who.random.between(0.0, 0.22),
            _ => (1.0 - thin) * if who.age < 2.0 { 0.8 } else { 1.0 },
        },
        bangs: match style {
            Fuzz | Afro | Fringe | Bald => false,
            _ if who.age < 2.5 => who.random.chance(0.15),
            _ => who
                .random
                .chance(mix(0.6, 0.22, who.growth) * (1.0 - 0.6 * who.old.min(1.0))),
        },
        recede: recede.clamp(0.0, 1.0),
        parting: (14.0 * who.random.bell()).clamp(-24.0, 24.0),
    }
}

fn beard(who: &mut Subject, colour: Rgb, grey: f32) -> Beard {
    let grown = !who.female && who.age > 17.0;
    let [chin, moustache] = if !grown {
        // A faint shade happens on anyone's lip; it keeps the trait from being certain.
        [0.0, 0.06 * who.random.bell().max(0.0)]
    } else {
        match who.random.weighted(&[40, 28, 10, 14]) {
            0 => [who.random.between(0.0, 0.08); 2],
            1 => [who.random.between(0.1, 0.34); 2],
            2 => [who.random.between(0.0, 0.12), who.random.between(0.6, 0.95)],
            _ => [who.random.between(0.65, 0.95); 2],
        }
    };
    let colour = greyed(colour, (grey * 1.15).min(1.0), &mut who.random);
    Beard {
        chin,
        moustache,
        colour,
    }
}

fn lines(who: &mut Subject, top: f32, height: f32) -> Lines {
    let forehead = who.ageing(0.4);
    let spots = (7.0 * (who.ageing(0.5) - 0.45).max(0.0)) as usize;
    Lines {
        forehead,
        forehead_count: (4.2 * forehead + 0.3) as u32,
        nose_to_mouth: who.ageing(0.4),
        eye_bags: who.ageing(0.5),
        crows_feet: who.ageing(0.4),
        jowls: (who.ageing(0.4) - 0.3).max(0.0),
        spots: (0..spots)
            .map(|_| {
                let x = 100.0 + who.random.between(-36.0, 36.0);
                let y = top + height * who.random.between(0.2, 0.8);
                ((x, y), who.random.between(1.5, 3.2))
            })
            .collect(),
    }
}

fn glasses(who: &mut Subject) -> Glasses {
    let metal = Rgb(140.0, 130.0, 120.0);
    let frame = if who.random.chance(0.6) {
        Rgb(34.0, 28.0, 30.0)
    } else {
        metal
    };
    Glasses {
        frame,
        thickness: who.random.between(1.4, 3.0),
        height: who.random.between(9.5, 13.0),
    }
}

fn clothes(who: &mut Subject, broad: f32) -> Clothes {
    let any = any_colour(&mut who.random, 0.6);
    let lean = who.lean(0.45);
    let typical = if lean > 0.5 {
        Rgb(196.0, 92.0, 122.0)
    } else {
        Rgb(52.0, 66.0, 96.0)
    };
    Clothes {
        colour: any.mix(typical, who.random.between(0.0, 0.55)),
        v_neck: who.odds(0.35, 0.5),
        neck: mix(21.0, 28.0, who.growth) + 6.0 * broad + 1.2 * who.random.bell(),
        shoulder: mix(58.0, 92.0, who.growth) + 14.0 * broad + 3.0 * who.random.bell(),
    }
}
