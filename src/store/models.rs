//! Where trained nets are kept: those that ship, and the runs made here.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use tch::Device;

use super::card::name_of;
use super::{Card, Trained};
use utils::device::device;
use utils::paths;
use utils::progress::say;

/// The pretrained net that predicts where none is named: gender and age by one net.
pub const DEFAULT_MODEL: &str = "both-64px";

/// A folder of trained nets: pretrained ones as `NAME.json` with their weights beside, runs made
/// here in `runs/NAME/card.json`, and in `lineage/NAME.json` the cards, without weights, of the nets
/// that pretrained ones started or learnt from.
///
/// ```
/// use ror::store::ModelStore;
///
/// # fn main() -> anyhow::Result<()> {
/// let best = ModelStore::local().open("both-64px")?;
/// assert_eq!(best.card.net.input(), 64);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ModelStore {
    folder: PathBuf,
}

/// A net in a store: its card, without its weights.
#[derive(Debug, Clone)]
pub struct Model {
    /// Its name: a card's file name without `.json`, or a folder's in `runs/`.
    pub name: String,
    /// Where the card is.
    pub path: PathBuf,
    /// The card.
    pub card: Card,
}

impl ModelStore {
    /// The project's own: `$ROR_MODELS`, or else its folder `models`.
    pub fn local() -> Self {
        Self::at(paths::models())
    }

    /// A store in another folder.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the runs made here.
    pub fn runs(&self) -> PathBuf {
        self.folder.join("runs")
    }

    /// The file of pretrained weights of a name, which a training starts from.
    pub(crate) fn pretrained_weights(&self, name: &str) -> PathBuf {
        self.folder.join("pretrained").join(format!("{name}.safetensors"))
    }

    /// The nets that ship, in order of their names. A file that is not a card is passed over,
    /// and a note says so.
    pub fn pretrained(&self) -> Vec<Model> {
        models(cards(&self.folder))
    }

    /// The nets that pretrained ones started or learnt from and that do not ship themselves, in order
    /// of their names: cards without weights.
    pub fn ancestors(&self) -> Vec<Model> {
        models(cards(&self.folder.join("lineage")))
    }

    /// One of [`ModelStore::ancestors`], by its name.
    ///
    /// # Errors
    /// No such net: the message lists those there are.
    pub fn ancestor(&self, name: &str) -> Result<Model> {
        let mut ancestors = self.ancestors();
        match ancestors.iter().position(|model| model.name == name) {
            Some(at) => Ok(ancestors.swap_remove(at)),
            None => bail!(
                "no net that ships started or learnt from {name}; there are: {}",
                names(&ancestors)
            ),
        }
    }

    /// The pretrained nets, then the runs made here.
    pub fn all(&self) -> Vec<Model> {
        let runs = list(&self.runs()).into_iter().map(|run| run.join("card.json"));
        let mut all = self.pretrained();
        all.extend(models(runs.filter(|card| card.exists())));
        all
    }

    /// The first net that satisfies `wanted`, pretrained ones first.
    pub fn find(&self, wanted: impl Fn(&Card) -> bool) -> Option<Model> {
        self.all().into_iter().find(|model| wanted(&model.card))
    }

    /// Opens the net of a name, or at the path of a card, on the GPU where there is one.
    ///
    /// # Errors
    /// No such net (those there are, are listed), or a damaged one.
    pub fn open(&self, name: &str) -> Result<Trained> {
        self.open_on(name, device())
    }

    /// [`ModelStore::open`] on a device.
    ///
    /// # Errors
    /// No net of that name (the message lists those there are), or a damaged one.
    pub fn open_on(&self, name: &str, device: Device) -> Result<Trained> {
        // Straight to the file where there is one: no other card is read.
        let by_name = self.folder.join(format!("{name}.json"));
        for card in [PathBuf::from(name), by_name, self.runs().join(name).join("card.json")] {
            if card.extension().is_some_and(|e| e == "json") && card.is_file() {
                return Trained::load(&card, device);
            }
        }
        if let Ok(Model { card, .. }) = self.ancestor(name) {
            bail!(
                "the weights of {name} do not ship, only its card: `{}` makes them, in about {:.0} \
                 minutes with those of the nets it starts from",
                card.command,
                card.minutes
            );
        }
        let known = self.all();
        ensure!(
            !known.is_empty(),
            "there is no model {name}, for there are no models in {}: set ROR_MODELS to the folder \
             `models` of a clone of ror, or name the path of a card (NAME.json, its weights beside it)",
            self.folder.display()
        );
        bail!("there is no model {name} in {}; there are: {}", self.folder.display(), names(&known))
    }
}

/// The names of nets, for a message.
fn names(models: &[Model]) -> String {
    models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// The paths of the cards right in a folder, in order.
fn cards(folder: &Path) -> impl Iterator<Item = PathBuf> {
    list(folder).into_iter().filter(|path| path.extension().is_some_and(|e| e == "json"))
}

/// The paths in a folder, in order; none where there is no such folder.
fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn models(cards: impl Iterator<Item = PathBuf>) -> Vec<Model> {
    let read = |path: PathBuf| match Card::open(&path) {
        Ok(card) => Some(Model { name: name_of(&path), path, card }),
        // Hours of training may hang on it: never in silence.
        Err(error) => {
            say(&format!("note: a net is passed over, since its card can't be read: {error:#}"));
            None
        }
    };
    cards.filter_map(read).collect()
}
