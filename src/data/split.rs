//! Training, validation and test sets, split by image hash: duplicates are never in two sets.

use std::collections::HashMap;
use std::fmt;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::content_list::digits;
use super::strata::Strata;
use super::{ContentList, Faces, Part, Protocol};
use utils::progress::thousands;

/// Number of images in each set, and the seed that assigns them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitSizes {
    /// Images of the training set.
    pub train: usize,
    /// Images of the validation set, which select the epoch and the settings.
    pub validation: usize,
    /// Images of the test set, used once; `None` for all remaining ones.
    pub test: Option<usize>,
    /// Seed that assigns the images to the sets.
    pub seed: u64,
}

impl SplitSizes {
    /// Sizes for a quick look: 2,000 / 500 / 1,000.
    pub fn small() -> Self {
        Self { train: 2_000, validation: 500, test: Some(1_000), seed: 0 }
    }

    /// Sizes for a small set of `contents` distinct images: 36 % for training (about half of what
    /// balancing leaves), 9 % for validation, the rest for testing.
    pub fn shares_of(contents: usize) -> Self {
        Self { train: contents * 36 / 100, validation: contents * 9 / 100, test: None, seed: 0 }
    }
}

/// Training, validation and test sets: ascending indices into a [`Faces`].
///
/// One image stands for all its duplicates (the first in the table). Images whose duplicates in the
/// whole data set, not just in the table, disagree on age or gender are left out: their true label
/// is unknown. The others form strata by gender and age group (five years); each stratum is
/// shuffled by the seed and the image hashes, and dealt to the sets in proportion to their sizes.
/// So one split serves every task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The protocol whose list was read; `None` for any other split.
    pub protocol: Option<Protocol>,
    /// The seed of [`SplitSizes`]; `None` for a split from a list.
    pub seed: Option<u64>,
    /// Indices of the training set.
    pub train: Vec<usize>,
    /// Indices of the validation set.
    pub validation: Vec<usize>,
    /// Indices of the test set.
    pub test: Vec<usize>,
    /// Number of rows (of the whole set for a split from a list) left out because an earlier row
    /// has the same image hash.
    pub duplicates: usize,
    /// Number of images left out because their duplicates disagree on age or gender.
    pub disagreeing: usize,
    /// [`ContentList::fingerprint`] of the three sets.
    pub fingerprint: String,
}

impl Split {
    /// Splits the images at `indices` into training, validation and test sets by image hash.
    ///
    /// # Errors
    /// An index outside this set, fewer images than `sizes` needs, or a set of size 0.
    pub fn from_indices(faces: &Faces, indices: &[usize], sizes: &SplitSizes) -> Result<Self> {
        let mut strata = Strata::of(faces, indices, sizes.seed)?;
        let total = strata.len();
        let chosen = sizes.train.saturating_add(sizes.validation);
        let test = sizes.test.unwrap_or(total.saturating_sub(chosen));
        ensure!(
            sizes.train > 0
                && sizes.validation > 0
                && test > 0
                && chosen.saturating_add(test) <= total,
            "{} distinct images cannot be split into {} train, {} validation and {} test: choose smaller sizes",
            thousands(total),
            thousands(sizes.train),
            thousands(sizes.validation),
            sizes.test.map_or("some".to_owned(), thousands),
        );
        let parts = [sizes.train, sizes.validation, test].map(|number| strata.deal(number));
        Self::of_parts(faces, Some(sizes.seed), parts, &strata)
    }

    /// Creates the split of a list of image hashes.
    ///
    /// # Errors
    /// Listed images that this set lacks; the message gives their number.
    pub fn from_contents(faces: &Faces, list: &ContentList) -> Result<Self> {
        let mut index: HashMap<&str, usize> = HashMap::with_capacity(faces.len());
        for (i, record) in faces.all().iter().enumerate() {
            index.entry(digits(&record.content)).or_insert(i);
        }
        let parts = Part::ALL.map(|part| -> Vec<usize> {
            let indices = list.part(part).iter().filter_map(|c| index.get(c.as_str()));
            indices.copied().collect()
        });
        let listed: usize = Part::ALL.map(|part| list.part(part).len()).iter().sum();
        let found: usize = parts.iter().map(Vec::len).sum();
        ensure!(
            found == listed,
            "{} of the {} listed images are missing in this data set: it is incomplete or was changed",
            thousands(listed - found),
            thousands(listed)
        );
        let all: Vec<usize> = (0..faces.len()).collect();
        Self::of_parts(faces, None, parts, &Strata::of(faces, &all, 0)?)
    }

    pub(super) fn of_parts(
        faces: &Faces,
        seed: Option<u64>,
        parts: [Vec<usize>; 3],
        strata: &Strata,
    ) -> Result<Self> {
        let [train, validation, test] = parts.map(|mut part| {
            part.sort_unstable();
            part
        });
        let mut split = Self {
            protocol: None,
            seed,
            train,
            validation,
            test,
            duplicates: strata.duplicates,
            disagreeing: strata.disagreeing,
            fingerprint: String::new(),
        };
        split.fingerprint = split.contents(faces)?.fingerprint();
        Ok(split)
    }

    /// The indices of one set.
    pub fn part(&self, part: Part) -> &[usize] {
        match part {
            Part::Train => &self.train,
            Part::Validation => &self.validation,
            Part::Test => &self.test,
        }
    }

    /// The image hashes of each set.
    ///
    /// # Errors
    /// A split of another set, with an index outside this one.
    pub fn contents(&self, faces: &Faces) -> Result<ContentList> {
        let mut list = ContentList::default();
        for part in Part::ALL {
            for index in self.part(part) {
                let content = digits(&faces.record(*index)?.content);
                list.part_mut(part).insert(content.to_owned());
            }
        }
        Ok(list)
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(protocol) = self.protocol {
            write!(f, "{protocol}: ")?;
        }
        write!(
            f,
            "{} train / {} validation / {} test images, no image in two sets\n\
             left out: {} duplicates, {} images whose duplicates disagree on age or gender",
            thousands(self.train.len()),
            thousands(self.validation.len()),
            thousands(self.test.len()),
            thousands(self.duplicates),
            thousands(self.disagreeing),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Task;

    #[test]
    fn parts_share_no_content_and_keep_proportions() {
        let faces = Faces::synthetic(3_000, 1).unwrap();
        let sizes = SplitSizes { train: 1_500, validation: 500, test: None, seed: 4 };
        let all: Vec<usize> = (0..faces.len()).collect();
        let split = Split::from_indices(&faces, &all, &sizes).unwrap();
        assert_eq!((split.train.len(), split.validation.len()), (1_500, 500));
        assert_eq!((split.protocol, split.seed), (None, Some(4)));
        let contents = split.contents(&faces).unwrap();
        let (a, b, c) = (&contents.train, &contents.validation, &contents.test);
        assert!(a.is_disjoint(b) && a.is_disjoint(c) && b.is_disjoint(c));
        assert!(split.duplicates > 0 && split.disagreeing > 0, "{split}");
        assert_eq!(
            a.len() + b.len() + c.len() + split.duplicates + split.disagreeing,
            faces.len(),
            "every row is accounted for"
        );
        for task in [Task::Gender, Task::age_group()] {
            let share = |part| {
                let labels = faces.labels(split.part(part)).unwrap();
                let ones = labels.iter().filter(|label| task.class_of(label) == 1);
                ones.count() as f64 / labels.len() as f64
            };
            assert!((share(Part::Train) - share(Part::Test)).abs() < 0.01);
        }
        assert_eq!(Split::from_contents(&faces, &contents).unwrap().train, split.train);
        let again = |seed| Split::from_indices(&faces, &all, &SplitSizes { seed, ..sizes });
        assert_eq!(again(4).unwrap(), split, "the same seed divides alike");
        assert_ne!(again(5).unwrap().train, split.train);
        let greedy = SplitSizes { train: usize::MAX, ..sizes };
        let refused = Split::from_indices(&faces, &all, &greedy).unwrap_err();
        assert!(refused.to_string().contains("smaller sizes"));
        let other = Faces::synthetic(3_000, 2).unwrap();
        let missing = Split::from_contents(&other, &contents).unwrap_err();
        assert!(missing.to_string().contains("are missing"), "{missing}");
    }
}
