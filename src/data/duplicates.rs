//! Duplicate images, and how far their labels disagree.

use std::fmt;

use super::Faces;
use utils::progress::thousands;

/// The images that a set has several times, each copy with its own label.
#[derive(Debug, Clone, PartialEq)]
pub struct Duplicates(pub(super) Vec<Group>);

/// The files with one image hash.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    pub(super) content: String,
    /// In years, ascending.
    pub(super) ages: Vec<u32>,
    pub(super) genders_differ: bool,
}

impl Group {
    /// Difference between the highest and the lowest age, in years.
    pub(super) fn spread(&self) -> u32 {
        self.oldest() - self.youngest()
    }

    pub(super) fn youngest(&self) -> u32 {
        self.ages.first().copied().unwrap_or(0)
    }

    pub(super) fn oldest(&self) -> u32 {
        self.ages.last().copied().unwrap_or(0)
    }

    /// Mean difference in years over all pairs.
    fn mean_difference(&self) -> f64 {
        let pairs = || {
            let with_those_after = |(i, a)| self.ages[i + 1..].iter().map(move |b| (a, b));
            self.ages.iter().enumerate().flat_map(with_those_after)
        };
        let sum: u32 = pairs().map(|(a, b)| b - a).sum();
        f64::from(sum) / pairs().count().max(1) as f64
    }
}

impl Duplicates {
    /// Finds the duplicates of a set.
    pub fn new(faces: &Faces) -> Self {
        let mut groups: Vec<Group> = faces
            .by_content()
            .into_iter()
            .filter(|(_, indices)| indices.len() > 1)
            .map(|(content, indices)| {
                let labels: Vec<_> = indices.iter().map(|i| faces.all()[*i].label).collect();
                let mut ages: Vec<u32> = labels.iter().map(|l| l.age).collect();
                ages.sort_unstable();
                Group {
                    content: content.to_owned(),
                    ages,
                    genders_differ: labels.iter().any(|l| l.gender != labels[0].gender),
                }
            })
            .collect();
        groups.sort_by(|a, b| (b.spread(), &a.content).cmp(&(a.spread(), &b.content)));
        Self(groups)
    }

    /// Mean difference in years between two labels of one image, including labels that agree; every
    /// image counts once.
    pub fn mean_difference(&self) -> f64 {
        // Not `sum`, which is -0.0 for an empty iterator.
        let sum = self.0.iter().map(Group::mean_difference).fold(0.0, |sum, x| sum + x);
        sum / self.0.len().max(1) as f64
    }
}

impl fmt::Display for Duplicates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = &self.0;
        if groups.is_empty() {
            return write!(f, "no image has several files");
        }
        write!(
            f,
            "{} images have several files ({} in all)\n{} of them disagree on age, by up to {} years ({:.1} years on average over all)\n{} disagree on gender",
            thousands(groups.len()),
            thousands(groups.iter().map(|g| g.ages.len()).sum()),
            thousands(groups.iter().filter(|g| g.spread() > 0).count()),
            groups.iter().map(Group::spread).max().unwrap_or(0),
            self.mean_difference(),
            groups.iter().filter(|g| g.genders_differ).count(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_counted_and_their_spread_is_measured() {
        let group = |ages: &[u32], genders_differ| Group {
            content: "c".to_owned(),
            ages: ages.to_vec(),
            genders_differ,
        };
        let two = Duplicates(vec![group(&[10, 20, 40], true), group(&[7, 7], false)]);
        assert_eq!(Duplicates(vec![]).to_string(), "no image has several files");
        // Pairs of the first: 10, 30, 20.
        assert!((two.mean_difference() - 10.0).abs() < 1e-12);
        let words = two.to_string();
        assert!(words.starts_with("2 images have several files (5 in all)\n1 of them"), "{words}");
        assert!(
            words.contains("up to 30 years") && words.ends_with("1 disagree on gender"),
            "{words}"
        );
        let synthetic = Duplicates::new(&Faces::synthetic(3_000, 1).unwrap());
        assert!(synthetic.0[0].spread() > 0 && synthetic.0.len() > 10);
    }
}
