//! Evaluation of a trained network on images that neither it nor its ancestors have seen.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{Lineage, ModelStore, Published, Trained, today};
use crate::data::{Faces, Part, Protocol, Split};
use crate::metrics::{Evaluation, Metrics};
use utils::files;

/// Images of a data set that are new to some networks, and the number of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unseen {
    /// Indices of the new images.
    pub indices: Vec<usize>,
    /// Number of images on which a network, or one it started or learned from, was trained.
    pub trained: usize,
    /// Number of further images on which one of them was selected.
    pub selected: usize,
}

impl Unseen {
    /// Sorts the images at `indices` by whether the networks have seen them, in this data set or in
    /// any other: images are compared by the hashes of their files, so a resized or re-encoded copy
    /// counts as a new image.
    ///
    /// # Errors
    /// An index outside the set, an ancestor that is missing, or a list of image hashes that can't
    /// be read.
    pub fn new(nets: &[Trained], faces: &Faces, indices: &[usize]) -> Result<Self> {
        let lineages = nets.iter().map(Trained::lineage).collect::<Result<Vec<_>>>()?;
        let mut found = Self::default();
        for index in indices {
            let content = &faces.record(*index)?.content;
            let used: Vec<Part> =
                lineages.iter().filter_map(|lineage| lineage.use_of(content)).collect();
            match used.contains(&Part::Train) {
                true => found.trained += 1,
                false if !used.is_empty() => found.selected += 1,
                false => found.indices.push(*index),
            }
        }
        Ok(found)
    }
}

impl Trained {
    /// Returns what the network, and every network it started or learned from, was trained and
    /// selected on. Those networks are looked up in the project's store.
    ///
    /// # Errors
    /// An ancestor that is missing, or a list of image hashes that can't be read.
    pub fn lineage(&self) -> Result<Lineage> {
        Lineage::of(&ModelStore::default(), &self.path, &self.card)
    }

    /// Rejects sets of a split if this network, or one it started or learned from, has seen an
    /// image of them.
    ///
    /// # Errors
    /// The number of images it has seen, or that this is unknown.
    pub fn check_unseen(&self, faces: &Faces, split: &Split, parts: &[Part]) -> Result<()> {
        let (lineage, contents) = (self.lineage()?, split.contents(faces)?);
        parts.iter().try_for_each(|part| {
            lineage.check_unseen(*part, &split.fingerprint, contents.part(*part))
        })
    }

    /// Evaluates the network on the test set of a split, with 95 % intervals: of the split it was
    /// trained on, or of any whose test images it has not seen.
    ///
    /// # Errors
    /// A test set of which this network, or one it started or learned from, has seen an image.
    pub fn evaluate(&self, faces: &Faces, split: &Split) -> Result<Evaluation> {
        self.check_unseen(faces, split, &[Part::Test])?;
        let predicted = self.predict(faces, &split.test).context("on the test set")?;
        Ok(Evaluation::new(predicted, &faces.labels(&split.test)?))
    }

    /// Writes the network's results on a protocol's test set to its card, replacing an earlier
    /// entry of that protocol, and returns the card's path.
    ///
    /// # Errors
    /// A network that is not a pretrained one, or a card that can't be written.
    pub fn publish(
        &mut self,
        protocol: Protocol,
        split: String,
        command: String,
        heads: Vec<Metrics>,
    ) -> Result<&Path> {
        let shipped = self.path.parent() == Some(ModelStore::default().folder());
        ensure!(
            shipped,
            "{} is not a pretrained model: train with --save models/NAME.json first",
            self.path.display()
        );
        let tests = &mut self.card.tests;
        tests.retain(|earlier| earlier.protocol != protocol);
        tests.push(Published { protocol, split, date: today(), command, heads });
        files::write_json(&self.path, &self.card)?;
        Ok(&self.path)
    }
}
