//! The split that a protocol defines.

use std::collections::HashSet;

use anyhow::{Context, Result, ensure};
use polars::prelude::DataFrame;

use super::content_list::digits;
use super::strata::Strata;
use super::{Balance, Faces, Part, Protocol, Records, Split, SplitSizes};

impl Protocol {
    /// Returns the split of UTKFace in the committed list.
    ///
    /// Synthetic faces, and sets with fewer than half of the listed images, are split by sizes
    /// instead ([`SplitSizes::small`] from 6,000 distinct images, or else
    /// [`SplitSizes::shares_of`]), with the same rule for networks that start from others; then
    /// [`Split::protocol`] is `None`.
    ///
    /// # Errors
    /// A list that can't be read, listed images missing in this set, or too few images.
    pub fn split(self, faces: &Faces) -> Result<Split> {
        if !faces.is_synthetic() {
            let list = self.list()?;
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
            let base = Split::new(faces, all, &sizes)?;
            match self {
                Protocol::OriginalGender | Protocol::Shared => Ok(base),
                Protocol::OriginalAge => {
                    after(&base, faces, &all.balance(&Balance::default())?, &sizes)
                }
                Protocol::Random => after(&base, faces, all, &sizes),
                Protocol::Adults => after(&base, faces, &all.between_ages(21..=60)?, &sizes),
            }
        };
        split().with_context(|| format!("cannot split by sizes in place of the protocol {self}"))
    }
}

/// Splits for networks that start from one trained on `base`: the validation and test sets come
/// from images that are in neither the training nor the validation set of `base`.
fn after(base: &Split, faces: &Faces, table: &DataFrame, sizes: &SplitSizes) -> Result<Split> {
    let strata = Strata::of(faces, &faces.indices(table)?, sizes.seed)?;
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
        "{} distinct images are too few",
        strata.len()
    );
    Split::of_parts(faces, Some(sizes.seed), parts, &strata)
}

#[cfg(test)]
mod tests {
    use super::*;

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
