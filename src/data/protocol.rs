//! Named splits of UTKFace, so that published numbers name the split they refer to.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result};
use serde::de::{self, Deserialize, Deserializer};
use serde::{Serialize, Serializer};
use utils::names::did_you_mean;

/// A named split of UTKFace, defined by a committed list of image hashes (in `data/protocols/`,
/// with the rule that made it).
///
/// A network of one protocol may start from a network of another: [`Protocol::OriginalAge`] from
/// [`Protocol::OriginalGender`]; [`Protocol::Random`] and [`Protocol::Adults`] from
/// [`Protocol::Shared`]. No image of the former's validation and test sets is in the latter's
/// training or validation set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// The original project's gender split: 14,000 / 3,500 / 5,594 images, all there are.
    OriginalGender,
    /// The original project's age group split: 9,000 / 1,307 / 2,615 of the balanced images, up to
    /// 60 years ([`super::Records::balance`]).
    OriginalAge,
    /// All ages, 80 % / 10 % / 10 %.
    Random,
    /// Ages 21 to 60: 12,793 / 799 / 2,397 images.
    Adults,
    /// All ages, 70 % / 10 % / 20 %: for networks that others start from.
    Shared,
}

impl Protocol {
    /// All protocols.
    pub const ALL: [Protocol; 5] = [
        Protocol::OriginalGender,
        Protocol::OriginalAge,
        Protocol::Random,
        Protocol::Adults,
        Protocol::Shared,
    ];

    /// Name in commands, tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::OriginalGender => "original-gender",
            Protocol::OriginalAge => "original-age",
            Protocol::Random => "random-80-10-10",
            Protocol::Adults => "age-21-60",
            Protocol::Shared => "shared-70-10-20",
        }
    }

    /// The committed list of image hashes: see [`super::ContentList`].
    pub(super) fn text(self) -> &'static str {
        match self {
            Protocol::OriginalGender => include_str!("../../data/protocols/original-gender.txt"),
            Protocol::OriginalAge => include_str!("../../data/protocols/original-age.txt"),
            Protocol::Random => include_str!("../../data/protocols/random-80-10-10.txt"),
            Protocol::Adults => include_str!("../../data/protocols/age-21-60.txt"),
            Protocol::Shared => include_str!("../../data/protocols/shared-70-10-20.txt"),
        }
    }
}

impl FromStr for Protocol {
    type Err = Error;

    /// Parses a [`Protocol::name`].
    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|p| p.name() == name);
        found.with_context(|| {
            let names = Self::ALL.map(Protocol::name);
            let near = did_you_mean(name, names);
            format!("there is no protocol {name}: choose {}{near}", names.join(", "))
        })
    }
}

impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_commands_files_and_cards() {
        for protocol in Protocol::ALL {
            assert_eq!(protocol.name().parse::<Protocol>().unwrap(), protocol);
            let card = format!("\"{protocol}\"");
            assert_eq!(serde_json::to_string(&protocol).unwrap(), card);
            assert_eq!(serde_json::from_str::<Protocol>(&card).unwrap(), protocol);
        }
        let unknown = "original".parse::<Protocol>().unwrap_err().to_string();
        assert!(unknown.contains("original-gender, original-age"));
        let misspelled = serde_json::from_str::<Protocol>("\"random-80-10\"").unwrap_err();
        assert!(misspelled.to_string().contains("did you mean random-80-10-10?"), "{misspelled}");
    }
}
