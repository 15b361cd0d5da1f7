//! A trained net with its card: loaded, saved, evaluated.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tch::{Device, Kind, Tensor};

use super::Card;
use super::card::{contents_path, name_of, stem};
use crate::data::{ContentList, Faces};
use crate::metrics::{LabelledPredictions, Predictions};
use crate::model::{Net, Summary, logits_of};
use utils::files;
use utils::hash::{sha256, sha256_of_file};

/// A net that has been trained, now or earlier.
#[derive(Debug)]
pub struct Trained {
    /// The net with its best weights.
    pub net: Net,
    /// All about it.
    pub card: Card,
    /// Whether it was loaded instead of trained now.
    pub loaded: bool,
    /// Where its card is.
    pub(crate) path: PathBuf,
}

impl Trained {
    /// Loads a net by its card.
    ///
    /// # Errors
    /// A card that can't be read, or weights that are missing, cut off, changed or of another
    /// shape.
    pub fn load(card: &Path, device: Device) -> Result<Self> {
        let path = card.to_owned();
        let card = Card::open(&path)?;
        let weights = path.with_file_name(&card.weights);
        let bytes = files::read_file(&weights).with_context(|| {
            format!("cannot read {}, the weights that {} names", weights.display(), path.display())
        })?;
        ensure!(
            sha256(&bytes) == card.weights_sha256,
            "{} is not the file that its card {} names (cut off, or changed): put the right one \
             back, or train anew",
            weights.display(),
            path.display()
        );
        Ok(Self { net: Net::load(card.net.clone(), &weights, device)?, card, loaded: true, path })
    }

    /// Saves weights as `NAME.safetensors` and the card as `NAME.json`, whichever of the three is given, the card last: with it
    /// the model is there, and one that was there before is replaced in one step. `half` saves
    /// parameters in f16.
    ///
    /// # Errors
    /// A path without a name, or one that can't be written.
    pub fn save(&mut self, card: &Path, half: bool) -> Result<()> {
        let contents = match self.card.protocol {
            Some(_) => None,
            None => Some(ContentList::read(&contents_path(&self.path))?),
        };
        self.save_with(card, half, contents.as_ref())
    }

    /// [`Trained::save`] with the contents of a split of one's own.
    pub(crate) fn save_with(
        &mut self,
        card: &Path,
        half: bool,
        contents: Option<&ContentList>,
    ) -> Result<()> {
        let name = stem(card);
        let name = name.strip_suffix(".safetensors").unwrap_or(&name);
        ensure!(
            !name.is_empty(),
            "{} does not name a card: say where, such as models/NAME.json",
            card.display()
        );
        let card = card.with_file_name(format!("{name}.json"));
        let before: Option<Card> = match card.exists() {
            true => Card::open(&card).ok(),
            false => None,
        };
        let mut weights = format!("{name}.safetensors");
        if before.as_ref().is_some_and(|before| before.weights == weights) {
            // The card that is there needs its weights until the new card is.
            weights = format!("{name}-{}.safetensors", self.card.key);
        }
        let path = card.with_file_name(&weights);
        self.net.save(&path, half)?;
        self.card.weights_sha256 = sha256_of_file(&path)?;
        self.card.weights = weights;
        if let Some(contents) = contents {
            contents.write(&contents_path(&card), &format!("The split of {name}."))?;
        }
        files::write_json(&card, &self.card)?;
        self.path = card;
        if let Some(before) = before.filter(|before| before.weights != self.card.weights) {
            // Only room is lost where this fails.
            let _ = std::fs::remove_file(self.path.with_file_name(before.weights));
        }
        Ok(())
    }

    /// The same with parameters of its own.
    pub(crate) fn copied(&self) -> Result<Self> {
        let (card, path) = (self.card.clone(), self.path.clone());
        Ok(Self { net: self.net.copied()?, card, loaded: self.loaded, path })
    }

    /// Where its card is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of a net that ships, or that was saved under a name; none of one in `models/runs/`.
    pub fn name(&self) -> Option<String> {
        let name = stem(&self.path);
        (name != "card").then_some(name)
    }

    /// [`Trained::name`], or else the folder of a run: `both-d2e179e321f5`.
    pub fn known_as(&self) -> String {
        name_of(&self.path)
    }

    /// The file of its weights.
    pub fn weights(&self) -> PathBuf {
        self.path.with_file_name(&self.card.weights)
    }

    /// A table of the net's layers.
    ///
    /// # Errors
    /// The net failing.
    pub fn summary(&self) -> Result<Summary> {
        self.net.summary()
    }

    /// What the net predicts for the pictures at `indices`, beside their labels: one entry a
    /// head.
    ///
    /// # Errors
    /// No pictures, an index outside the set, pictures that can't be decoded, or the net
    /// failing.
    pub fn predict(&self, faces: &Faces, indices: &[usize]) -> Result<Vec<LabelledPredictions>> {
        ensemble(std::slice::from_ref(self), faces, indices)
    }

    fn predictions(&self, faces: &Faces, indices: &[usize]) -> Result<Vec<Predictions>> {
        let side = self.net.config().input();
        let logits = logits_of(&self.net, Kind::Float, faces, indices, side)?;
        self.card.read(&logits)
    }
}

impl Card {
    /// Reads logits `[ways, n, outputs]` of the card's net.
    pub(crate) fn read(&self, logits: &Tensor) -> Result<Vec<Predictions>> {
        Predictions::from_logits(self.task, &self.temperatures, logits)
    }
}

/// What several nets predict for the pictures at `indices`, averaged, beside the labels: one
/// entry a head.
///
/// # Errors
/// Nets of different tasks, an index outside the set, or a picture that can't be decoded.
pub fn ensemble(
    nets: &[Trained],
    faces: &Faces,
    indices: &[usize],
) -> Result<Vec<LabelledPredictions>> {
    let each =
        nets.iter().map(|net| net.predictions(faces, indices)).collect::<Result<Vec<_>>>()?;
    let heads = each.first().map_or(0, Vec::len);
    ensure!(
        each.iter().all(|predictions| predictions.len() == heads),
        "nets of one ensemble must have the same heads"
    );
    let labels = faces.labels(indices)?;
    (0..heads)
        .map(|head| {
            let own: Vec<Predictions> = each.iter().map(|heads| heads[head].clone()).collect();
            Ok(LabelledPredictions::new(Predictions::mean(&own)?, labels.clone()))
        })
        .collect()
}
