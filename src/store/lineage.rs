//! What a net has seen: the contents that it, and every net it started or learnt from, was trained
//! or selected on.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::card::{contents_path, name_of};
use super::{Card, Model, ModelStore};
use crate::data::{ContentList, Part};
use utils::progress::thousands;

/// A net and the nets it started or learnt from, nearest first, with the contents of their splits.
#[derive(Debug)]
pub struct Lineage(Vec<Ancestor>);

#[derive(Debug)]
struct Ancestor {
    name: String,
    split: String,
    contents: ContentList,
}

/// How many contents of a part a lineage has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overlap {
    /// A net of the lineage was trained on them.
    pub trained: usize,
    /// A net of the lineage was selected on them.
    pub selected: usize,
}

impl ModelStore {
    /// What a net, and every net it started from, was trained and selected on.
    ///
    /// # Errors
    /// A start that is not in the store, or a list of contents that can't be read.
    pub fn lineage(&self, model: &Model) -> Result<Lineage> {
        Lineage::of(self, &model.path, &model.card)
    }
}

impl Lineage {
    /// The lineage of a net whose card is at `path`.
    ///
    /// # Errors
    /// A start or teacher that is not in the store, or a list of contents that can't be read: what
    /// the net has seen is not known then.
    pub(super) fn of(store: &ModelStore, path: &Path, card: &Card) -> Result<Self> {
        let mut models = None; // read where there is a start or a teacher
        let mut ancestors = vec![];
        let mut keys = BTreeSet::from([card.key.clone()]);
        let mut next = VecDeque::from([(path.to_owned(), card.clone())]);
        while let Some((path, card)) = next.pop_front() {
            let unknown = || format!("what the net {} was trained on is not known", card.key);
            ancestors.push(Ancestor {
                name: name_of(&path),
                split: card.split.clone(),
                contents: contents(&path, &card).with_context(unknown)?,
            });
            for key in card.start.iter().chain(&card.teachers) {
                ensure!(
                    *key != card.key,
                    "the net {key} is said to come from itself: its card is wrong"
                );
                // Two nets of a lineage may come from the same one.
                if !keys.insert(key.clone()) {
                    continue;
                }
                let models = models.get_or_insert_with(|| {
                    // By the name in the store, where the training is among the runs, too.
                    store.ancestors().into_iter().chain(store.all()).collect::<Vec<_>>()
                });
                let known = models.iter().find(|model| model.card.key == *key);
                let known = known
                    .with_context(|| format!("the net {key} that {} comes from is gone", card.key))
                    .with_context(unknown)?;
                next.push_back((known.path.clone(), known.card.clone()));
            }
        }
        Ok(Self(ancestors))
    }

    /// The names of the nets, nearest first.
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|net| net.name.as_str()).collect()
    }

    /// How many contents of a part of a split the nets were trained or selected on.
    ///
    /// Nets of the same split as a validation part count as one training that went on: each was
    /// selected on that part, as the next one is.
    pub fn overlap(&self, part: Part, split: &str, contents: &BTreeSet<String>) -> Overlap {
        let seen = |lists: Vec<&BTreeSet<String>>| {
            let seen = |content: &&String| lists.iter().any(|list| list.contains(*content));
            contents.iter().filter(seen).count()
        };
        let others = self.0.iter().filter(|net| part == Part::Test || net.split != split);
        Overlap {
            trained: seen(self.0.iter().map(|net| &net.contents.train).collect()),
            selected: seen(others.map(|net| &net.contents.validation).collect()),
        }
    }

    /// Refuses a part of which a net of the lineage has seen a content.
    ///
    /// # Errors
    /// How many it has seen.
    pub fn check_unseen(&self, part: Part, split: &str, contents: &BTreeSet<String>) -> Result<()> {
        let Overlap { trained, selected } = self.overlap(part, split, contents);
        ensure!(
            trained == 0 && selected == 0,
            "{} or a net it started or learnt from was trained on {} and selected on {} of the {} {} pictures: \
             use the split it was trained by, or a protocol that leaves those pictures out",
            self.names().first().unwrap_or(&"this net"),
            thousands(trained),
            thousands(selected),
            thousands(contents.len()),
            part.name(),
        );
        Ok(())
    }
}

/// The contents of the split of a net whose card is at `path`.
fn contents(path: &Path, card: &Card) -> Result<ContentList> {
    let path = contents_path(path);
    let (contents, list) = match card.protocol {
        Some(protocol) => (protocol.list()?, protocol.name().to_owned()),
        None => (ContentList::read(&path)?, path.display().to_string()),
    };
    ensure!(
        contents.fingerprint() == card.split,
        "{list} lists another split than the net was trained by",
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
        let overlap = |part, split: &str, contents: &[&str]| {
            let Overlap { trained, selected } = lineage.overlap(part, split, &set(contents));
            (trained, selected)
        };
        assert_eq!(overlap(Part::Test, "new", &["x", "y"]), (0, 0));
        assert_eq!(overlap(Part::Test, "new", &["a", "d", "x"]), (2, 0));
        assert_eq!(overlap(Part::Test, "new", &["c", "e", "x"]), (0, 2));
        // Its own validation part is what it was selected on; a start's is not its own.
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
    }
}
