//! A model card: everything about a trained network, as JSON beside its weights.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::Task;
use crate::data::Protocol;
use crate::metrics::Metrics;
use crate::metrics::check_temperature;
use crate::model::{NetConfig, Pretrained};
use crate::train::{History, Recipe};
use utils::files;

/// What a network was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataCard {
    /// Whether these were synthetic faces.
    pub synthetic: bool,
    /// How many images the set has.
    pub pictures: usize,
    /// [`crate::data::Faces::fingerprint`].
    pub fingerprint: String,
}

/// What a network reached on the test set of a protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// The protocol; not always the one it was trained by.
    pub protocol: Protocol,
    /// The fingerprint of that protocol's split.
    pub split: String,
    /// Day the test set was opened, UTC.
    pub date: String,
    /// The command that measures it again.
    pub command: String,
    /// One entry per head.
    pub heads: Vec<Metrics>,
}

/// Everything about a trained net: saved as JSON beside its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Identifies task, shape, recipe, start, data, split, loss, augmentation and the version of
    /// the training code together.
    pub key: String,
    /// What the network predicts.
    pub task: Task,
    /// The file with its weights, beside the card.
    pub weights: String,
    /// SHA-256 of that file.
    pub weights_sha256: String,
    /// How many numbers were trained.
    pub parameters: usize,
    /// Its shape.
    pub net: NetConfig,
    /// How it was trained.
    pub recipe: Recipe,
    /// [`crate::train::Loss::id`].
    pub loss: String,
    /// [`crate::train::Augmentation::id`] of an augmentation beside the recipe's.
    pub augmentation: Option<String>,
    /// The version of the training code.
    pub version: u32,
    /// The key of the network whose weights it started from; none for random weights.
    pub start: Option<String>,
    /// The weights from other data that its training, or that of a network it started from, began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretrained: Option<Pretrained>,
    /// The keys of the networks it learned from by distillation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teachers: Vec<String>,
    /// What on.
    pub data: DataCard,
    /// By which protocol the images were split; none for a custom split, whose image hashes
    /// are listed beside the card.
    pub protocol: Option<Protocol>,
    /// The fingerprint of the split.
    pub split: String,
    /// What the training did.
    pub history: History,
    /// What each head's logits are divided by, so that its probabilities fit the validation
    /// part.
    pub temperatures: Vec<f64>,
    /// On the validation set, by which the weights were selected: one entry per head.
    pub validation: Vec<Metrics>,
    /// On test sets, each opened once for a published number.
    pub tests: Vec<Published>,
    /// Minutes of training, those of the networks it started from included.
    pub minutes: f64,
    /// What it was trained with: processor or GPU.
    pub hardware: String,
    /// Kind of number in training: `bf16` or `f32`.
    pub precision: String,
    /// Day of training, UTC.
    pub date: String,
    /// The command or call that trains it again.
    pub command: String,
}

impl Card {
    /// Reads a card.
    ///
    /// # Errors
    /// A file that is missing, no JSON or not a card, or a card that no network can have: the field is
    /// named.
    pub fn open(path: &Path) -> Result<Self> {
        let card: Self = files::read_json(path)?;
        card.check().with_context(|| {
            format!("{} is not a valid model card: download it again", path.display())
        })?;
        Ok(card)
    }

    /// Refuses what no network can have. Cards come from elsewhere, too: what they name lies beside
    /// them, and nowhere else.
    fn check(&self) -> Result<()> {
        self.task.check()?;
        self.net.check()?;
        self.task.check_outputs(self.net.outputs())?;
        self.temperatures.iter().try_for_each(|temperature| check_temperature(*temperature))?;
        ensure!(
            Path::new(&self.weights).file_name().is_some_and(|name| *name == *self.weights),
            "weights `{}`: a file beside the card is expected, without a folder",
            self.weights
        );
        ensure!(
            !self.key.is_empty() && self.key.bytes().all(|b| b.is_ascii_hexdigit()),
            "key `{}`: hexadecimal digits are expected",
            self.key
        );
        Ok(())
    }
}

/// The file beside a card that lists the image hashes of a custom split.
pub(super) fn contents_path(card: &Path) -> PathBuf {
    card.with_file_name(format!("{}.contents.txt", stem(card)))
}

/// A card's file name without `.json`.
pub(super) fn stem(card: &Path) -> String {
    let name = card.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(".json").unwrap_or(&name).to_owned()
}

/// The name of the model whose card is at a path: the card's, or that of a run's folder.
pub(super) fn name_of(card: &Path) -> String {
    match stem(card) {
        name if name == "card" => {
            let folder = card.parent().and_then(Path::file_name).unwrap_or_default();
            folder.to_string_lossy().into_owned()
        }
        name => name,
    }
}

/// The day, UTC: `2026-11-24`.
pub(crate) fn today() -> String {
    time::OffsetDateTime::now_utc().date().to_string()
}
