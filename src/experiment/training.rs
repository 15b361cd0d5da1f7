//! A training: run, or loaded where it was run before.

use std::fs::File;

use anyhow::{Context, Result, ensure};
use tch::{Device, Kind, Tensor};

use crate::Task;
use crate::data::{Faces, Part, Split};
use crate::metrics::{Evaluation, LabelledPredictions, Predictions, distributions};
use crate::model::{Net, NetConfig, RorConfig, logits_of};
use crate::store::{Card, DataCard, ModelStore, Trained, today};
use crate::support::device::{device, hardware, training_kind};
use crate::support::hash::sha256;
use crate::support::live::Live;
use crate::support::progress::{say, thousands};
use crate::train::fit::{Fit, fit, time_steps};
use crate::train::{Augmentation, Loss, Recipe, RecipeLoss, VERSION, checkpoint, show};

/// A training to be run: a net's shape and a recipe over a split, with defaults that suit the
/// data.
///
/// A net already trained so, pretrained or made here, is loaded instead; a training that was
/// interrupted goes on from its last whole epoch.
///
/// ```no_run
/// use ror::prelude::*;
///
/// # fn main() -> anyhow::Result<()> {
/// let faces = Faces::open()?;
/// let split = Protocol::OriginalGender.split(&faces)?;
/// let gender = Training::new(&faces, &split, Task::Gender).run()?;
/// let short = Training::new(&faces, &split, Task::Gender).epochs(5).learning_rate(1e-3).run()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Training<'a> {
    faces: &'a Faces,
    split: &'a Split,
    task: Task,
    net: NetConfig,
    recipe: Recipe,
    loss: Option<&'a dyn Loss>,
    augmentation: Option<&'a dyn Augmentation>,
    start: Option<&'a Trained>,
    teachers: &'a [Trained],
    device: Device,
    retrain: bool,
    quiet: bool,
    command: String,
}

impl<'a> Training<'a> {
    /// A training with [`Recipe::suited`] of the report's net; on synthetic faces of a small one.
    pub fn new(faces: &'a Faces, split: &'a Split, task: Task) -> Self {
        Self {
            faces,
            split,
            task,
            net: suited(task, faces).into(),
            recipe: Recipe::suited(task, faces),
            loss: None,
            augmentation: None,
            start: None,
            teachers: &[],
            device: device(),
            retrain: false,
            quiet: false,
            command: format!("Training::new(&faces, &split, Task::{task:?}).run()"),
        }
    }

    /// Fine-tunes a trained net on other faces: its task and shape, from its weights, by
    /// [`Recipe::fine_tuning`].
    pub fn fine_tune(faces: &'a Faces, split: &'a Split, start: &'a Trained) -> Self {
        Self {
            net: start.card.net.clone(),
            recipe: Recipe::fine_tuning(&start.card.recipe),
            start: Some(start),
            ..Self::new(faces, split, start.card.task)
        }
    }

    /// Another shape of the net, or one's own [`crate::model::Architecture`].
    pub fn net(self, net: impl Into<NetConfig>) -> Self {
        Self { net: net.into(), ..self }
    }

    /// Another recipe.
    pub fn recipe(self, recipe: Recipe) -> Self {
        Self { recipe, ..self }
    }

    /// A training to watch, of minutes: [`Recipe::fast`], and no block left out of a step.
    pub fn fast(self) -> Self {
        let net = RorConfig { survival: 1.0, ..suited(self.task, self.faces) };
        let recipe = Recipe::fast(self.task);
        Self { net: net.into(), recipe, ..self }
    }

    fn change(mut self, change: impl FnOnce(&mut Recipe)) -> Self {
        change(&mut self.recipe);
        self
    }

    /// Passes over the training pictures, at most.
    pub fn epochs(self, epochs: usize) -> Self {
        self.change(|recipe| recipe.epochs = epochs)
    }

    /// Pictures a step.
    pub fn batch(self, batch: usize) -> Self {
        self.change(|recipe| recipe.batch = batch)
    }

    /// The (highest) learning rate.
    pub fn learning_rate(self, learning_rate: f64) -> Self {
        self.change(|recipe| recipe.learning_rate = learning_rate)
    }

    /// A loss of one's own instead of the recipe's.
    pub fn loss(self, loss: &'a dyn Loss) -> Self {
        Self { loss: Some(loss), ..self }
    }

    /// An augmentation of one's own after the recipe's.
    pub fn augmentation(self, augmentation: &'a dyn Augmentation) -> Self {
        Self { augmentation: Some(augmentation), ..self }
    }

    /// Starts from the weights of a trained net instead of random ones (the head apart, where
    /// the two differ in it): as arXiv 1710.02985 starts its age nets from gender nets.
    pub fn start_from(self, start: &'a Trained) -> Self {
        Self { start: Some(start), ..self }
    }

    /// Learns from what trained nets of the same task predict for the training pictures, besides
    /// from the labels: [`Recipe::distillation`] says how much.
    pub fn teachers(self, teachers: &'a [Trained]) -> Self {
        Self { teachers, ..self }
    }

    /// Whether to train anew, from the first epoch, even where a net trained so is there.
    pub fn retrain(self, retrain: bool) -> Self {
        Self { retrain, ..self }
    }

    /// Loads without a word; training is always reported.
    pub(crate) fn quiet(self) -> Self {
        Self { quiet: true, ..self }
    }

    /// The device to train on; by default a GPU where there is one.
    pub fn device(self, device: Device) -> Self {
        Self { device, ..self }
    }

    /// How to name this training on its card: a command that repeats it.
    pub fn command(self, command: &str) -> Self {
        Self { command: command.to_owned(), ..self }
    }

    /// Identifies the training (12 hexadecimal digits): everything that decides the net it gives,
    /// the version of the training code included.
    ///
    /// # Errors
    /// None that settings can cause.
    pub fn key(&self) -> Result<String> {
        let parts = serde_json::to_string(&(
            VERSION,
            self.task,
            &self.net,
            &self.recipe,
            self.loss_id(),
            self.augmentation.map(Augmentation::id),
            self.start.map(|start| &start.card.key),
            self.faces.fingerprint(),
            &self.split.fingerprint,
        ))?;
        let teachers = self.teachers.iter().map(|teacher| teacher.card.key.as_str());
        let parts = std::iter::once(parts.as_str()).chain(teachers).collect::<Vec<_>>().join(" ");
        Ok(sha256(parts.as_bytes())[..12].to_owned())
    }

    fn loss_id(&self) -> String {
        self.loss.map_or("recipe".to_owned(), Loss::id)
    }

    /// Refuses settings that can't train.
    fn check(&self) -> Result<()> {
        self.task.check()?;
        self.recipe.check()?;
        self.net.check()?;
        ensure!(
            self.net.outputs() == self.task.outputs(),
            "a net of {} outputs for {}, which needs {}",
            self.net.outputs(),
            self.task,
            self.task.outputs()
        );
        for teacher in self.teachers {
            ensure!(
                teacher.card.task == self.task,
                "a teacher of {} for a net of {}: both must predict the same",
                teacher.card.task,
                self.task
            );
        }
        ensure!(
            self.teachers.is_empty() == (self.recipe.distillation == 0.0),
            "a distillation of {} from {} teachers: name both or none",
            self.recipe.distillation,
            self.teachers.len()
        );
        for known in self.start.into_iter().chain(self.teachers) {
            known.check_unseen(self.faces, self.split, &[Part::Validation, Part::Test])?;
        }
        Ok(())
    }

    /// Trains the net, or loads it where it has been trained before.
    ///
    /// Prints one row an epoch. The kept weights are those of the epoch with the lowest
    /// validation loss; they are saved with their card below `models/runs/`.
    ///
    /// # Errors
    /// A recipe or shape that [`Recipe::check`] or [`NetConfig::check`] refuses, outputs that
    /// are not the task's, a start or teacher that has seen validation or test pictures, teachers of
    /// another task, teachers without distillation or the other way round, pictures that can't be
    /// decoded, a loss that is not a number, a folder that can't be written, or the same training
    /// running elsewhere.
    pub fn run(&self) -> Result<Trained> {
        self.check()?;
        let (task, key, store) = (self.task, self.key()?, ModelStore::local());
        if !self.retrain
            && let Some(found) = store.find(|card| card.key == key)
        {
            let found = Trained::load(&found.path, self.device)?;
            if !self.quiet && !Live::is_open() {
                say(&format!(
                    "{task}: loaded the net trained on {} with this very setting; retrain(true) trains it anew",
                    found.card.date
                ));
                show(task, &found.card.history);
            }
            return Ok(found);
        }
        let folder = store.runs().join(format!("{}-{key}", task.name()));
        std::fs::create_dir_all(&folder).with_context(|| {
            format!(
                "cannot make {} (set ROR_MODELS to a folder that can be written)",
                folder.display()
            )
        })?;
        let lock = File::create(folder.join("lock"))?;
        ensure!(
            lock.try_lock().is_ok(),
            "this very training is running in another notebook or program: {}",
            folder.display()
        );
        if self.retrain {
            checkpoint::remove(&folder)?;
        }
        let net = Net::new(self.net.clone(), self.device, self.recipe.seed as i64)?;
        if let Some(start) = self.start {
            net.copy_from(&start.net)?;
        }
        if !Live::is_open() {
            say(&format!(
                "{task}: {} parameters, {} train and {} validation pictures, on {}",
                thousands(net.parameters()),
                thousands(self.split.train.len()),
                thousands(self.split.validation.len()),
                hardware(self.device)
            ));
        }
        let standard = RecipeLoss::new(task, &self.recipe);
        let taught = self.taught()?;
        let history = fit(&net, Fit { taught: taught.as_ref(), ..self.fit(&standard) }, &folder)?;
        let (temperatures, validation) = self.calibrate(&net)?;
        let card = Card {
            key,
            task,
            weights: String::new(),
            weights_sha256: String::new(),
            parameters: net.parameters(),
            net: self.net.clone(),
            recipe: self.recipe.clone(),
            loss: self.loss_id(),
            augmentation: self.augmentation.map(Augmentation::id),
            version: VERSION,
            start: self.start.map(|start| start.card.key.clone()),
            teachers: self.teachers.iter().map(|teacher| teacher.card.key.clone()).collect(),
            data: DataCard {
                synthetic: self.faces.is_synthetic(),
                pictures: self.faces.len(),
                fingerprint: self.faces.fingerprint().to_owned(),
            },
            protocol: self.split.protocol,
            split: self.split.fingerprint.clone(),
            temperatures,
            validation: validation.metrics(),
            tests: vec![],
            minutes: history.seconds() / 60.0 + self.start.map_or(0.0, |start| start.card.minutes),
            history,
            hardware: hardware(self.device),
            precision: match net.kind(training_kind(self.device)) {
                Kind::BFloat16 => "bf16".to_owned(),
                _ => "f32".to_owned(),
            },
            date: today(),
            command: self.command.clone(),
        };
        let path = folder.join("card.json");
        let mut trained = Trained { net, card, loaded: false, path: path.clone() };
        let contents = match self.split.protocol {
            Some(_) => None,
            None => Some(self.split.contents(self.faces)?),
        };
        trained.save_with(&path, false, contents.as_ref())?;
        checkpoint::remove(&folder)?;
        Ok(trained)
    }

    /// Temperatures fitted on the validation part, and its metrics with them.
    fn calibrate(&self, net: &Net) -> Result<(Vec<f64>, Evaluation)> {
        let part = &self.split.validation;
        let labels = self.faces.labels(part)?;
        let logits = logits_of(net, Kind::Float, self.faces, part, self.net.input())?;
        let temperatures = crate::metrics::fit_temperatures(self.task, &logits, &labels)?;
        let labelled = Predictions::from_logits(self.task, &temperatures, &logits)?
            .into_iter()
            .map(|head| LabelledPredictions::new(head, labels.clone()))
            .collect();
        Ok((temperatures, Evaluation::of(labelled)))
    }

    fn fit<'b>(&'b self, standard: &'b RecipeLoss) -> Fit<'b> {
        Fit {
            faces: self.faces,
            split: self.split,
            task: self.task,
            recipe: &self.recipe,
            loss: self.loss.unwrap_or(standard),
            augmentation: self.augmentation,
            taught: None,
        }
    }

    /// The mean of what the teachers predict for the training pictures: f32 `[n, outputs]`.
    fn taught(&self) -> Result<Option<Tensor>> {
        let mut sum: Option<Tensor> = None;
        for Trained { net, card, .. } in self.teachers {
            let logits =
                logits_of(net, Kind::Float, self.faces, &self.split.train, card.net.input())?;
            let heads = distributions(card.task, &card.temperatures, &logits)?;
            let heads: Vec<Tensor> = heads.into_iter().map(|(_, outputs)| outputs).collect();
            let outputs = Tensor::f_cat(&heads, 1)?;
            sum = Some(match sum {
                Some(sum) => sum.f_add(&outputs)?,
                None => outputs,
            });
        }
        let mean = |sum: Tensor| -> Result<Tensor> {
            Ok(sum.f_div_scalar(self.teachers.len() as f64)?.f_to_kind(Kind::Float)?)
        };
        sum.map(mean).transpose()
    }

    /// Seconds that each of `steps` training steps takes on this machine, after three that warm
    /// up: what a training will take, before it is begun. Nothing is kept of them.
    ///
    /// # Errors
    /// A setting that can't train (its range is named), or pictures that can't be decoded.
    pub fn time_steps(&self, steps: usize) -> Result<Vec<f64>> {
        self.check()?;
        let net = Net::new(self.net.clone(), self.device, self.recipe.seed as i64)?;
        time_steps(&net, self.fit(&RecipeLoss::new(self.task, &self.recipe)), steps)
    }
}

/// The report's net, or on synthetic faces a small one.
pub(super) fn suited(task: Task, faces: &Faces) -> RorConfig {
    match faces.is_synthetic() {
        true => RorConfig::small(task.outputs()),
        false => RorConfig::new(task.outputs()),
    }
}
