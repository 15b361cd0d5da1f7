//! A trained network measured on images that neither it nor its ancestors have seen.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{Lineage, ModelStore, Published, Trained, today};
use crate::data::{Faces, Part, Protocol, Split};
use crate::metrics::{Evaluation, Metrics};
use utils::files;

impl Trained {
    /// What the net, and every net it started from, was trained and selected on. Nets it started
    /// from are looked for in the project's store.
    ///
    /// # Errors
    /// A start that is gone, or a list of contents that can't be read.
    pub fn lineage(&self) -> Result<Lineage> {
        Lineage::of(&ModelStore::local(), &self.path, &self.card)
    }

    /// Refuses parts of a split of which this net, or a net it started from, has seen a content.
    ///
    /// # Errors
    /// How many it has seen, or that this is not known.
    pub fn check_unseen(&self, faces: &Faces, split: &Split, parts: &[Part]) -> Result<()> {
        let (lineage, contents) = (self.lineage()?, split.contents(faces)?);
        parts.iter().try_for_each(|part| {
            lineage.check_unseen(*part, &split.fingerprint, contents.part(*part))
        })
    }

    /// Loss, accuracy and their like on the test part of a split, with 95 % intervals: of the
    /// split it was trained by, or of any whose test pictures it has not seen.
    ///
    /// # Errors
    /// A test part of which this net, or a net it started from, has seen a content.
    pub fn evaluate(&self, faces: &Faces, split: &Split) -> Result<Evaluation> {
        self.check_unseen(faces, split, &[Part::Test])?;
        let labelled = self.predict(faces, &split.test).context("on the test part")?;
        Ok(Evaluation::of(labelled))
    }

    /// Puts what the net reached on a protocol's test part into its card, in place of an earlier
    /// entry of that protocol, and returns the card's path.
    ///
    /// # Errors
    /// A net that is not among the pretrained ones, or a card that can't be written.
    pub fn publish(
        &mut self,
        protocol: Protocol,
        split: String,
        command: String,
        heads: Vec<Metrics>,
    ) -> Result<&Path> {
        let shipped = self.path.parent() == Some(ModelStore::local().folder());
        ensure!(
            shipped,
            "{} is not among the models that ship: train with --save models/NAME.json first",
            self.path.display()
        );
        let tests = &mut self.card.tests;
        tests.retain(|earlier| earlier.protocol != protocol);
        tests.push(Published { protocol, split, date: today(), command, heads });
        files::write_json(&self.path, &self.card)?;
        Ok(&self.path)
    }
}
