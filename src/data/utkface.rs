//! UTKFace's file names: `[age]_[gender]_[race]_[timestamp].jpg.chip.jpg`.

use crate::task::{Gender, Label, RACES};

/// File extensions of images.
const ENDINGS: [&str; 9] = ["jpg", "png", "jpeg", "jpe", "jfif", "webp", "bmp", "tif", "tiff"];

/// Parses the label in a file name; `None` if the name does not follow the scheme.
///
/// The five official names that break the scheme are accepted too: three lack the race, one has a
/// space before its first dot, one lacks that dot.
///
/// ```
/// use ror::{Gender, data::parse_name};
///
/// let label = parse_name("26_1_2_20170116184024662.jpg.chip.jpg").unwrap();
/// assert_eq!((label.age, label.gender, label.race), (26, Gender::Female, Some(2)));
/// assert_eq!(parse_name("39_1_20170116174525125.jpg.chip.jpg").unwrap().race, None);
/// assert!(parse_name("holiday.jpg").is_none());
/// ```
pub fn parse_name(name: &str) -> Option<Label> {
    let without_ending = |name| ENDINGS.iter().find_map(|ending| str::strip_suffix(name, ending));
    let picture = without_ending(name)?;
    // In a chip's name, the rest is the name of the image it was cropped from.
    let stem = picture.strip_suffix(".chip.").map_or(Some(picture), without_ending)?;
    let stem = stem.trim_end_matches('.').trim_end();
    let mut parts = stem.split('_');
    let number = |text: &str| -> Option<u32> {
        text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
    };
    let age = number(parts.next()?).filter(|age| *age <= 130)?;
    let gender = match parts.next()? {
        "0" => Gender::Male,
        "1" => Gender::Female,
        _ => return None,
    };
    let third = parts.next()?;
    let (race, timestamp) = match parts.next() {
        Some(timestamp) => {
            let race = number(third).filter(|race| (*race as usize) < RACES.len())?;
            (u8::try_from(race).ok(), timestamp)
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
            ("39_1_20170116174525125.jpg.chip.jpg", 39, Gender::Female, None),
            ("61_1_20170109142408075.jpg.chip.jpg", 61, Gender::Female, None),
            ("61_1_20170109150557335.jpg.chip.jpg", 61, Gender::Female, None),
            ("24_0_1_20170116220224657 .jpg.chip.jpg", 24, Gender::Male, Some(1)),
            ("55_0_0_20170116232725357jpg.chip.jpg", 55, Gender::Male, Some(0)),
        ];
        for (name, age, gender, race) in odd {
            assert_eq!(parse_name(name), Some(Label { age, gender, race }), "{name}");
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
            "+26_1_0_20170116184024662.jpg.chip.jpg",
            "26_1_+0_20170116184024662.jpg.chip.jpg",
            "26_1_0_20170116184024662.jpg.bak",
            "26_1_0_20170116184024662.jpg.chip.jpg.crdownload",
            "26_1_0_20170116184024662.jpg.chip (1).jpg",
            ".26_1_0_20170116184024662.jpg.chip.jpg.part",
        ];
        for name in strangers {
            assert_eq!(parse_name(name), None, "{name}");
        }
    }
}
