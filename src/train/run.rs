//! What a training leaves behind: weights, and a card that says all about them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::{History, Recipe};
use crate::Task;
use crate::dataset::{Balance, Faces, Plan, Protocol, Records, Split};
use crate::evaluate::{
    Answers, Estimate, Evaluation, Metrics, estimates, logits_of, mean_estimate,
};
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

/// What a net reached on the test part of a protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// The protocol; not always the one it was trained by.
    pub protocol: Protocol,
    /// [`Split::fingerprint`] of that protocol's split.
    pub split: String,
    /// Day it was opened, UTC.
    pub date: String,
    /// The command that measures it again.
    pub command: String,
    /// One entry a head.
    pub heads: Vec<Metrics>,
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
    /// By which protocol the pictures were divided; none for a split of one's own.
    pub protocol: Option<Protocol>,
    /// How the pictures were divided.
    pub plan: Plan,
    /// [`Split::fingerprint`].
    pub split: String,
    /// What the training did.
    pub history: History,
    /// What each head's logits are divided by, so that its probabilities fit the validation
    /// part.
    pub temperatures: Vec<f64>,
    /// On the validation part, by which the weights were chosen: one entry a head.
    pub validation: Vec<Metrics>,
    /// On test parts, each opened once for a published number.
    pub tests: Vec<Test>,
    /// Minutes of training, those of the net it started from included.
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

impl Card {
    /// Refuses pictures whose content this net, or one that it started from, has learnt.
    ///
    /// # Errors
    /// How many of them it has learnt, or a net of which that is not known.
    fn check_unseen(&self, faces: &Faces, indices: &[usize]) -> Result<()> {
        ensure!(
            self.data.fingerprint == faces.fingerprint(),
            "the net {} was trained on other data: whether it has learnt test pictures is not known",
            self.key
        );
        if let Some(start) = &self.start {
            let (_, start) = cards().into_iter().find(|(_, card)| card.key == *start).with_context(|| {
                format!(
                    "the net {start}, from which {} started, is gone: whether it has learnt test pictures is not known",
                    self.key
                )
            })?;
            start.check_unseen(faces, indices)?;
        }
        let split = self.own_split(faces).with_context(|| {
            format!(
                "the net {} was trained by a split of its own: whether it has learnt test pictures is not known",
                self.key
            )
        })?;
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
            "the net {} has learnt {known} of the test pictures: choose another seed for one of the splits",
            self.key
        );
        Ok(())
    }

    /// The split that this net was trained by, made again: that of a protocol, or by its plan of
    /// all records or the balanced ones.
    fn own_split(&self, faces: &Faces) -> Option<Split> {
        let (task, plan) = (self.task, &self.plan);
        let by_protocol = Protocol::of_fingerprint(faces, task, &self.split).ok()?;
        if let Some((_, split)) = by_protocol {
            return Some(split);
        }
        let balanced = faces.records().balance(&Balance::default()).ok()?;
        [faces.records(), &balanced]
            .into_iter()
            .filter_map(|table| faces.split(table, plan).ok())
            .find(|split| split.fingerprint == self.split)
    }
}

/// Identifies a run: the same task, shape, recipe, start, data and split give the same key.
pub(super) fn key(
    task: Task,
    net: &NetConfig,
    recipe: &Recipe,
    start: Option<&str>,
    faces: &Faces,
    split: &Split,
) -> Result<String> {
    let parts = serde_json::to_string(&(
        task,
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

/// The paths in a folder, in order; none where there is no such folder.
fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Of these files, the cards. A file that is no card is passed over.
fn cards_in(paths: impl IntoIterator<Item = PathBuf>) -> Vec<(PathBuf, Card)> {
    paths
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .filter_map(|path| Some((path.clone(), files::read_json(&path).ok()?)))
        .collect()
}

/// Name and card of each model that ships, in order of their names.
pub fn shipped() -> Vec<(String, Card)> {
    cards_in(list(&files::models()))
        .into_iter()
        .map(|(path, card)| (model_name(&path), card))
        .collect()
}

/// All cards: of the models that ship, then of runs made here.
fn cards() -> Vec<(PathBuf, Card)> {
    let made = list(&runs()).into_iter().map(|run| run.join("card.json"));
    cards_in(list(&files::models()).into_iter().chain(made))
}

/// The first saved run that satisfies `wanted`: models that ship by their names, then runs made
/// here.
///
/// # Errors
/// A card whose weights are missing or damaged.
pub fn find(device: Device, wanted: impl Fn(&Card) -> bool) -> Result<Option<Trained>> {
    match cards().into_iter().find(|(_, card)| wanted(card)) {
        Some((path, _)) => Trained::load(&path, device).map(Some),
        None => Ok(None),
    }
}

/// The saved net of a name: a card's file name in `models/` without its ending, a folder's name
/// in `models/runs/`, or the path of a card.
///
/// # Errors
/// No such net (those there are, are listed), or a damaged one.
pub fn named(name: &str, device: Device) -> Result<Trained> {
    let path = Path::new(name);
    if path.extension().is_some_and(|e| e == "json") {
        return Trained::load(path, device);
    }
    let cards = cards();
    match cards.iter().find(|(path, _)| model_name(path) == name) {
        Some((path, _)) => Trained::load(path, device),
        None => {
            let names: Vec<String> = cards.iter().map(|(path, _)| model_name(path)).collect();
            bail!(
                "there is no model {name} in {}; there are: {}",
                files::models().display(),
                names.join(", ")
            )
        }
    }
}

/// The name of the model whose card is at `path`: that of its file, or of its folder in
/// `models/runs/`.
fn model_name(path: &Path) -> String {
    let own = path.file_stem().unwrap_or_default();
    let name = if own == "card" {
        path.parent().and_then(Path::file_name).unwrap_or_default()
    } else {
        own
    };
    name.to_string_lossy().into_owned()
}

/// What several nets say of the pictures at `indices`, averaged, beside the truth: one entry a
/// head.
///
/// # Errors
/// Nets of different tasks, or what [`Trained::answers`] returns.
pub fn ensemble_answers(
    nets: &[Trained],
    faces: &Faces,
    indices: &[usize],
) -> Result<Vec<Answers>> {
    let each = nets
        .iter()
        .map(|net| net.estimates_of(faces, indices))
        .collect::<Result<Vec<_>>>()?;
    let heads = each.first().map_or(0, Vec::len);
    ensure!(
        each.iter().all(|estimates| estimates.len() == heads),
        "nets of one ensemble must have the same heads"
    );
    let labels = faces.labels(indices)?;
    (0..heads)
        .map(|head| {
            let own: Vec<Estimate> = each.iter().map(|heads| heads[head].clone()).collect();
            Ok(Answers::new(mean_estimate(&own)?, labels.clone()))
        })
        .collect()
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
    /// the model is there. `half` saves parameters in f16.
    ///
    /// # Errors
    /// A path that can't be written.
    pub fn save(&mut self, card: &Path, half: bool) -> Result<()> {
        let weights = card.with_extension("safetensors");
        self.net.save(&weights, half)?;
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

    /// Refuses pictures whose content this net, or one that it started from, has learnt.
    ///
    /// # Errors
    /// How many of them it has learnt, or a net of which that is not known.
    pub fn check_unseen(&self, faces: &Faces, indices: &[usize]) -> Result<()> {
        self.card.check_unseen(faces, indices)
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
        Ok(Evaluation::of(
            self.answers(faces, &split.test)
                .context("on the test part")?,
        ))
    }

    /// Loss, accuracy and their like on the test part of any protocol, with 95 % intervals.
    ///
    /// # Errors
    /// A protocol in whose test part there are pictures that this net, or one that it started
    /// from, has learnt.
    pub fn evaluate_by(&self, faces: &Faces, protocol: Protocol) -> Result<Evaluation> {
        let split = protocol.split(faces, self.card.task)?;
        self.check_unseen(faces, &split.test)?;
        Ok(Evaluation::of(
            self.answers(faces, &split.test)
                .with_context(|| format!("on the test part of {protocol}"))?,
        ))
    }

    /// What the net says of the pictures at `indices`, beside the truth: one entry a head.
    ///
    /// # Errors
    /// No pictures, an index outside the set, pictures that can't be decoded, or the net
    /// failing.
    pub fn answers(&self, faces: &Faces, indices: &[usize]) -> Result<Vec<Answers>> {
        ensemble_answers(std::slice::from_ref(self), faces, indices)
    }

    fn estimates_of(&self, faces: &Faces, indices: &[usize]) -> Result<Vec<Estimate>> {
        let side = self.net.config().input;
        let logits = logits_of(Kind::Float, &self.net, faces, indices, side)?;
        self.card.read(&logits)
    }
}

impl Card {
    /// Reads logits `[ways, n, outputs]` of the card's net.
    pub(crate) fn read(&self, logits: &Tensor) -> Result<Vec<Estimate>> {
        estimates(self.task, &self.temperatures, logits)
    }
}
