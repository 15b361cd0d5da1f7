//! The training loop.

use std::fs::File;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tch::{Device, Kind, Reduction, Tensor, no_grad};

use super::augment::augment;
use super::optimiser::Optimiser;
use super::run::{self, Card, Data, Trained};
use super::{Epoch, History, Recipe, checkpoint};
use crate::Task;
use crate::dataset::{Faces, Split};
use crate::device::{device, hardware, today, training_kind};
use crate::evaluate::{Metrics, answers, answers_in};
use crate::files;
use crate::model::{Net, NetConfig};
use crate::progress::{Progress, say, thousands};

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
        let task = split.task();
        let net = if faces.is_synthetic() {
            NetConfig::small(task.outputs())
        } else {
            NetConfig::ror(task.outputs())
        };
        Self {
            faces,
            split,
            net,
            recipe: Recipe::suited(task, faces),
            start: None,
            device: device(),
            retrain: false,
            quiet: false,
            command: "Training::new(&faces, &split).run()".to_owned(),
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
        let task = self.split.task();
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
            &self.net,
            &self.recipe,
            start.as_deref(),
            self.faces,
            self.split,
        )?;
        if !self.retrain
            && let Some(found) = run::find_key(&key, self.device)?
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
        let validation = answers(&net, task, self.faces, &self.split.validation)?;
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
                plan: self.split.plan.clone(),
                split: self.split.fingerprint.clone(),
                validation: Metrics::of(&validation),
                test: None,
                minutes: history.seconds() / 60.0,
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
        trained.save(&folder.join("card.json"))?;
        checkpoint::remove(&folder)?;
        Ok(trained)
    }

    fn fit(&self, folder: &std::path::Path) -> Result<(Net, History)> {
        let task = self.split.task();
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
        let batches = Batches::new(self, &net)?;
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
        while history.epochs.len() < self.recipe.epochs && !self.out_of_patience(&history) {
            let start = Instant::now();
            let mut epoch = batches.epoch(&net, &mut optimiser, history.epochs.len() + 1)?;
            let validation = optimiser.with_average(|| {
                answers_in(batches.kind, &net, task, self.faces, &self.split.validation)
            })?;
            epoch.validation_loss = validation.loss();
            epoch.validation_accuracy = validation.accuracy();
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
        }
        optimiser.state.put_best()?;
        write_history(&folder.join("history.csv"), &history)?;
        Ok((net, history))
    }

    fn out_of_patience(&self, history: &History) -> bool {
        match (self.recipe.patience, history.best()) {
            (Some(patience), Some(best)) => history.epochs.len() >= best.epoch + patience,
            _ => false,
        }
    }
}

/// The training pictures and their targets, on the device.
struct Batches<'a> {
    training: &'a Training<'a>,
    pictures: Tensor,
    targets: Tensor,
    classes: Tensor,
    kind: Kind,
}

impl<'a> Batches<'a> {
    fn new(training: &'a Training<'a>, net: &Net) -> Result<Self> {
        let Training {
            faces,
            split,
            recipe,
            device,
            ..
        } = training;
        let indices: Vec<i64> = split.train.iter().map(|i| *i as i64).collect();
        let all = faces.pictures(net.config().input)?.tensor;
        let pictures = all
            .f_index_select(0, &Tensor::f_from_slice(&indices)?)?
            .f_to_device(*device)?;
        let task = split.task();
        let mut targets: Vec<f32> = vec![];
        let mut classes: Vec<i64> = vec![];
        for index in &split.train {
            let label = faces.record(*index)?.label;
            let class = task.class_of(&label);
            classes.push(class as i64);
            targets.extend(target(task, class, label.age, recipe));
        }
        let n = split.train.len() as i64;
        Ok(Self {
            training,
            pictures,
            targets: Tensor::f_from_slice(&targets)?
                .f_view([n, task.outputs()])?
                .f_to_device(*device)?,
            classes: Tensor::f_from_slice(&classes)?.f_to_device(*device)?,
            kind: training_kind(*device),
        })
    }

    fn epoch(&self, net: &Net, optimiser: &mut Optimiser, number: usize) -> Result<Epoch> {
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
            let mut x = net.normalise(&self.pictures.f_index_select(0, &chosen)?, Kind::Float)?;
            if recipe.augment {
                x = augment(&x)?;
            }
            let logits = net.forward(&x.f_to_kind(self.kind)?, true, &mut |_, _| Ok(()))?;
            let target = self.targets.f_index_select(0, &chosen)?;
            let loss = match split.task() {
                Task::Gender => logits.f_binary_cross_entropy_with_logits::<Tensor>(
                    &target,
                    None,
                    None,
                    Reduction::Mean,
                )?,
                Task::AgeGroup { .. } => {
                    -(logits
                        .f_log_softmax(1, Kind::Float)?
                        .f_mul(&target)?
                        .f_sum(Kind::Float)?
                        .f_div_scalar(batch as i64)?)
                }
            };
            rate = recipe.rate(optimiser.steps, steps);
            optimiser.step(&loss, rate, recipe)?;
            no_grad(|| -> Result<()> {
                let _ = loss_sum.f_add_(&loss)?;
                let answer = match split.task() {
                    Task::Gender => logits.f_squeeze_dim(1)?.f_gt(0.0)?.f_to_kind(Kind::Int64)?,
                    Task::AgeGroup { .. } => logits.f_argmax(1, false)?,
                };
                let hits = answer.f_eq_tensor(&self.classes.f_index_select(0, &chosen)?)?;
                let _ = right.f_add_(&hits.f_sum(Kind::Int64)?)?;
                Ok(())
            })?;
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
}

/// What the outputs should be for one picture: a probability, or one a group.
fn target(task: Task, class: usize, age: u32, recipe: &Recipe) -> Vec<f32> {
    match task {
        Task::Gender => {
            let smooth = recipe.label_smoothing as f32;
            vec![class as f32 * (1.0 - smooth) + smooth / 2.0]
        }
        Task::AgeGroup { gap } => {
            let groups = task.outputs() as usize;
            if recipe.age_sigma == 0.0 {
                return (0..groups)
                    .map(|g| if g == class { 1.0 } else { 0.0 })
                    .collect();
            }
            // The share of a normal distribution around the age below the end of each group.
            let below = |group: usize| match group {
                0 => 0.0,
                g if g == groups => 1.0,
                g => normal_below(
                    (f64::from(gap) * g as f64 + 0.5 - f64::from(age)) / recipe.age_sigma,
                ),
            };
            (0..groups)
                .map(|g| (below(g + 1) - below(g)) as f32)
                .collect()
        }
    }
}

/// The standard normal distribution function, to within 2e-7 (Abramowitz and Stegun, 7.1.26
/// has 1.5e-7 for erf).
fn normal_below(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let terms = [
        0.254_829_592,
        -0.284_496_736,
        1.421_413_741,
        -1.453_152_027,
        1.061_405_429,
    ];
    let erf = 1.0 - terms.iter().rev().fold(0.0, |sum, a| (sum + a) * t) * (-x * x).exp();
    if z < 0.0 {
        (1.0 - erf) / 2.0
    } else {
        (1.0 + erf) / 2.0
    }
}

fn write_history(path: &std::path::Path, history: &History) -> Result<()> {
    files::write_with(path, |file| {
        writeln!(
            file,
            "epoch,train_loss,train_accuracy,validation_loss,validation_accuracy,learning_rate,seconds"
        )?;
        for e in &history.epochs {
            writeln!(
                file,
                "{},{},{},{},{},{},{:.1}",
                e.epoch,
                e.train_loss,
                e.train_accuracy,
                e.validation_loss,
                e.validation_accuracy,
                e.learning_rate,
                e.seconds
            )?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_distributions_around_the_truth() {
        let recipe = Recipe {
            age_sigma: 2.0,
            label_smoothing: 0.1,
            ..Recipe::report(Task::Gender)
        };
        for age in [0, 1, 5, 6, 13, 33, 58, 60, 100] {
            let task = Task::age();
            let target = target(task, task.group_of(age), age, &recipe);
            assert!((target.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            let top = target.iter().copied().fold(0.0, f32::max);
            assert_eq!(target[task.group_of(age)], top, "age {age}");
        }
        assert_eq!(target(Task::Gender, 1, 30, &recipe), [0.95]);
        assert_eq!(target(Task::Gender, 0, 30, &recipe), [0.05]);
        assert!(
            (normal_below(1.96) - 0.975_002).abs() < 1e-6
                && (normal_below(-1.0) - 0.158_655).abs() < 1e-6
        );
    }
}
