//! A training: run, or loaded where it was run before.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result, anyhow, bail, ensure};
use tch::{Device, Kind};

use super::calibrate::calibrate;
use super::key;
use crate::Task;
use crate::data::{Faces, Part, Split};
use crate::model::{Net, NetConfig, Pretrained, RorConfig};
use crate::store::{Card, DataCard, ModelStore, Trained, today};
use crate::train::fit::fit;
use crate::train::job::Job;
use crate::train::step::time_steps;
use crate::train::{
    Augmentation, Loss, Recipe, RecipeLoss, TAUGHT, Teacher, VERSION, Watch, checkpoint, show,
};
use layers::Ranks;
use utils::device::{Precision, device, hardware};
use utils::escape;
use utils::files::{open_lock, remove_half_written};
use utils::hash::sha256;
use utils::live::Live;
use utils::progress::{say, thousands};

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
    faces: Faces,
    split: Split,
    task: Task,
    net: NetConfig,
    recipe: Recipe,
    loss: Option<Rc<dyn Loss>>,
    /// One per class of the first head; none if all weigh the same.
    class_weights: Vec<f64>,
    augmentation: Option<Rc<dyn Augmentation>>,
    start: Option<Known>,
    teachers: Vec<Known>,
    device: Device,
    precision: Precision,
    ranks: Option<Ranks>,
    quiet: bool,
    command: String,
}

/// What to do with a training that was done before, and with the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Load,
    Train,
    /// Rank 0 does all but the computing.
    Follow,
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

    fn start(&self) -> Result<Option<&Trained>> {
        self.start.as_ref().map(known).transpose()
    }

    fn own_ranks(&self) -> Ranks {
        self.ranks.clone().unwrap_or_else(|| Ranks::alone(self.device))
    }

    fn known_teachers(&self) -> Result<Vec<&Trained>> {
        self.teachers.iter().map(known).collect()
    }

    /// Weights from other data that the network, its start or a teacher began with.
    fn pretrained(&self) -> Result<Option<Pretrained>> {
        let known = self.start()?.into_iter().chain(self.known_teachers()?);
        let inherited = known.filter_map(|known| known.card.pretrained.clone()).next();
        Ok(self.net.pretrained().or(inherited))
    }

    fn augmentation_id(&self) -> Option<String> {
        self.augmentation.as_ref().map(|augmentation| augmentation.id())
    }

    fn loss_id(&self) -> String {
        match &self.loss {
            Some(loss) => loss.id(),
            None => self.standard_loss().id(),
        }
    }

    fn standard_loss(&self) -> RecipeLoss {
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
    fn check(&self) -> Result<()> {
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

    /// Loads the network if the same training was done before, pretrained or made here; trains it
    /// otherwise, as [`Training::train`] does.
    ///
    /// # Errors
    /// As [`Training::train`].
    pub fn train_or_load(&self) -> Result<Trained> {
        self.run(Mode::Load)
    }

    /// Trains the network. A training that was interrupted continues after its last whole epoch; one
    /// that was finished before is repeated, and replaced at the end.
    ///
    /// Prints one row per epoch. The kept weights are those of the epoch with the lowest validation
    /// loss; they are saved with their card below `models/runs/`.
    ///
    /// # Errors
    /// A recipe or shape that [`Recipe::check`] or [`NetConfig::check`] refuses, outputs that
    /// are not the task's, a start or teacher that has seen validation or test images, teachers of
    /// another task, teachers without distillation or the other way round, a rank that
    /// is lost, images that can't be decoded, a
    /// loss that is not a number, a folder that can't be written, or the same training running
    /// elsewhere.
    pub fn train(&self) -> Result<Trained> {
        self.run(Mode::Train)
    }

    /// Trains along with rank 0, which alone checks, reports and writes: the training need not have
    /// what only rank 0 knows, such as the weights it starts from.
    ///
    /// # Errors
    /// As [`Training::train`].
    pub fn follow(&self) -> Result<()> {
        self.run(Mode::Follow).map(|_| ())
    }

    /// Whether a network trained so is there, and so will be loaded.
    ///
    /// # Errors
    /// A setting that can't train.
    pub fn is_done(&self) -> Result<bool> {
        self.check()?;
        let key = self.key()?;
        Ok(ModelStore::default().find(|card| card.key == key).is_some())
    }

    fn run(&self, mode: Mode) -> Result<Trained> {
        self.check()?;
        let (task, key, store) = (self.task, self.key()?, ModelStore::default());
        let ranks = self.own_ranks();
        ensure!(
            ranks.first_says(key.clone())? == key || mode == Mode::Follow,
            "rank {} would train another network than rank 0: all ranks need the same command, data and version",
            ranks.number()
        );
        let found = match mode == Mode::Load && ranks.is_first() {
            true => store.find(|card| card.key == key),
            false => None,
        };
        let found = found.map(|found| Trained::open(&found.path, self.device)).transpose()?;
        if let Some(found) = self.shared(&ranks, found)? {
            if !self.quiet && !Live::is_open() {
                say(&format!(
                    "{task}: loaded the network trained on {} with the same settings; train() repeats the training",
                    found.card.date
                ));
                show(task, &found.card.history);
            }
            return Ok(found);
        }
        let folder = store.runs().join(format!("{}-{key}", task.name()));
        // The first rank alone writes.
        let _lock = ranks.is_first().then(|| self.take(&folder)).transpose()?;
        let net = Net::new(self.net.clone(), self.device, self.recipe.seed as i64)?;
        if let Some(start) = self.start()? {
            net.copy_from(&start.net)?;
        } else if let Some(pretrained) = self.net.pretrained() {
            let weights = store.pretrained_weights(&pretrained.name);
            net.load_pretrained(&weights).with_context(|| {
                format!(
                    "cannot load the pretrained weights {}: `make pretrained` downloads them",
                    weights.display()
                )
            })?;
        }
        let on = match ranks.size() {
            1 => hardware(self.device),
            ranks => format!("{}, {ranks} ranks", hardware(self.device)),
        };
        if !Live::is_open() {
            say(&format!(
                "{task}: {} parameters, {} training and {} validation images, on {on}",
                thousands(net.parameters()),
                thousands(self.split.train.len()),
                thousands(self.split.validation.len()),
            ));
        }
        let standard = self.standard_loss();
        let teachers = self.ready_teachers()?;
        let job = self.job(&standard, &teachers, &ranks);
        let mut watch = Watch::new(task, &self.recipe);
        let history = fit(&net, job, &folder, &mut watch)?;
        let (temperatures, validation) = calibrate(&net, job)?;
        let own = self.known_teachers()?;
        let teachers_keys = own.iter().map(|teacher| teacher.card.key.clone()).collect();
        let card = Card {
            key,
            task,
            weights: String::new(),
            weights_sha256: String::new(),
            parameters: net.parameters(),
            net: self.net.clone(),
            recipe: self.recipe.clone(),
            loss: self.loss_id(),
            augmentation: self.augmentation_id(),
            version: VERSION,
            start: self.start()?.map(|start| start.card.key.clone()),
            pretrained: self.pretrained()?,
            teachers: teachers_keys,
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
            minutes: history.seconds() / 60.0
                + self.start()?.map_or(0.0, |start| start.card.minutes),
            history,
            hardware: on,
            precision: match net.kind(job.kind) {
                Kind::BFloat16 => "bf16".to_owned(),
                _ => "f32".to_owned(),
            },
            date: today(),
            command: self.command.clone(),
        };
        let path = folder.join("card.json");
        let mut trained = Trained { net, card, loaded: false, path: path.clone() };
        if !ranks.is_first() {
            return Ok(trained);
        }
        let contents = match self.split.protocol {
            Some(_) => None,
            None => Some(self.split.contents(&self.faces)?),
        };
        trained.save_with(&path, contents.as_ref())?;
        checkpoint::remove(&folder)?;
        Ok(trained)
    }

    fn ready_teachers(&self) -> Result<Vec<Teacher>> {
        let kind = self.precision.training(self.device);
        self.known_teachers()?
            .into_iter()
            .map(|own| Teacher::new(&own.net, self.task, &own.card.temperatures, kind))
            .collect()
    }

    fn job<'b>(
        &'b self,
        standard: &'b RecipeLoss,
        teachers: &'b [Teacher],
        ranks: &'b Ranks,
    ) -> Job<'b> {
        Job {
            faces: &self.faces,
            train: &self.split.train,
            validation: &self.split.validation,
            task: self.task,
            recipe: &self.recipe,
            loss: self.loss.as_deref().unwrap_or(standard),
            augmentation: self.augmentation.as_deref(),
            teachers,
            kind: self.precision.training(self.device),
            ranks,
        }
    }

    /// The folder of this training, locked for as long as what is returned lives.
    fn take(&self, folder: &Path) -> Result<File> {
        std::fs::create_dir_all(folder).with_context(|| {
            format!("cannot create {}: set ROR_MODELS to a writable folder", folder.display())
        })?;
        let lock = open_lock(&folder.join("lock"))
            .with_context(|| format!("cannot open the lock in {}", folder.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "the same training is running in another notebook or program: {}",
                folder.display()
            ),
            Err(TryLockError::Error(error)) => say(&format!(
                "note: {} is on a file system without locks ({error}): don't run the same training \
                 twice at the same time, or set ROR_MODELS to a folder on a local disk",
                escape::path(folder)
            )),
        }
        remove_half_written(folder);
        Ok(lock)
    }

    /// The network that the first rank has found, on all.
    fn shared(&self, ranks: &Ranks, found: Option<Trained>) -> Result<Option<Trained>> {
        let about = found.as_ref().map(|found| (found.card.clone(), found.path.clone()));
        let Some((card, path)) = ranks.first_says(about)? else {
            return Ok(None);
        };
        let trained = match found {
            Some(found) => found,
            None => {
                let net = Net::new(card.net.clone(), self.device, 0)?;
                Trained { net, card, loaded: true, path }
            }
        };
        for mut variable in trained.net.variables().into_values() {
            ranks.follow(&mut variable)?;
        }
        Ok(Some(trained))
    }

    /// Seconds that each of `steps` training steps takes on this machine, after three that warm
    /// up: what a training will take, before it is begun. Nothing is kept of them.
    ///
    /// # Errors
    /// A setting that can't train (its range is named), or images that can't be decoded.
    pub fn time_steps(&self, steps: usize) -> Result<Vec<f64>> {
        self.check()?;
        let net = Net::new(self.net.clone(), self.device, self.recipe.seed as i64)?;
        let (standard, teachers) = (self.standard_loss(), self.ready_teachers()?);
        let ranks = self.own_ranks();
        time_steps(&net, self.job(&standard, &teachers, &ranks), steps)
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
