//! What a training leaves behind: weights, and a card that says all about them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use tch::Device;

use super::{History, Recipe};
use crate::Task;
use crate::dataset::{Balance, Faces, Plan, Records, Split};
use crate::evaluate::{Evaluation, Metrics, evaluate};
use crate::files;
use crate::hash::sha256;
use crate::model::{Net, NetConfig, Summary};
use crate::plot::{self, Figure};

/// What a net was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// Whether these were drawings.
    pub synthetic: bool,
    /// How many pictures the set has.
    pub pictures: usize,
    /// [`Faces::fingerprint`].
    pub fingerprint: String,
}

/// Says all about a trained net: saved as JSON beside its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Identifies task, shape, recipe, data and split together.
    pub key: String,
    /// What the net estimates.
    pub task: Task,
    /// The file with its weights, beside the card.
    pub weights: String,
    /// SHA-256 of that file.
    pub weights_sha256: String,
    /// Numbers that were learnt.
    pub parameters: usize,
    /// Its shape.
    pub net: NetConfig,
    /// How it was trained.
    pub recipe: Recipe,
    /// The key of the net whose weights it started from; none for random weights.
    pub start: Option<String>,
    /// What on.
    pub data: Data,
    /// How the pictures were divided.
    pub plan: Plan,
    /// [`Split::fingerprint`].
    pub split: String,
    /// What the training did.
    pub history: History,
    /// On the validation part, by which the weights were chosen.
    pub validation: Metrics,
    /// On the test part; of models that ship, measured once.
    pub test: Option<Metrics>,
    /// Minutes of training.
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

/// A net that has been trained, now or earlier.
#[derive(Debug)]
pub struct Trained {
    /// The net with its best weights.
    pub net: Net,
    /// All about it.
    pub card: Card,
    /// Whether it was loaded instead of trained now.
    pub loaded: bool,
}

/// Identifies a run: the same task, shape, recipe, start, data and split give the same key.
pub(super) fn key(
    net: &NetConfig,
    recipe: &Recipe,
    start: Option<&str>,
    faces: &Faces,
    split: &Split,
) -> Result<String> {
    let parts = serde_json::to_string(&(
        split.task(),
        net,
        recipe,
        start,
        faces.fingerprint(),
        &split.fingerprint,
    ))?;
    Ok(sha256(parts.as_bytes())[..12].to_owned())
}

/// The folder of the runs made here.
pub(super) fn runs() -> PathBuf {
    files::models().join("runs")
}

/// All cards: of the models that ship, then of runs made here. A file that is no card is
/// passed over.
fn cards() -> Vec<(PathBuf, Card)> {
    let list = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let shipped = list(&files::models())
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "json"));
    let made = list(&runs())
        .into_iter()
        .map(|folder| folder.join("card.json"));
    shipped
        .chain(made)
        .filter_map(|path| Some((path.clone(), files::read_json(&path).ok()?)))
        .collect()
}

/// The saved run whose key is `key`.
pub(super) fn find_key(key: &str, device: Device) -> Result<Option<Trained>> {
    match cards().into_iter().find(|(_, card)| card.key == key) {
        Some((path, _)) => Trained::load(&path, device).map(Some),
        None => Ok(None),
    }
}

/// The first saved run for a task that satisfies `wanted`: models that ship by their names,
/// then runs made here.
///
/// # Errors
/// A card whose weights are missing or damaged.
pub fn find(task: Task, device: Device, wanted: impl Fn(&Card) -> bool) -> Result<Option<Trained>> {
    match cards()
        .into_iter()
        .find(|(_, card)| card.task == task && wanted(card))
    {
        Some((path, _)) => Trained::load(&path, device).map(Some),
        None => Ok(None),
    }
}

impl Trained {
    /// Loads a net by its card.
    ///
    /// # Errors
    /// A card that can't be read, or weights that are missing, cut off, changed or of another
    /// shape.
    pub fn load(card: &Path, device: Device) -> Result<Self> {
        let path = card;
        let card: Card = files::read_json(path)?;
        let weights = path.with_file_name(&card.weights);
        let net = Net::load(&card.net, &weights, device)?;
        ensure!(
            sha256(&std::fs::read(&weights)?) == card.weights_sha256,
            "{} is not the file that its card {} names: put the right one back, or train anew",
            weights.display(),
            path.display()
        );
        Ok(Self {
            net,
            card,
            loaded: true,
        })
    }

    /// Saves weights as `NAME.safetensors` and the card as `NAME.json`, the card last: with it
    /// the model is there.
    ///
    /// # Errors
    /// A path that can't be written.
    pub fn save(&mut self, card: &Path) -> Result<()> {
        let weights = card.with_extension("safetensors");
        self.net.save(&weights)?;
        self.card.weights = weights
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        self.card.weights_sha256 = sha256(&std::fs::read(&weights)?);
        files::write_json(card, &self.card)
    }

    /// A table of the net's layers.
    ///
    /// # Errors
    /// The net failing.
    pub fn summary(&self) -> Result<Summary> {
        self.net.summary()
    }

    /// Loss and accuracy of train and validation by epoch.
    ///
    /// # Errors
    /// A history without epochs.
    pub fn curves(&self) -> Result<Figure> {
        plot::curves(&format!("Training: {}", self.card.task), &self.card.history)
    }

    /// Refuses pictures whose content this net has learnt.
    ///
    /// # Errors
    /// How many of them it has learnt, or a net of other data, of which that is not known.
    pub(crate) fn check_unseen(&self, faces: &Faces, indices: &[usize]) -> Result<()> {
        ensure!(
            self.card.data.fingerprint == faces.fingerprint(),
            "the net to start from was trained on other data: whether it has learnt test pictures is not known"
        );
        let table = match self.card.task {
            Task::Gender => faces.records().clone(),
            Task::AgeGroup { .. } => faces.records().balance(&Balance::default())?,
        };
        let split = faces.split(&table, &self.card.plan)?;
        ensure!(
            split.fingerprint == self.card.split,
            "the net to start from was trained by a split that can't be made again: whether it has learnt test pictures is not known"
        );
        let learnt: HashSet<&str> = split
            .train
            .iter()
            .map(|i| faces.all()[*i].content.as_str())
            .collect();
        let known = indices
            .iter()
            .filter(|i| learnt.contains(faces.all()[**i].content.as_str()))
            .count();
        ensure!(
            known == 0,
            "the net to start from has learnt {known} of the test pictures: choose another seed for one of the splits"
        );
        Ok(())
    }

    /// Loss, accuracy and their like on the test part, with 95 % intervals.
    ///
    /// # Errors
    /// A split by which this net was not trained: its test part may hold pictures that the net
    /// has learnt.
    pub fn evaluate(&self, faces: &Faces, split: &Split) -> Result<Evaluation> {
        ensure!(
            self.card.split == split.fingerprint,
            "this net was trained by another split ({}, not {}): its test pictures may be among those learnt",
            self.card.split,
            split.fingerprint
        );
        evaluate(&self.net, self.card.task, faces, &split.test).context("on the test part")
    }
}
