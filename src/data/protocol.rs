//! Named splits of UTKFace, so that a published number says which one it is of.

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Error, Result, ensure};
use polars::prelude::DataFrame;
use serde::{Deserialize, Serialize};

use super::content_list::digits;
use super::split::Strata;
use super::{Balance, ContentList, Faces, Part, Records, Split, SplitSizes};
use crate::support::files;

/// A named split of UTKFace, by a committed list of contents (`data/protocols/`, with the rule
/// that made it).
///
/// A net of one protocol may start from a net of another: [`Protocol::OriginalAge`] from
/// [`Protocol::OriginalGender`]; [`Protocol::Random`] and [`Protocol::Adults`] from
/// [`Protocol::Shared`]. No content of the former's validation and test parts is in the
/// latter's train or validation part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// The original project's for gender: 14,000 / 3,500 / 5,594 pictures, all there are.
    #[serde(rename = "original-gender")]
    OriginalGender,
    /// The original project's for age groups: 9,000 / 1,307 / 2,615 of the balanced pictures, up
    /// to 60 years ([`Records::balance`]).
    #[serde(rename = "original-age")]
    OriginalAge,
    /// All ages, 80 % / 10 % / 10 %.
    #[serde(rename = "random-80-10-10")]
    Random,
    /// Ages 21 to 60: 12,793 / 799 / 2,397 pictures.
    #[serde(rename = "age-21-60")]
    Adults,
    /// All ages, 70 % / 10 % / 20 %: for nets that others start from.
    #[serde(rename = "shared-70-10-20")]
    Shared,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Protocol; 5] = [
        Protocol::OriginalGender,
        Protocol::OriginalAge,
        Protocol::Random,
        Protocol::Adults,
        Protocol::Shared,
    ];

    /// Its name in commands, tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::OriginalGender => "original-gender",
            Protocol::OriginalAge => "original-age",
            Protocol::Random => "random-80-10-10",
            Protocol::Adults => "age-21-60",
            Protocol::Shared => "shared-70-10-20",
        }
    }

    /// The committed list of each part's contents; see [`ContentList`].
    pub fn path(self) -> PathBuf {
        let name = format!("{}.txt", self.name());
        files::home().join("data").join("protocols").join(name)
    }

    /// The split of UTKFace that the committed list says.
    ///
    /// Synthetic faces, and sets with fewer than half of the listed contents, are divided by
    /// sizes instead ([`SplitSizes::small`] from 6,000 contents on, or else
    /// [`SplitSizes::shares_of`]) under the same rule for nets that start from others; then
    /// [`Split::protocol`] is none.
    ///
    /// # Errors
    /// A list that can't be read, some of its contents missing in this set, or too few
    /// pictures.
    pub fn split(self, faces: &Faces) -> Result<Split> {
        if !faces.is_synthetic() {
            let list = ContentList::read(&self.path())?;
            let here: HashSet<&str> = faces.all().iter().map(|r| digits(&r.content)).collect();
            let listed = || Part::ALL.into_iter().flat_map(|part| list.part(part));
            let found = listed().filter(|content| here.contains(content.as_str()));
            if 2 * found.count() >= listed().count() {
                let mut split = Split::from_contents(faces, &list)
                    .with_context(|| format!("the protocol {self}"))?;
                split.protocol = Some(self);
                return Ok(split);
            }
        }
        let split = || {
            let sizes = match faces.contents() {
                6_000.. => SplitSizes::small(),
                contents => SplitSizes::shares_of(contents),
            };
            let all = faces.records();
            let base = faces.split(all, &sizes)?;
            match self {
                Protocol::OriginalGender | Protocol::Shared => Ok(base),
                Protocol::OriginalAge => {
                    after(&base, faces, &all.balance(&Balance::default())?, &sizes)
                }
                Protocol::Random => after(&base, faces, all, &sizes),
                Protocol::Adults => after(&base, faces, &all.between_ages(21..=60)?, &sizes),
            }
        };
        split().with_context(|| format!("a split by sizes in place of the protocol {self}"))
    }
}

/// A split for nets that start from one trained by `base`: its validation and test parts come
/// from what `base` has in neither its train nor its validation part.
fn after(base: &Split, faces: &Faces, table: &DataFrame, sizes: &SplitSizes) -> Result<Split> {
    let strata = Strata::of(faces, table, sizes.seed)?;
    let used: HashSet<&str> = (base.train.iter().chain(&base.validation))
        .map(|i| faces.all()[*i].content.as_str())
        .collect();
    let is_used = |i: usize| used.contains(faces.all()[i].content.as_str());
    let mut new = strata.only(|i| !is_used(i));
    let validation = new.deal(sizes.validation);
    let test = new.deal(sizes.test.unwrap_or(usize::MAX));
    let taken: HashSet<usize> = validation.iter().chain(&test).copied().collect();
    let train = strata.only(|i| !taken.contains(&i)).deal(sizes.train);
    let parts = [train, validation, test];
    ensure!(
        parts.iter().all(|part| !part.is_empty()),
        "{} different pictures are too few",
        strata.len()
    );
    Split::new(faces, Some(sizes.seed), parts, &strata)
}

impl FromStr for Protocol {
    type Err = Error;

    /// The protocol of a [`Protocol::name`].
    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|p| p.name() == name);
        found.with_context(|| {
            format!(
                "there is no protocol {name}: choose {}",
                Self::ALL.map(Protocol::name).join(", ")
            )
        })
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
            assert!(protocol.path().is_file());
        }
        let unknown = "original".parse::<Protocol>().unwrap_err().to_string();
        assert!(unknown.contains("original-gender, original-age"));
    }

    #[test]
    fn a_net_that_starts_from_another_one_has_seen_none_of_its_validation_or_test() {
        for (n, seed) in [(23_708, 0), (3_000, 1)] {
            let faces = Faces::synthetic(n, seed).unwrap();
            let contents = |protocol: Protocol| {
                let split = protocol.split(&faces).unwrap();
                assert_eq!(split.protocol, None);
                split.contents(&faces).unwrap()
            };
            for (protocol, start) in [
                (Protocol::OriginalAge, Protocol::OriginalGender),
                (Protocol::Random, Protocol::Shared),
                (Protocol::Adults, Protocol::Shared),
            ] {
                let (own, start) = (contents(protocol), contents(start));
                assert!(own.train.is_disjoint(&own.validation) && own.train.is_disjoint(&own.test));
                assert!(own.validation.is_disjoint(&own.test));
                for part in [&own.validation, &own.test] {
                    assert!(part.len() > 100, "{protocol}: {}", part.len());
                    assert!(part.is_disjoint(&start.train), "{protocol}");
                    assert!(part.is_disjoint(&start.validation), "{protocol}");
                }
                assert!(own.train.len() > 500, "{protocol}: {}", own.train.len());
            }
        }
    }
}
