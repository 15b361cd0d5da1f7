//! The training loop.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tch::{Device, Kind, Tensor, no_grad};

use super::augment::{augment, mixup};
use super::log::Log;
use super::optimiser::Optimiser;
use super::run::{self, Card, Data, Trained};
use super::targets::Targets;
use super::{Epoch, History, Recipe, checkpoint};
use crate::Task;
use crate::dataset::{Faces, Label, Protocol, Split};
use crate::device::{device, hardware, today, training_kind};
use crate::evaluate::{Answers, Evaluation, estimates, fit_temperatures, logits_of};
use crate::model::{Net, NetConfig};
use crate::progress::{Progress, say, thousands};
use crate::threads::keep_memory;

/// A training to be run: a net's shape and a recipe over a split, with defaults that suit the
/// data.
///
/// A net already trained so, shipped or made here, is loaded instead; a training that was
/// interrupted goes on from its last whole epoch.
///
/// ```no_run
/// use ror::prelude::*;
///
/// # fn main() -> anyhow::Result<()> {
/// let faces = Faces::open()?;
/// let split = faces.split(faces.records(), &faces.plan(Task::Gender))?;
/// let gender = Training::new(&faces, &split).run()?;
/// let wide = Training::new(&faces, &split).epochs(5).learning_rate(1e-3).retrain(true).run()?;
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
    start: Option<&'a Trained>,
    device: Device,
    retrain: bool,
    quiet: bool,
    command: String,
}

impl<'a> Training<'a> {
    /// A training with [`Recipe::suited`]; on drawings of a small net.
    pub fn new(faces: &'a Faces, split: &'a Split) -> Self {
        Self {
            faces,
            split,
            task: split.task(),
            net: NetConfig::suited(split.task(), faces.is_synthetic()),
            recipe: Recipe::suited(split.task(), faces),
            start: None,
            device: device(),
            retrain: false,
            quiet: false,
            command: "Training::new(&faces, &split).run()".to_owned(),
        }
    }

    /// Another task than the split's, with the shape and recipe that suit it.
    pub fn task(self, task: Task) -> Self {
        Self {
            task,
            net: NetConfig::suited(task, self.faces.is_synthetic()),
            recipe: Recipe::suited(task, self.faces),
            ..self
        }
    }

    /// Another shape of the net.
    pub fn net(self, net: NetConfig) -> Self {
        Self { net, ..self }
    }

    /// The step of the pooling behind the stem: 1 keeps the picture's size, 2 halves it.
    pub fn pool(self, pool: i64) -> Self {
        Self {
            net: NetConfig {
                pool,
                ..self.net.clone()
            },
            ..self
        }
    }

    /// Another recipe.
    pub fn recipe(self, recipe: Recipe) -> Self {
        Self { recipe, ..self }
    }

    /// Passes over the training pictures, at most.
    pub fn epochs(self, epochs: usize) -> Self {
        Self {
            recipe: Recipe {
                epochs,
                ..self.recipe.clone()
            },
            ..self
        }
    }

    /// Pictures a step.
    pub fn batch(self, batch: usize) -> Self {
        Self {
            recipe: Recipe {
                batch,
                ..self.recipe.clone()
            },
            ..self
        }
    }

    /// The (highest) learning rate.
    pub fn learning_rate(self, learning_rate: f64) -> Self {
        Self {
            recipe: Recipe {
                learning_rate,
                ..self.recipe.clone()
            },
            ..self
        }
    }

    /// Starts from the weights of a trained net instead of random ones (the head apart): as
    /// arXiv 1710.02985 starts its age nets from gender nets.
    pub fn start_from(self, start: &'a Trained) -> Self {
        Self {
            start: Some(start),
            ..self
        }
    }

    /// Whether to train even where a net trained so is there. A training that was interrupted
    /// goes on all the same.
    pub fn retrain(self, retrain: bool) -> Self {
        Self { retrain, ..self }
    }

    /// Loads without a word; training is always reported.
    pub(crate) fn quiet(self) -> Self {
        Self {
            quiet: true,
            ..self
        }
    }

    /// The device to train on; by default a GPU where there is one.
    pub fn device(self, device: Device) -> Self {
        Self { device, ..self }
    }

    /// How to name this training on its card: a command that repeats it.
    pub fn command(self, command: &str) -> Self {
        Self {
            command: command.to_owned(),
            ..self
        }
    }

    /// Trains the net, or loads it where it has been trained before.
    ///
    /// Prints one row an epoch. The kept weights are those of the epoch with the lowest
    /// validation loss; they are saved with their card below `models/runs/`.
    ///
    /// # Errors
    /// A recipe or shape that [`Recipe::check`] or [`NetConfig::check`] refuses, outputs that
    /// are not the task's, pictures that can't be decoded, a loss that is not a number, a
    /// folder that can't be written, or the same training running elsewhere.
    pub fn run(&self) -> Result<Trained> {
        let task = self.task;
        self.recipe.check()?;
        self.net.check()?;
        ensure!(
            self.net.outputs == task.outputs(),
            "a net of {} outputs for {task}, which needs {}",
            self.net.outputs,
            task.outputs()
        );
        let start = self.start.map(|start| start.card.key.clone());
        if let Some(start) = self.start {
            start.check_unseen(self.faces, &self.split.test)?;
        }
        let key = run::key(
            task,
            &self.net,
            &self.recipe,
            start.as_deref(),
            self.faces,
            self.split,
        )?;
        if !self.retrain
            && let Some(found) = run::find(self.device, |card| card.key == key)?
        {
            if !self.quiet {
                say(&format!(
                    "{task}: loaded the net trained on {} with this very setting; retrain(true) trains it anew",
                    found.card.date
                ));
            }
            return Ok(found);
        }
        let folder = run::runs().join(format!("{}-{key}", task.name()));
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
        let (net, history) = self.fit(&folder)?;
        let (logits, labels) = self.validate(&net, Kind::Float, self.net.input)?;
        let temperatures = fit_temperatures(task, &logits, &labels)?;
        let validation = estimates(task, &temperatures, &logits)?
            .into_iter()
            .map(|estimate| Answers::new(estimate, labels.clone()))
            .collect();
        let mut trained = Trained {
            card: Card {
                key,
                task,
                weights: String::new(),
                weights_sha256: String::new(),
                parameters: net.parameters(),
                net: self.net.clone(),
                recipe: self.recipe.clone(),
                start,
                data: Data {
                    synthetic: self.faces.is_synthetic(),
                    pictures: self.faces.len(),
                    fingerprint: self.faces.fingerprint().to_owned(),
                },
                protocol: Protocol::of_fingerprint(self.faces, task, &self.split.fingerprint)?
                    .map(|(protocol, _)| protocol),
                plan: self.split.plan.clone(),
                split: self.split.fingerprint.clone(),
                temperatures,
                validation: Evaluation::of(validation).metrics(),
                tests: vec![],
                minutes: history.seconds() / 60.0
                    + self.start.map_or(0.0, |start| start.card.minutes),
                history,
                hardware: hardware(self.device),
                precision: if training_kind(self.device) == Kind::BFloat16 {
                    "bf16"
                } else {
                    "f32"
                }
                .to_owned(),
                date: today(),
                command: self.command.clone(),
            },
            net,
            loaded: false,
        };
        trained.save(&folder.join("card.json"), false)?;
        checkpoint::remove(&folder)?;
        Ok(trained)
    }

    /// Seconds that each of `steps` training steps takes on this machine, after three that warm
    /// up: what a training will take, before it is begun. Nothing is kept of them.
    ///
    /// # Errors
    /// As [`Training::run`].
    pub fn time_steps(&self, steps: usize) -> Result<Vec<f64>> {
        self.recipe.check()?;
        let net = Net::new(&self.net, self.device, self.recipe.seed as i64)?;
        let mut optimiser = Optimiser::new(&net)?;
        let batches = Batches::new(self, &net, self.net.input)?;
        let n = self.split.train.len();
        let batch = self.recipe.batch.min(n) as i64;
        let order = Tensor::f_arange(n as i64, (Kind::Int64, self.device))?;
        let finish = || {
            if let Device::Cuda(number) = self.device {
                tch::Cuda::synchronize(number as i64);
            }
        };
        let mut seconds = vec![];
        for step in 0..steps as i64 + 3 {
            let chosen = order.f_narrow(0, step % (n as i64 / batch) * batch, batch)?;
            finish();
            let start = Instant::now();
            let _ = batches.step(&mut optimiser, &chosen, self.recipe.learning_rate)?;
            finish();
            seconds.push(start.elapsed().as_secs_f64());
        }
        Ok(seconds.split_off(3))
    }

    /// Logits on the validation part, and its labels.
    fn validate(&self, net: &Net, kind: Kind, size: u32) -> Result<(Tensor, Vec<Label>)> {
        let part = &self.split.validation;
        Ok((
            logits_of(kind, net, self.faces, part, size)?,
            self.faces.labels(part)?,
        ))
    }

    fn fit(&self, folder: &Path) -> Result<(Net, History)> {
        let task = self.task;
        let net = Net::new(&self.net, self.device, self.recipe.seed as i64)?;
        if let Some(start) = self.start {
            net.take_over(&start.net)?;
        }
        let mut optimiser = Optimiser::new(&net)?;
        let mut history = checkpoint::load(folder, &mut optimiser)?;
        if let Some(last) = history.epochs.last() {
            say(&format!(
                "{task}: going on after epoch {} of an interrupted training",
                last.epoch
            ));
        } else {
            say(&format!(
                "{task}: {} parameters, {} train and {} validation pictures, on {}",
                thousands(net.parameters()),
                thousands(self.split.train.len()),
                thousands(self.split.validation.len()),
                hardware(self.device)
            ));
        }
        let mut log = Log::new(folder, &history)?;
        let mut batches: Option<Batches> = None;
        say(Epoch::HEADING);
        let row_of = |epoch: &Epoch, history: &History| {
            say(&epoch.row(history.best().is_some_and(|best| best.epoch == epoch.epoch)));
        };
        for done in 1..=history.epochs.len() {
            let so_far = History {
                epochs: history.epochs[..done].to_vec(),
            };
            row_of(&so_far.epochs[done - 1], &so_far);
        }
        while !self.is_over(&history) {
            let start = Instant::now();
            let number = history.epochs.len() + 1;
            let size = self.recipe.size(number, self.net.input);
            let batches = match &mut batches {
                Some(batches) if batches.size == size => batches,
                other => other.insert(Batches::new(self, &net, size)?),
            };
            let mut epoch = batches.epoch(&mut optimiser, number)?;
            epoch.size = size;
            let (logits, labels) =
                optimiser.with_average(|| self.validate(&net, batches.kind, size))?;
            for (i, estimate) in estimates(task, &[], &logits)?.into_iter().enumerate() {
                let answers = Answers::new(estimate, labels.clone());
                epoch.validation_loss += answers.loss();
                epoch.validation_mae = epoch.validation_mae.or(answers.mae());
                if i == 0 {
                    epoch.validation_accuracy = answers.accuracy();
                }
            }
            epoch.seconds = start.elapsed().as_secs_f64();
            ensure!(
                epoch.train_loss.is_finite() && epoch.validation_loss.is_finite(),
                "the loss is not a number after epoch {}: try a lower learning rate than {}",
                epoch.epoch,
                self.recipe.learning_rate
            );
            history.epochs.push(epoch);
            let (Some(last), Some(best)) = (history.epochs.last(), history.best()) else {
                break;
            };
            if best.epoch == last.epoch {
                optimiser.state.keep_best()?;
            }
            row_of(last, &history);
            checkpoint::save(folder, &mut optimiser, &history)?;
            log.add(&history)?;
        }
        optimiser.state.put_best()?;
        Ok((net, history))
    }

    fn is_over(&self, history: &History) -> bool {
        let done = history.epochs.len();
        if done
            >= self
                .recipe
                .stop
                .unwrap_or(usize::MAX)
                .min(self.recipe.epochs)
        {
            return true;
        }
        match (self.recipe.patience, history.best()) {
            (Some(patience), Some(best)) => done >= best.epoch + patience,
            _ => false,
        }
    }
}

/// The pictures of one size and the training targets, on the device.
struct Batches<'a> {
    training: &'a Training<'a>,
    net: &'a Net,
    size: u32,
    /// On the CPU, those of the whole set, shared; on a GPU, those to train on.
    pictures: Tensor,
    /// Where in `pictures` each training picture is.
    rows: Tensor,
    targets: Targets,
    kind: Kind,
}

impl<'a> Batches<'a> {
    fn new(training: &'a Training<'a>, net: &'a Net, size: u32) -> Result<Self> {
        let Training {
            faces,
            split,
            recipe,
            device,
            ..
        } = training;
        keep_memory();
        let indices: Vec<i64> = split.train.iter().map(|i| *i as i64).collect();
        let rows = Tensor::f_from_slice(&indices)?;
        let all = faces.pictures(size)?.tensor;
        let (pictures, rows) = if device.is_cuda() {
            let n = indices.len() as i64;
            (
                all.f_index_select(0, &rows)?.f_to_device(*device)?,
                Tensor::f_arange(n, (Kind::Int64, *device))?,
            )
        } else {
            (all, rows)
        };
        Ok(Self {
            training,
            net,
            size,
            pictures,
            rows,
            targets: Targets::new(training.task, &faces.labels(&split.train)?, recipe, *device)?,
            kind: training_kind(*device),
        })
    }

    fn epoch(&self, optimiser: &mut Optimiser, number: usize) -> Result<Epoch> {
        let Training {
            recipe,
            split,
            device,
            ..
        } = self.training;
        let n = split.train.len();
        let batch = recipe.batch.min(n);
        let each = (n / batch) as i64;
        let steps = each * recipe.epochs as i64;
        // Every epoch has its own seed, so that one resumed is the one that was interrupted.
        tch::manual_seed(
            (recipe.seed as i64)
                .wrapping_mul(1_000_003)
                .wrapping_add(number as i64),
        );
        let order =
            Tensor::f_randperm(n as i64, (Kind::Int64, Device::Cpu))?.f_to_device(*device)?;
        let progress = Progress::after(20, &format!("epoch {number}, step"), each as usize);
        let mut loss_sum = Tensor::f_zeros([], (Kind::Float, *device))?;
        let mut right = Tensor::f_zeros([], (Kind::Int64, *device))?;
        let mut rate = 0.0;
        for step in 0..each {
            let chosen = order.f_narrow(0, step * batch as i64, batch as i64)?;
            rate = recipe.rate(optimiser.steps, steps);
            let (loss, found) = self.step(optimiser, &chosen, rate)?;
            let _ = loss_sum.f_add_(&loss)?;
            let _ = right.f_add_(&found)?;
            progress.step();
        }
        Ok(Epoch {
            epoch: number,
            train_loss: f64::try_from(&loss_sum)? / each as f64,
            train_accuracy: i64::try_from(&right)? as f64 / (each * batch as i64) as f64,
            learning_rate: rate,
            ..Epoch::default()
        })
    }

    /// One step on the chosen training pictures: the loss before it, and how many of them the
    /// first head answered right.
    fn step(
        &self,
        optimiser: &mut Optimiser,
        chosen: &Tensor,
        rate: f64,
    ) -> Result<(Tensor, Tensor)> {
        let recipe = &self.training.recipe;
        let pictures = self
            .pictures
            .f_index_select(0, &self.rows.f_index_select(0, chosen)?)?;
        let mut targets = self.targets.of(chosen)?;
        let mut x = self.net.normalise(&pictures, Kind::Float)?;
        if recipe.augment {
            x = augment(&x)?;
        }
        if recipe.mixup > 0.0 {
            x = mixup(&x, recipe.mixup, &mut targets)?;
        }
        let logits = self
            .net
            .forward(&x.f_to_kind(self.kind)?, true, &mut |_, _| Ok(()))?;
        let loss = targets.loss(&logits, recipe)?;
        optimiser.step(&loss, rate, recipe)?;
        no_grad(|| Ok((loss.f_detach()?, targets.right(&logits)?)))
    }
}
