//! What copies of one picture say of how sure the labels are.

use std::fmt;

use anyhow::Result;
use polars::prelude::{DataFrame, df};

use super::Faces;
use crate::progress::thousands;

/// Copies of one picture under several names, each with a label of its own: two people's
/// answers to one question.
#[derive(Debug, Clone, PartialEq)]
pub struct Copies {
    /// The picture's content, and what its copies' names say: ages in years, and genders.
    groups: Vec<(String, Vec<u32>, Vec<usize>)>,
}

impl Copies {
    /// Finds all contents with several files.
    pub fn of(faces: &Faces) -> Self {
        let mut groups: Vec<_> = faces
            .copies()
            .into_iter()
            .filter(|(_, copies)| copies.len() > 1)
            .map(|(content, copies)| {
                let labels: Vec<_> = copies.iter().map(|i| faces.all()[*i].label).collect();
                let mut ages: Vec<u32> = labels.iter().map(|l| l.age).collect();
                ages.sort_unstable();
                let mut genders: Vec<usize> = labels.iter().map(|l| l.gender as usize).collect();
                genders.sort_unstable();
                (content.to_owned(), ages, genders)
            })
            .collect();
        groups.sort_by(|a, b| spread(b).cmp(&spread(a)).then(a.0.cmp(&b.0)));
        Self { groups }
    }

    /// Mean difference in years between two copies of one picture, those that agree included;
    /// each picture counts once.
    pub fn mean_difference(&self) -> f64 {
        let of = |ages: &[u32]| {
            let mut sum = 0.0;
            let mut pairs = 0.0;
            for (i, a) in ages.iter().enumerate() {
                for b in &ages[i + 1..] {
                    sum += f64::from(a.abs_diff(*b));
                    pairs += 1.0;
                }
            }
            sum / f64::max(pairs, 1.0)
        };
        self.groups.iter().map(|(_, ages, _)| of(ages)).sum::<f64>()
            / self.groups.len().max(1) as f64
    }

    /// One row a content, those furthest apart first: `content`, `copies`, `youngest`,
    /// `oldest`, `years apart`, `genders`.
    ///
    /// # Errors
    /// None that copies can cause.
    pub fn table(&self) -> Result<DataFrame> {
        let ages = |pick: fn(&[u32]) -> Option<&u32>| {
            self.groups
                .iter()
                .map(|(_, ages, _)| pick(ages).copied())
                .collect::<Vec<_>>()
        };
        Ok(df!(
            "content" => self.groups.iter().map(|g| g.0.as_str()).collect::<Vec<_>>(),
            "copies" => self.groups.iter().map(|g| g.1.len() as u32).collect::<Vec<_>>(),
            "youngest" => ages(|ages| ages.first()),
            "oldest" => ages(|ages| ages.last()),
            "years apart" => self.groups.iter().map(spread).collect::<Vec<_>>(),
            "genders" => self.groups.iter().map(|g| if genders_differ(g) { "both" } else { "one" }).collect::<Vec<_>>(),
        )?)
    }
}

fn spread(group: &(String, Vec<u32>, Vec<usize>)) -> u32 {
    match (group.1.first(), group.1.last()) {
        (Some(first), Some(last)) => last - first,
        _ => 0,
    }
}

fn genders_differ(group: &(String, Vec<u32>, Vec<usize>)) -> bool {
    group.2.first() != group.2.last()
}

impl fmt::Display for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let apart = self.groups.iter().filter(|g| spread(g) > 0).count();
        write!(
            f,
            "{} contents have several files ({} in all); {} of them disagree on age, by up to {} years and {:.1} years in the mean over all; {} on gender",
            thousands(self.groups.len()),
            thousands(self.groups.iter().map(|g| g.1.len()).sum::<usize>()),
            thousands(apart),
            self.groups.iter().map(spread).max().unwrap_or(0),
            self.mean_difference(),
            self.groups.iter().filter(|g| genders_differ(g)).count(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_counted_and_their_spread_is_measured() {
        let group =
            |ages: &[u32], genders: &[usize]| ("c".to_owned(), ages.to_vec(), genders.to_vec());
        let copies = Copies {
            groups: vec![group(&[10, 20, 40], &[0, 0, 1]), group(&[7, 7], &[1, 1])],
        };
        // Pairs of the first: 10, 30, 20.
        assert!((copies.mean_difference() - 10.0).abs() < 1e-12);
        let words = copies.to_string();
        assert!(
            words.starts_with("2 contents have several files (5 in all); 1 of them"),
            "{words}"
        );
        assert!(
            words.contains("up to 30 years") && words.ends_with("1 on gender"),
            "{words}"
        );
        let drawn = Copies::of(&Faces::synthetic(3_000, 1).unwrap());
        assert!(drawn.table().unwrap().height() > 10);
    }
}
