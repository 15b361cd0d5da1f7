//! UTKFace file names: `[age]_[gender]_[race]_[timestamp].jpg.chip.jpg`.

use serde::{Deserialize, Serialize};

/// Gender as UTKFace labels it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gender {
    /// Label 0.
    Male,
    /// Label 1.
    Female,
}

impl Gender {
    /// `male` or `female`, as the tables show it.
    pub fn name(self) -> &'static str {
        match self {
            Gender::Male => "male",
            Gender::Female => "female",
        }
    }
}

/// The names of UTKFace's five race labels, 0 to 4.
pub const RACES: [&str; 5] = ["White", "Black", "Asian", "Indian", "Others"];

/// What a file name says of its picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Years, 0 to 130.
    pub age: u32,
    /// 0 male, 1 female.
    pub gender: Gender,
    /// Index into [`RACES`]; three official pictures have none.
    pub race: Option<u8>,
}

#[cfg(test)]
impl Label {
    /// A label without a race.
    pub(crate) fn of(age: u32, gender: Gender) -> Self {
        Self {
            age,
            gender,
            race: None,
        }
    }
}

/// Reads the label out of a file name; `None` where the name does not follow the scheme.
///
/// The five official names that break the pattern are read too: three lack the race, one has
/// a space before its first dot, one lacks that dot.
///
/// ```
/// use ror::dataset::{Gender, parse_name};
///
/// let label = parse_name("26_1_2_20170116184024662.jpg.chip.jpg").unwrap();
/// assert_eq!((label.age, label.gender, label.race), (26, Gender::Female, Some(2)));
/// assert_eq!(parse_name("39_1_20170116174525125.jpg.chip.jpg").unwrap().race, None);
/// assert!(parse_name("holiday.jpg").is_none());
/// ```
pub fn parse_name(name: &str) -> Option<Label> {
    let end = name.find("jpg").or_else(|| name.find("png"))?;
    let stem = name[..end].trim_end_matches('.').trim_end();
    let mut parts = stem.split('_');
    let age = parts.next()?.parse().ok().filter(|age| *age <= 130)?;
    let gender = match parts.next()? {
        "0" => Gender::Male,
        "1" => Gender::Female,
        _ => return None,
    };
    let third = parts.next()?;
    let (race, timestamp) = match parts.next() {
        Some(timestamp) => {
            let race = third
                .parse()
                .ok()
                .filter(|race| usize::from(*race) < RACES.len())?;
            (Some(race), timestamp)
        }
        None => (None, third),
    };
    let is_timestamp = timestamp.len() >= 8 && timestamp.bytes().all(|b| b.is_ascii_digit());
    (is_timestamp && parts.next().is_none()).then_some(Label { age, gender, race })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn official_oddities_parse_and_strangers_do_not() {
        let odd = [
            (
                "39_1_20170116174525125.jpg.chip.jpg",
                39,
                Gender::Female,
                None,
            ),
            (
                "61_1_20170109142408075.jpg.chip.jpg",
                61,
                Gender::Female,
                None,
            ),
            (
                "61_1_20170109150557335.jpg.chip.jpg",
                61,
                Gender::Female,
                None,
            ),
            (
                "24_0_1_20170116220224657 .jpg.chip.jpg",
                24,
                Gender::Male,
                Some(1),
            ),
            (
                "55_0_0_20170116232725357jpg.chip.jpg",
                55,
                Gender::Male,
                Some(0),
            ),
        ];
        for (name, age, gender, race) in odd {
            assert_eq!(
                parse_name(name),
                Some(Label { age, gender, race }),
                "{name}"
            );
        }
        let strangers = [
            "",
            "README.md",
            "26_2_0_20170116184024662.jpg",
            "26_1_5_20170116184024662.jpg",
            "131_1_0_20170116184024662.jpg",
            "-1_1_0_20170116184024662.jpg",
            "26_1_0_20170116184024662_7.jpg",
            "26_1_0_.jpg",
            "26_1_0.jpg",
        ];
        for name in strangers {
            assert_eq!(parse_name(name), None, "{name}");
        }
    }
}
