//! Images by gender and age group, from which the sets of a split are drawn.

use std::collections::{BTreeMap, HashSet};

use anyhow::Result;

use super::Faces;
use crate::task::Task;
use utils::hash::rank;

/// The images that can be split, one per image hash, by gender and age group.
#[derive(Clone)]
pub(super) struct Strata {
    strata: Vec<Stratum>,
    /// Number of rows left out because an earlier row has the same image hash.
    pub(super) duplicates: usize,
    /// Number of images left out because their duplicates disagree on age or gender.
    pub(super) disagreeing: usize,
}

#[derive(Clone)]
struct Stratum {
    /// Number of images before any was dealt.
    size: usize,
    /// Images not dealt yet, in the seed's order.
    left: Vec<usize>,
}

impl Strata {
    /// Groups the images at `indices`; an index outside the set is an error.
    pub(super) fn of(faces: &Faces, indices: &[usize], seed: u64) -> Result<Self> {
        let all = faces.all();
        let groups = faces.by_content();
        let agree = |content: &str| {
            let label = |i: &usize| (all[*i].label.age, all[*i].label.gender);
            let group = &groups[content];
            group.iter().all(|i| label(i) == label(&group[0]))
        };
        let mut seen = HashSet::new();
        let mut strata: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let (mut duplicates, mut disagreeing) = (0, 0);
        for &index in indices {
            let record = faces.record(index)?;
            if !seen.insert(record.content.as_str()) {
                duplicates += 1;
            } else if !agree(&record.content) {
                disagreeing += 1;
            } else {
                let stratum = Task::Both.class_of(&record.label);
                strata.entry(stratum).or_default().push(index);
            }
        }
        let stratum = |mut left: Vec<usize>| {
            left.sort_by_cached_key(|i| rank(seed, &all[*i].content));
            let size = left.len();
            Stratum { size, left }
        };
        Ok(Self { strata: strata.into_values().map(stratum).collect(), duplicates, disagreeing })
    }

    /// Number of images left.
    pub(super) fn len(&self) -> usize {
        self.strata.iter().map(|stratum| stratum.left.len()).sum()
    }

    /// Takes `number` images, or all that are left, from the front of the strata, in proportion to
    /// their sizes.
    pub(super) fn deal(&mut self, number: usize) -> Vec<usize> {
        let number = number.min(self.len());
        let sizes: Vec<usize> = self.strata.iter().map(|s| s.size).collect();
        let room: Vec<usize> = self.strata.iter().map(|s| s.left.len()).collect();
        let shares = shares(&sizes, number, &room);
        let each = self.strata.iter_mut().zip(shares);
        each.flat_map(|(s, share)| s.left.drain(..share)).collect()
    }

    /// Keeps those remaining images that are `wanted`.
    #[cfg(feature = "tables")]
    pub(super) fn only(&self, wanted: impl Fn(usize) -> bool) -> Self {
        let mut only = self.clone();
        for Stratum { size, left } in &mut only.strata {
            left.retain(|i| wanted(*i));
            *size = left.len();
        }
        only
    }
}

/// Divides `total` among strata in proportion to `sizes`, at most `room` each, by the largest
/// remainder.
fn shares(sizes: &[usize], total: usize, room: &[usize]) -> Vec<usize> {
    let all = sizes.iter().sum::<usize>().max(1) as u128;
    let exact = |i: usize| total as u128 * sizes[i] as u128;
    let mut out: Vec<usize> =
        (0..sizes.len()).map(|i| ((exact(i) / all) as usize).min(room[i])).collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(exact(*i) % all));
    let mut missing = total.min(room.iter().sum()) - out.iter().sum::<usize>();
    while missing > 0 {
        for i in &order {
            if missing > 0 && out[*i] < room[*i] {
                out[*i] += 1;
                missing -= 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_whole_exact_and_proportional() {
        assert_eq!(shares(&[50, 30, 20], 10, &[50, 30, 20]), [5, 3, 2]);
        assert_eq!(shares(&[1, 1, 1], 2, &[1, 1, 1]).iter().sum::<usize>(), 2);
        assert_eq!(shares(&[10, 10], 10, &[2, 10]), [2, 8]);
        assert_eq!(shares(&[10, 10], 15, &[2, 10]), [2, 10]);
    }
}
