//! The store of trained networks: pretrained ones and local runs.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use tch::Device;

use super::card::name_of;
use super::{Card, Trained};
use crate::model::NetConfig;
use utils::device::device;
use utils::files;
use utils::names::did_you_mean;
use utils::paths;
use utils::progress::say;

/// The pretrained network used by default: it predicts gender and age.
pub const DEFAULT_MODEL: &str = "pretrained-both";

/// A folder of trained networks: pretrained ones as `NAME.json` next to their weights, local runs
/// as `runs/NAME/card.json`, and as `lineage/NAME.json`, without weights, the cards of the networks
/// that pretrained ones started or learned from.
///
/// ```
/// use ror::store::ModelStore;
///
/// # fn main() -> anyhow::Result<()> {
/// let best = ModelStore::default().open("both-64px")?;
/// assert_eq!(best.card.net.input(), 64);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ModelStore {
    folder: PathBuf,
}

/// A network in a store: its card, without its weights.
#[derive(Debug, Clone)]
pub struct Model {
    /// The card's file name without `.json`, or the run's folder in `runs/`.
    pub name: String,
    /// Path of the card.
    pub path: PathBuf,
    /// The card.
    pub card: Card,
}

impl Default for ModelStore {
    /// The store in `$ROR_MODELS`, or else in the folder of models that `ROR_HOME` or the user's
    /// data folder has.
    fn default() -> Self {
        Self::new(paths::models())
    }
}

impl ModelStore {
    /// A store in another folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The store's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the local runs.
    pub fn runs(&self) -> PathBuf {
        self.folder.join("runs")
    }

    /// The file of the pretrained weights `name`, from which a training starts.
    pub(crate) fn pretrained_weights(&self, name: &str) -> PathBuf {
        self.folder.join("pretrained").join(format!("{name}.safetensors"))
    }

    /// Returns the pretrained networks in order of their names. A file that is not a card is
    /// skipped with a note.
    pub fn pretrained(&self) -> Vec<Model> {
        models(cards(&self.folder))
    }

    /// Returns the networks that pretrained ones started or learned from and that are not
    /// pretrained ones themselves, in order of their names: cards without weights.
    pub fn ancestors(&self) -> Vec<Model> {
        models(cards(&self.folder.join("lineage")))
    }

    /// Returns one of [`ModelStore::ancestors`] by name.
    ///
    /// # Errors
    /// No such network; the message lists the existing ones.
    pub fn ancestor(&self, name: &str) -> Result<Model> {
        let mut ancestors = self.ancestors();
        match ancestors.iter().position(|model| model.name == name) {
            Some(at) => Ok(ancestors.swap_remove(at)),
            None => bail!(
                "no pretrained model started or learned from {name}; there are: {}",
                names(&ancestors)
            ),
        }
    }

    /// Returns the pretrained networks, then the local runs.
    pub fn all(&self) -> Vec<Model> {
        let runs = list(&self.runs()).into_iter().map(|run| run.join("card.json"));
        let mut all = self.pretrained();
        all.extend(models(runs.filter(|card| card.exists())));
        all
    }

    /// Returns the first network that satisfies `wanted`, pretrained ones first.
    pub fn find(&self, wanted: impl Fn(&Card) -> bool) -> Option<Model> {
        self.all().into_iter().find(|model| wanted(&model.card))
    }

    /// Opens a network by its name or the path of its card, on the GPU if there is one.
    ///
    /// # Errors
    /// No such network (the message lists the existing ones), or a damaged one.
    pub fn open(&self, name: &str) -> Result<Trained> {
        self.open_on(name, device())
    }

    /// Opens a network as [`ModelStore::open`] does, on a given device.
    ///
    /// # Errors
    /// No such network (the message lists the existing ones), or a damaged one.
    pub fn open_on(&self, name: &str, device: Device) -> Result<Trained> {
        // If the file exists, no other card is read.
        let by_name = self.folder.join(format!("{name}.json"));
        for card in [PathBuf::from(name), by_name, self.runs().join(name).join("card.json")] {
            if card.extension().is_some_and(|e| e == "json") && card.is_file() {
                return Trained::open(&card, device);
            }
        }
        if let Ok(Model { card, .. }) = self.ancestor(name) {
            bail!(
                "the weights of {name} are not included, only its card: `{}` trains it, in about \
                 {:.0} minutes with the networks it starts from",
                card.command,
                card.minutes
            );
        }
        let known = self.all();
        ensure!(
            !known.is_empty(),
            "there is no model {name}, since there are no models in {}: set ROR_MODELS to the folder \
             `models` of a clone of ror, or give the path of a card (NAME.json next to its weights)",
            self.folder.display()
        );
        // Of the path of a card, its name.
        let written = Path::new(name).file_stem().and_then(|stem| stem.to_str()).unwrap_or(name);
        // Runs are many; only their number is told beside the others.
        let shipped = self.pretrained();
        let named = if shipped.is_empty() { &known } else { &shipped };
        bail!(
            "there is no model {name} in {}; there are: {}{}{}",
            self.folder.display(),
            names(named),
            match known.len() - named.len() {
                0 => String::new(),
                runs => format!(", and {runs} trained here"),
            },
            did_you_mean(written, known.iter().map(|model| model.name.as_str()))
        )
    }
}

/// The names of networks, for a message.
fn names(models: &[Model]) -> String {
    models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// The paths of the cards directly in a folder, in order.
fn cards(folder: &Path) -> impl Iterator<Item = PathBuf> {
    list(folder).into_iter().filter(|path| path.extension().is_some_and(|e| e == "json"))
}

/// The paths in a folder, in order; empty if there is no such folder.
fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn models(cards: impl Iterator<Item = PathBuf>) -> Vec<Model> {
    let read = |path: PathBuf| match Card::open(&path) {
        Ok(card) => Some(Model { name: name_of(&path), path, card }),
        Err(_) if is_of_another_program(&path) => None,
        // Hours of training may depend on it: never skipped silently.
        Err(error) => {
            say(&format!("note: skipping a network whose card can't be read: {error:#}"));
            None
        }
    };
    cards.filter_map(read).collect()
}

/// Whether a card is of a custom architecture that this process has not registered.
fn is_of_another_program(card: &Path) -> bool {
    let card = files::read_json::<serde_json::Value>(card).unwrap_or_default();
    card["net"]["architecture"].as_str().is_some_and(|name| !NetConfig::is_known(name))
}
