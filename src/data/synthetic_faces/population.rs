//! Who is in the made-up data set: labels, time stamps and repeated pictures.

use super::Person;
use crate::support::random::Random;

/// The highest age, as in UTKFace.
pub(super) const MAX_AGE: u32 = 116;

/// How many of about 23,700 people have each age from 1 on: the shape of
/// UTKFace's distribution with its peaks at 1, 26 and the round ages.
#[rustfmt::skip]
const AGES: [u32; MAX_AGE as usize] = [
    1120,  480,  290,  270,  195,  130,  135,  260,  225,  155,
      65,  130,   80,  155,  175,  245,  160,  260,  100,  285,
     395,  395,  425,  855,  735, 2195,  615,  915,  540,  690,
     330,  630,  140,  390,  835,  460,  280,  310,  250,  500,
     130,  250,  145,   95,  420,  160,  160,  145,  140,  360,
     135,  225,  230,  335,  255,  185,   95,  215,  115,  280,
     190,  170,  125,  110,  310,  100,  125,  135,   80,  180,
      95,  120,   85,  100,  180,   75,   75,   95,   65,  165,
      55,   55,   45,   50,  185,   60,   45,   45,   45,  105,
       6,   14,    7,    5,    6,   18,    3,    2,    8,   12,
       2,    2,    2,    1,    5,    1,    1,    1,    1,    6,
       1,    1,    1,    1,    4,    4,
];

/// UTKFace's counts of male and female pictures.
const GENDERS: [u32; 2] = [12_391, 11_317];

/// UTKFace's counts of pictures by race label.
const RACES: [u32; 5] = [10_078, 4_526, 3_434, 3_975, 1_692];

/// Of 1,000 entries, so many repeat another entry's picture.
const COPIES_PER_MILLE: u128 = 16;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// December 2016 and January 2017, when UTKFace's pictures were collected.
const DAYS: u64 = 62;

/// Invents `n` people: the same ones for the same `n` and `seed` on every machine.
///
/// Ages (1 to 116), genders and races are distributed like UTKFace's, each
/// independently of the others. About 1.6 % of the entries repeat another
/// entry's drawing under a new time stamp; a third of these carry another age
/// label than the original and a tenth the other gender label.
///
/// The people are sorted by the bytes of their [file names](Person::file_name),
/// which are all different.
pub fn population(n: usize, seed: u64) -> Vec<Person> {
    let mut random = Random::new(seed ^ 0x0070_6f70_756c_6174);
    let mut stamps = timestamps(n, &mut random).into_iter();
    let copies = ((n as u128 * COPIES_PER_MILLE + 500) / 1000) as usize;
    let mut people: Vec<Person> = stamps
        .by_ref()
        .take(n - copies)
        .map(|timestamp| {
            Person::new(
                random.weighted(&AGES) as u32 + 1,
                random.weighted(&GENDERS) as u8,
                random.weighted(&RACES) as u8,
                timestamp,
                random.next(),
            )
        })
        .collect();
    // The people are in no order yet: the first ones are as good a choice as any.
    let repeats: Vec<Person> = people
        .iter()
        .zip(stamps)
        .enumerate()
        .map(|(index, (original, timestamp))| {
            let mut copy = original.clone();
            copy.timestamp = timestamp;
            if index % 3 == 0 {
                copy.age = other_age(copy.age, &mut random);
            }
            if index % 10 == 0 {
                copy.gender = 1 - copy.gender;
            }
            copy
        })
        .collect();
    people.extend(repeats);
    people.sort_by_cached_key(Person::file_name);
    people
}

/// A different age, at most 12 years away.
fn other_age(age: u32, random: &mut Random) -> u32 {
    let years = 1 + random.below(12) as u32;
    let older = random.below(2) == 1;
    if older && age + years <= MAX_AGE || age <= years {
        age + years
    } else {
        age - years
    }
}

/// `n` different time stamps, in random order so that they tell nothing.
fn timestamps(n: usize, random: &mut Random) -> Vec<String> {
    // One per slot of equal length: different without having to remember any.
    let slot = (DAYS * DAY_MS / (n as u64).max(1)).max(1);
    let mut stamps: Vec<String> = (0..n as u64)
        .map(|index| timestamp(index * slot + random.below(slot)))
        .collect();
    for last in (1..stamps.len()).rev() {
        stamps.swap(last, random.below(last as u64 + 1) as usize);
    }
    stamps
}

/// The time so many milliseconds after the start of 1 December 2016.
fn timestamp(ms: u64) -> String {
    let (day, ms) = (ms / DAY_MS, ms % DAY_MS);
    let (month, day) = if day < 31 {
        (201_612, day + 1)
    } else {
        (201_701, day - 30)
    };
    let (s, ms) = (ms / 1000, ms % 1000);
    let (hour, minute, second) = (s / 3600, s / 60 % 60, s % 60);
    format!("{month}{day:02}{hour:02}{minute:02}{second:02}{ms:03}")
}
