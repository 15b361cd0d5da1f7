//! A training's settings; `run.rs` runs it.

use std::rc::Rc;

use anyhow::{Result, anyhow, ensure};
use tch::Device;

use super::key;
use crate::Task;
use crate::data::{Faces, Part, Split};
use crate::model::{NetConfig, Pretrained, RorConfig};
use crate::store::Trained;
use crate::train::{Augmentation, Loss, Recipe, RecipeLoss, TAUGHT, VERSION};
use layers::Ranks;
use utils::device::{Precision, device};
use utils::hash::sha256;

/// A training: a network's shape and a recipe over a split, with defaults that suit the data.
///
/// [`Training::train_or_load`] loads a network that was trained with the same settings. A training
/// that was interrupted continues after its last complete epoch.
///
/// ```no_run
/// use ror::prelude::*;
///
/// # fn main() -> anyhow::Result<()> {
/// let faces = Faces::open()?;
/// let split = Protocol::OriginalGender.split(&faces)?;
/// let both = Training::new(&faces, &split, Task::Both).train_or_load()?;
/// let short = Training::new(&faces, &split, Task::Gender).epochs(5).learning_rate(1e-3).train_or_load()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Training {
    pub(super) faces: Faces,
    pub(super) split: Split,
    pub(super) task: Task,
    pub(super) net: NetConfig,
    pub(super) recipe: Recipe,
    pub(super) loss: Option<Rc<dyn Loss>>,
    /// One per class of the first head; none if all weigh the same.
    class_weights: Vec<f64>,
    pub(super) augmentation: Option<Rc<dyn Augmentation>>,
    start: Option<Known>,
    teachers: Vec<Known>,
    pub(super) device: Device,
    pub(super) precision: Precision,
    ranks: Option<Ranks>,
    pub(super) quiet: bool,
    pub(super) command: String,
}

/// A network that a training starts from or learns from: a copy, or why none could be made.
type Known = Rc<Result<Trained>>;

/// The network, or the error that a copy of it met.
fn known(known: &Known) -> Result<&Trained> {
    known.as_ref().as_ref().map_err(|error| anyhow!("cannot copy a network: {error:#}"))
}

impl Training {
    /// A training with [`Recipe::suited`] of the paper's network, of a deeper one for gender and age, or
    /// of a small one on synthetic faces.
    pub fn new(faces: &Faces, split: &Split, task: Task) -> Self {
        Self {
            faces: faces.clone(),
            split: split.clone(),
            task,
            net: suited(task, faces).into(),
            recipe: Recipe::suited(task, faces),
            loss: None,
            class_weights: vec![],
            augmentation: None,
            start: None,
            teachers: vec![],
            device: device(),
            precision: Precision::Auto,
            ranks: None,
            quiet: false,
            command: format!("Training::new(&faces, &split, Task::{task:?}).train_or_load()"),
        }
    }

    /// Fine-tunes a trained network on other faces: same task and shape, starting from its weights,
    /// with [`Recipe::fine_tuning`].
    pub fn fine_tune(faces: &Faces, split: &Split, start: &Trained) -> Self {
        Self {
            net: start.card.net.clone(),
            recipe: Recipe::fine_tuning(&start.card.recipe),
            start: Some(Rc::new(start.copied())),
            ..Self::new(faces, split, start.card.task)
        }
    }

    /// Another shape, or a custom [`crate::model::Architecture`]. A built-in one gets the task's
    /// number of outputs.
    pub fn net(self, net: impl Into<NetConfig>) -> Self {
        Self { net: net.into().with_outputs(self.task.outputs()), ..self }
    }

    /// Another recipe.
    pub fn recipe(self, recipe: Recipe) -> Self {
        Self { recipe, ..self }
    }

    /// A training of minutes: [`Recipe::fast`], without stochastic depth.
    pub fn fast(self) -> Self {
        let net = RorConfig { survival: 1.0, ..plain(self.task, &self.faces) };
        let recipe = Recipe::fast(self.task);
        Self { net: net.into(), recipe, ..self }
    }

    fn change(mut self, change: impl FnOnce(&mut Recipe)) -> Self {
        change(&mut self.recipe);
        self
    }

    /// Maximum number of epochs.
    pub fn epochs(self, epochs: usize) -> Self {
        self.change(|recipe| recipe.epochs = epochs)
    }

    /// Batch size.
    pub fn batch(self, batch: usize) -> Self {
        self.change(|recipe| recipe.batch = batch)
    }

    /// The (highest) learning rate.
    pub fn learning_rate(self, learning_rate: f64) -> Self {
        self.change(|recipe| recipe.learning_rate = learning_rate)
    }

    /// A custom loss instead of the recipe's.
    pub fn loss(self, loss: impl Loss + 'static) -> Self {
        Self { loss: Some(Rc::new(loss)), ..self }
    }

    /// Multiplies the loss of an image by the weight of its class, such as 2 for a class that is
    /// half as frequent: gender's two classes, or the age groups. A custom loss ignores them.
    pub fn class_weights(self, weights: &[f64]) -> Self {
        Self { class_weights: weights.to_vec(), ..self }
    }

    /// A custom augmentation after the recipe's.
    pub fn augmentation(self, augmentation: impl Augmentation + 'static) -> Self {
        Self { augmentation: Some(Rc::new(augmentation)), ..self }
    }

    /// Starts from the weights of a trained network instead of random ones, as arXiv 1710.02985 starts
    /// its age networks from gender networks. A head of another size stays random.
    pub fn start_from(self, start: &Trained) -> Self {
        Self { start: Some(Rc::new(start.copied())), ..self }
    }

    /// Learns from the predictions of trained networks of the same task for each augmented image, in
    /// addition to the labels ([`Recipe::distillation`] says how much). Their input may have another
    /// size than this network's: the image is resized for them.
    pub fn teachers(self, teachers: &[Trained]) -> Self {
        let teachers = teachers.iter().map(|teacher| Rc::new(teacher.copied())).collect();
        Self { teachers, ..self }
    }

    /// Loads without a word; training is always reported.
    #[cfg(feature = "tables")]
    pub(crate) fn quiet(self) -> Self {
        Self { quiet: true, ..self }
    }

    /// The device to train on. Default: a GPU if there is one.
    pub fn device(self, device: Device) -> Self {
        Self { device, ..self }
    }

    /// The arithmetic to train in. Default: bf16 if the device supports it.
    pub fn precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// Trains together with other processes, which all have the same training.
    pub fn ranks(self, ranks: Ranks) -> Self {
        Self { ranks: Some(ranks), ..self }
    }

    /// The command on the card that repeats this training.
    pub fn command(self, command: &str) -> Self {
        Self { command: command.to_owned(), ..self }
    }

    /// Identifies the training by everything that decides its result, including the version of the
    /// training code: 12 hexadecimal digits.
    ///
    /// # Errors
    /// None that settings can cause.
    pub fn key(&self) -> Result<String> {
        let json = |value: &Option<String>| serde_json::to_string(value);
        let parts = format!(
            "[{VERSION},{},{},{},{},{:?},{:?}]",
            key::of(self.task, &self.net, &self.recipe)?,
            serde_json::to_string(&self.loss_id())?,
            json(&self.augmentation_id())?,
            json(&self.start()?.map(|start| start.card.key.clone()))?,
            self.faces.fingerprint(),
            self.split.fingerprint,
        );
        // What few trainings have stands behind, so that the others keep the keys they had before it.
        let taught = (!self.teachers.is_empty()).then_some(TAUGHT);
        let teachers = self.known_teachers()?;
        let teachers = teachers.iter().map(|teacher| teacher.card.key.as_str());
        let precision = match self.precision {
            Precision::Auto => None,
            Precision::Bf16 => Some("bf16"),
            Precision::F32 => Some("f32"),
        };
        let parts = [parts.as_str()].into_iter().chain(taught).chain(teachers).chain(precision);
        let parts = parts.collect::<Vec<_>>().join(" ");
        Ok(sha256(parts.as_bytes())[..12].to_owned())
    }

    pub(super) fn start(&self) -> Result<Option<&Trained>> {
        self.start.as_ref().map(known).transpose()
    }

    pub(super) fn own_ranks(&self) -> Ranks {
        self.ranks.clone().unwrap_or_else(|| Ranks::alone(self.device))
    }

    pub(super) fn known_teachers(&self) -> Result<Vec<&Trained>> {
        self.teachers.iter().map(known).collect()
    }

    /// Weights from other data that the network, its start or a teacher began with.
    pub(super) fn pretrained(&self) -> Result<Option<Pretrained>> {
        let known = self.start()?.into_iter().chain(self.known_teachers()?);
        let inherited = known.filter_map(|known| known.card.pretrained.clone()).next();
        Ok(self.net.pretrained().or(inherited))
    }

    pub(super) fn augmentation_id(&self) -> Option<String> {
        self.augmentation.as_ref().map(|augmentation| augmentation.id())
    }

    pub(super) fn loss_id(&self) -> String {
        match &self.loss {
            Some(loss) => loss.id(),
            None => self.standard_loss().id(),
        }
    }

    pub(super) fn standard_loss(&self) -> RecipeLoss {
        RecipeLoss::new(self.task, &self.recipe, &self.class_weights)
    }

    /// The images to train on.
    pub fn faces(&self) -> &Faces {
        &self.faces
    }

    /// The split of them.
    pub fn split(&self) -> &Split {
        &self.split
    }

    /// What is predicted.
    pub fn task(&self) -> Task {
        self.task
    }

    /// The network's shape.
    pub fn net_config(&self) -> &NetConfig {
        &self.net
    }

    /// How it is trained.
    pub fn recipe_used(&self) -> &Recipe {
        &self.recipe
    }

    /// The device that it is trained on.
    pub fn device_used(&self) -> Device {
        self.device
    }

    /// The arithmetic that it is trained in.
    pub fn precision_used(&self) -> Precision {
        self.precision
    }

    /// Whether other processes can repeat it from its settings alone: without teachers and with the
    /// crate's own networks, losses and augmentations.
    pub fn is_plain(&self) -> bool {
        self.loss.is_none()
            && self.class_weights.is_empty()
            && self.augmentation.is_none()
            && self.teachers.is_empty()
            && self.net.is_built_in()
    }

    /// Refuses settings that can't train.
    pub(super) fn check(&self) -> Result<()> {
        self.task.check()?;
        self.recipe.check()?;
        self.net.check()?;
        self.task.check_outputs(self.net.outputs())?;
        for teacher in self.known_teachers()? {
            ensure!(
                teacher.card.task == self.task,
                "a teacher for {} of a network for {}: both must have the same task",
                teacher.card.task,
                self.task
            );
        }
        let (weights, classes) = (&self.class_weights, self.task.heads()[0].classes().len());
        ensure!(
            weights.is_empty() || weights.len() == classes,
            "there are {} class weights for {classes} classes",
            weights.len()
        );
        let wrong = weights.iter().find(|weight| !weight.is_finite() || **weight < 0.0);
        ensure!(wrong.is_none(), "a class weight is {}: choose 0 or more", wrong.unwrap_or(&0.0));
        ensure!(
            self.teachers.is_empty() == (self.recipe.distillation == 0.0),
            "distillation is {} with {} teachers: set both or neither",
            self.recipe.distillation,
            self.teachers.len()
        );
        for known in self.start()?.into_iter().chain(self.known_teachers()?) {
            known.check_unseen(&self.faces, &self.split, &[Part::Validation, Part::Test])?;
        }
        Ok(())
    }
}

/// The report's network, or on synthetic faces a small one.
fn plain(task: Task, faces: &Faces) -> RorConfig {
    match faces.is_synthetic() {
        true => RorConfig::small(task.outputs()),
        false => RorConfig::new(task.outputs()),
    }
}

/// The same, but for gender and age of photographs a deeper network.
pub(super) fn suited(task: Task, faces: &Faces) -> RorConfig {
    match task {
        Task::Both if !faces.is_synthetic() => RorConfig::deep(task.outputs()),
        _ => plain(task, faces),
    }
}
