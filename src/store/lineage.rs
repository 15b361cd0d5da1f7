//! What a network has seen: the images that it, and every network it started or learned from, was
//! trained or selected on.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::card::{contents_path, name_of};
use super::{Card, Model, ModelStore};
use crate::data::{ContentList, Part};
use utils::progress::thousands;

/// A network and those it started or learned from, nearest first, with their splits' image hashes.
#[derive(Debug)]
pub struct Lineage(Vec<Ancestor>);

#[derive(Debug)]
struct Ancestor {
    name: String,
    split: String,
    contents: ContentList,
}
impl ModelStore {
    /// Returns what a network, and every network it started or learned from, was trained and
    /// selected on.
    ///
    /// # Errors
    /// An ancestor that is not in the store, or a list of image hashes that can't be read.
    pub fn lineage(&self, model: &Model) -> Result<Lineage> {
        Lineage::of(self, &model.path, &model.card)
    }
}

impl Lineage {
    /// Returns the lineage of a network whose card is at `path`.
    ///
    /// # Errors
    /// An ancestor that is not in the store, or a list of image hashes that can't be read: it is
    /// then unknown what the network has seen.
    pub(super) fn of(store: &ModelStore, path: &Path, card: &Card) -> Result<Self> {
        let mut models = None; // read only if there is a start or a teacher
        let mut ancestors = vec![];
        let mut keys = BTreeSet::from([card.key.clone()]);
        let mut next = VecDeque::from([(path.to_owned(), card.clone())]);
        while let Some((path, card)) = next.pop_front() {
            let unknown = || format!("the training data of the network {} are unknown", card.key);
            ancestors.push(Ancestor {
                name: name_of(&path),
                split: card.split.clone(),
                contents: contents(&path, &card).with_context(unknown)?,
            });
            for key in card.start.iter().chain(&card.teachers) {
                ensure!(
                    *key != card.key,
                    "the card of the network {key} is malformed: it lists itself as its start or teacher"
                );
                // Two networks of a lineage may share an ancestor.
                if !keys.insert(key.clone()) {
                    continue;
                }
                let models = models.get_or_insert_with(|| {
                    // Ancestors first: the same network may be among the runs under another name.
                    store.ancestors().into_iter().chain(store.all()).collect::<Vec<_>>()
                });
                let known = models.iter().find(|model| model.card.key == *key);
                let known = known
                    .with_context(|| {
                        format!(
                            "the network {key}, which {} started or learned from, is missing",
                            card.key
                        )
                    })
                    .with_context(unknown)?;
                next.push_back((known.path.clone(), known.card.clone()));
            }
        }
        Ok(Self(ancestors))
    }

    /// The names of the networks, nearest first.
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|net| net.name.as_str()).collect()
    }

    /// Counts the images of a set that the networks were trained on, and those that they were
    /// selected on.
    ///
    /// Networks with the split of a validation set count as one continued training: each was
    /// selected on that set, as the next one is.
    pub fn overlap(&self, part: Part, split: &str, contents: &BTreeSet<String>) -> (usize, usize) {
        let seen = |lists: Vec<&BTreeSet<String>>| {
            let seen = |content: &&String| lists.iter().any(|list| list.contains(*content));
            contents.iter().filter(seen).count()
        };
        let others = self.0.iter().filter(|net| part == Part::Test || net.split != split);
        let trained = seen(self.0.iter().map(|net| &net.contents.train).collect());
        (trained, seen(others.map(|net| &net.contents.validation).collect()))
    }

    /// Returns how the networks have used an image, by its hash: in training, or else only to be
    /// selected on it. `None` if it is new to all of them.
    pub fn use_of(&self, content: &str) -> Option<Part> {
        let parts: Vec<Part> =
            self.0.iter().filter_map(|net| net.contents.part_of(content)).collect();
        [Part::Train, Part::Validation].into_iter().find(|part| parts.contains(part))
    }

    /// Rejects a set of which a network of the lineage has seen an image.
    ///
    /// # Errors
    /// The number of images it has seen.
    pub fn check_unseen(&self, part: Part, split: &str, contents: &BTreeSet<String>) -> Result<()> {
        let (trained, selected) = self.overlap(part, split, contents);
        ensure!(
            trained == 0 && selected == 0,
            "{} or a network it started or learned from was trained on {} and selected on {} of the \
             {} {} images: use the split it was trained on, or a protocol without those images",
            self.names().first().unwrap_or(&"this network"),
            thousands(trained),
            thousands(selected),
            thousands(contents.len()),
            part.name(),
        );
        Ok(())
    }
}

/// Reads the image hashes of the split of a network whose card is at `path`.
fn contents(path: &Path, card: &Card) -> Result<ContentList> {
    let path = contents_path(path);
    let (contents, list) = match card.protocol {
        Some(protocol) => (protocol.list()?, protocol.name().to_owned()),
        None => (ContentList::open(&path)?, path.display().to_string()),
    };
    ensure!(
        contents.fingerprint() == card.split,
        "{list} does not list the split that the network was trained on",
    );
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(contents: &[&str]) -> BTreeSet<String> {
        contents.iter().map(|c| (*c).to_owned()).collect()
    }

    fn net(split: &str, train: &[&str], validation: &[&str]) -> Ancestor {
        Ancestor {
            name: split.to_owned(),
            split: split.to_owned(),
            contents: ContentList {
                train: set(train),
                validation: set(validation),
                test: set(&[]),
            },
        }
    }

    #[test]
    fn test_and_validation_are_checked_against_the_whole_lineage() {
        let lineage = Lineage(vec![net("new", &["a", "b"], &["c"]), net("old", &["d"], &["e"])]);
        let overlap =
            |part, split: &str, contents: &[&str]| lineage.overlap(part, split, &set(contents));
        assert_eq!(overlap(Part::Test, "new", &["x", "y"]), (0, 0));
        assert_eq!(overlap(Part::Test, "new", &["a", "d", "x"]), (2, 0));
        assert_eq!(overlap(Part::Test, "new", &["c", "e", "x"]), (0, 2));
        // It was selected on its own validation set; that of its start is a different one.
        assert_eq!(overlap(Part::Validation, "new", &["c"]), (0, 0));
        assert_eq!(overlap(Part::Validation, "new", &["e"]), (0, 1));
        assert_eq!(overlap(Part::Validation, "new", &["d"]), (1, 0));
        let refused = lineage
            .check_unseen(Part::Validation, "new", &set(&["d", "c"]))
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("trained on 1 and selected on 0 of the 2 validation"),
            "{refused}"
        );
        lineage.check_unseen(Part::Test, "new", &set(&["x"])).unwrap();
        // An image that any of them was trained on counts as trained on.
        let both = Lineage(vec![net("new", &["a"], &["c"]), net("old", &["c"], &["a", "e"])]);
        let used = ["a", "c", "e", "x"].map(|content| both.use_of(content));
        assert_eq!(used, [Some(Part::Train), Some(Part::Train), Some(Part::Validation), None]);
    }
}
