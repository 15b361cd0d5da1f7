//! A trained network with its card: loading, saving and predicting.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tch::{Device, Kind, Tensor};

use super::Card;
use super::card::{contents_path, name_of, stem};
use crate::data::{ContentList, Faces};
use crate::metrics::Predictions;
use crate::model::{Net, Summary, logits_of};
use utils::files;
use utils::hash::{sha256, sha256_of_file};

/// A trained network.
#[derive(Debug)]
pub struct Trained {
    /// The network with its best weights.
    pub net: Net,
    /// Its card.
    pub card: Card,
    /// Whether it was loaded rather than trained now.
    pub loaded: bool,
    /// Path of the card.
    pub(crate) path: PathBuf,
}

impl Trained {
    /// Loads a network by its card.
    ///
    /// # Errors
    /// A card that can't be read, or weights that are missing, truncated, changed or of another
    /// shape.
    pub fn open(card: &Path, device: Device) -> Result<Self> {
        let path = card.to_owned();
        let card = Card::open(&path)?;
        let weights = path.with_file_name(&card.weights);
        let bytes = files::read_file(&weights).with_context(|| {
            format!("cannot read {}, the weights of the card {}", weights.display(), path.display())
        })?;
        ensure!(
            sha256(&bytes) == card.weights_sha256,
            "checksum mismatch: {} is not the file that the card {} was written with (it is truncated \
             or was changed): restore it, or train again",
            weights.display(),
            path.display()
        );
        Ok(Self { net: Net::open(card.net.clone(), &weights, device)?, card, loaded: true, path })
    }

    /// Saves the weights as `NAME.safetensors` and the card as `NAME.json`, and returns the card's
    /// path; `path` may be either, or one without an extension. The card is written last, so an
    /// existing model is replaced atomically.
    ///
    /// # Errors
    /// A path without a name, or one that can't be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<PathBuf> {
        self.save_as(path.as_ref(), false)
    }

    /// [`Trained::save`] with parameters as f16, in half of the space.
    ///
    /// # Errors
    /// As [`Trained::save`].
    pub fn save_half(&self, path: impl AsRef<Path>) -> Result<PathBuf> {
        self.save_as(path.as_ref(), true)
    }

    fn save_as(&self, path: &Path, half: bool) -> Result<PathBuf> {
        let contents = match self.card.protocol {
            Some(_) => None,
            None => Some(ContentList::open(&contents_path(&self.path))?),
        };
        Ok(self.written(path, half, contents.as_ref())?.1)
    }

    /// Saves as [`Trained::save`] does, with the image hashes of a custom split, and belongs to what
    /// was saved from then on.
    pub(crate) fn save_with(&mut self, path: &Path, contents: Option<&ContentList>) -> Result<()> {
        (self.card, self.path) = self.written(path, false, contents)?;
        Ok(())
    }

    fn written(
        &self,
        card: &Path,
        half: bool,
        contents: Option<&ContentList>,
    ) -> Result<(Card, PathBuf)> {
        let [card, ..] = files_of(card)?;
        let name = stem(&card);
        let before: Option<Card> = match card.exists() {
            true => Card::open(&card).ok(),
            false => None,
        };
        let mut weights = format!("{name}.safetensors");
        if before.as_ref().is_some_and(|before| before.weights == weights) {
            // The existing card needs its weights until the new card is written.
            weights = format!("{name}-{}.safetensors", self.card.key);
        }
        let path = card.with_file_name(&weights);
        self.net.save(&path, half)?;
        let weights_sha256 = sha256_of_file(&path)?;
        let own = Card { weights, weights_sha256, ..self.card.clone() };
        if let Some(contents) = contents {
            contents.write(&contents_path(&card), &format!("The split of {name}."))?;
        }
        files::write_json(&card, &own)?;
        if let Some(before) = before.filter(|before| before.weights != own.weights) {
            // If this fails, only disk space is lost.
            let _ = std::fs::remove_file(card.with_file_name(before.weights));
        }
        Ok((own, card))
    }

    /// Copies the network and its parameters.
    pub(crate) fn copied(&self) -> Result<Self> {
        let (card, path) = (self.card.clone(), self.path.clone());
        Ok(Self { net: self.net.copied()?, card, loaded: self.loaded, path })
    }

    /// Path of the card.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of a pretrained network, or of one saved under a name; `None` in `models/runs/`.
    pub fn name(&self) -> Option<String> {
        let name = stem(&self.path);
        (name != "card").then_some(name)
    }

    /// [`Trained::name`], or else the folder of a run, such as `both-d2e179e321f5`.
    pub fn known_as(&self) -> String {
        name_of(&self.path)
    }

    /// Path of the weights.
    pub fn weights(&self) -> PathBuf {
        self.path.with_file_name(&self.card.weights)
    }

    /// Returns a table of the network's layers.
    ///
    /// # Errors
    /// The network failing.
    pub fn summary(&self) -> Result<Summary> {
        self.net.summary()
    }

    /// Predicts for the images at `indices`: one entry per head.
    ///
    /// # Errors
    /// No images, an index outside the set, images that can't be decoded, or the network failing.
    pub fn predict(&self, faces: &Faces, indices: &[usize]) -> Result<Vec<Predictions>> {
        let side = self.net.config().input();
        let logits = logits_of(&self.net, Kind::Float, faces, indices, side)?;
        self.card.read(&logits)
    }
}

impl Card {
    /// Converts logits `[ways, n, outputs]` of the card's network to predictions.
    pub(crate) fn read(&self, logits: &Tensor) -> Result<Vec<Predictions>> {
        Predictions::from_logits(self.task, &self.temperatures, logits)
    }
}

/// Returns the files that [`Trained::save`] writes for a path: the card, the weights, and the image
/// hashes of a custom split. The path may be that of the card or of the weights, or have no
/// extension.
///
/// # Errors
/// A path without a name.
pub fn files_of(path: &Path) -> Result<[PathBuf; 3]> {
    let name = stem(path);
    let name = name.strip_suffix(".safetensors").unwrap_or(&name);
    ensure!(
        !name.is_empty(),
        "{} does not name a card: give a path such as models/NAME.json",
        path.display()
    );
    let card = path.with_file_name(format!("{name}.json"));
    let contents = contents_path(&card);
    Ok([card, path.with_file_name(format!("{name}.safetensors")), contents])
}

/// Predicts for the images at `indices` with several networks, and returns the averaged predictions:
/// one entry per head.
///
/// # Errors
/// Networks of different tasks, an index outside the set, or an image that can't be decoded.
pub fn ensemble(nets: &[Trained], faces: &Faces, indices: &[usize]) -> Result<Vec<Predictions>> {
    let each = nets.iter().map(|net| net.predict(faces, indices)).collect::<Result<Vec<_>>>()?;
    let heads = each.first().map_or(0, Vec::len);
    ensure!(
        each.iter().all(|predictions| predictions.len() == heads),
        "the networks of an ensemble must have the same heads"
    );
    let of_head = |head: usize| each.iter().map(|heads| heads[head].clone()).collect::<Vec<_>>();
    (0..heads).map(|head| Predictions::mean(&of_head(head))).collect()
}
