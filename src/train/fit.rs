//! The training loop, from first batch to best weights.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use tch::{Device, Kind, Tensor, no_grad};

use super::adamw::AdamW;
use super::average;
use super::batches::Batches;
use super::log::Log;
use super::mixup::mixup;
use super::watch::{Steps, Watch};
use super::weights::{FlatNet, Weights};
use super::{Augmentation, Epoch, History, Loss, Recipe, checkpoint, early_stopping};
use crate::Task;
use crate::data::{Faces, Split};
use crate::metrics::{LabelledPredictions, Predictions};
use crate::model::{Net, logits_of};
use crate::support::device::training_kind;
use crate::support::progress::say;

/// Everything a training is made of but the net.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fit<'a> {
    pub(crate) faces: &'a Faces,
    pub(crate) split: &'a Split,
    pub(crate) task: Task,
    pub(crate) recipe: &'a Recipe,
    pub(crate) loss: &'a dyn Loss,
    /// Applied after the recipe's own.
    pub(crate) augmentation: Option<&'a dyn Augmentation>,
    /// What teachers predict for the training pictures: f32 `[n, outputs]`, on the CPU.
    pub(crate) taught: Option<&'a Tensor>,
}

/// All numbers of a training: what a checkpoint holds.
#[derive(Debug)]
pub(super) struct State {
    net: FlatNet,
    pub(super) adamw: AdamW,
    /// The running average of the net's weights.
    average: Weights,
    /// The average at the best epoch.
    best: Weights,
}

impl State {
    pub(super) fn new(net: &Net) -> Result<Self> {
        let net = FlatNet::new(net)?;
        Ok(Self {
            adamw: AdamW::new(&net.weights.parameters)?,
            average: net.weights.copied()?,
            best: net.weights.copied()?,
            net,
        })
    }

    /// The tensors by the names they have in a checkpoint.
    pub(super) fn named(&mut self) -> [(&'static str, &mut Tensor); 8] {
        [
            ("weights", &mut self.net.weights.parameters),
            ("statistics", &mut self.net.weights.statistics),
            ("first_moment", &mut self.adamw.first_moment),
            ("second_moment", &mut self.adamw.second_moment),
            ("average", &mut self.average.parameters),
            ("average_statistics", &mut self.average.statistics),
            ("best", &mut self.best.parameters),
            ("best_statistics", &mut self.best.statistics),
        ]
    }

    /// Runs `f` while the net has the averaged weights.
    fn with_average<T>(&mut self, f: impl FnOnce() -> Result<T>) -> Result<T> {
        let own = self.net.weights.copied()?;
        self.net.weights.copy_from(&self.average)?;
        let result = f();
        self.net.weights.copy_from(&own)?;
        result
    }
}

/// Trains a net, going on from the checkpoint in `folder` where there is one. The net ends with
/// the averaged weights of the epoch with the lowest validation loss.
///
/// # Errors
/// Pictures that can't be decoded, a loss that is not a number, or a folder that can't be
/// written.
pub(crate) fn fit(net: &Net, fit: Fit, folder: &Path) -> Result<History> {
    let Fit { faces, split, recipe, .. } = fit;
    let mut state = State::new(net)?;
    let mut history = checkpoint::load(folder, &mut state)?;
    if let Some(last) = history.epochs.last() {
        say(&format!("going on after epoch {} of an interrupted training", last.epoch));
    }
    let mut log = Log::new(folder, &history)?;
    let mut batches: Option<Batches> = None;
    let epochs = recipe.stop.map_or(recipe.epochs, |stop| stop.min(recipe.epochs));
    let mut watch = Watch::new(fit.task, epochs, &history);
    while !early_stopping::is_over(recipe, &history) {
        let start = Instant::now();
        let number = history.epochs.len() + 1;
        let size = recipe.size(number, net.config().input());
        let batches = match batches.take() {
            Some(same) if same.size == size => batches.insert(same),
            _ => batches.insert(Batches::new(
                faces,
                &split.train,
                fit.task,
                fit.taught,
                recipe,
                size,
                net.device(),
            )?),
        };
        // Every epoch has its own seed, so that one resumed is the one that was interrupted.
        let seed = (recipe.seed as i64).wrapping_mul(1_000_003);
        tch::manual_seed(seed.wrapping_add(number as i64));
        let kind = net.kind(training_kind(net.device()));
        let steps = watch.steps(number, batches.len() as usize);
        let mut epoch = train_epoch(net, fit, &mut state, batches, steps)
            .and_then(|mut epoch| {
                state.with_average(|| validate(net, fit, kind, &mut epoch))?;
                Ok(Epoch { epoch: number, ..epoch })
            })
            .map_err(|error| watch.explained(error, &history))?;
        epoch.seconds = start.elapsed().as_secs_f64();
        ensure!(
            epoch.train_loss.is_finite() && epoch.validation_loss.is_finite(),
            "the loss is not a number after epoch {number}: try a lower learning rate than {}",
            recipe.learning_rate
        );
        history.epochs.push(epoch);
        if history.best().is_some_and(|best| best.epoch == number) {
            state.best.copy_from(&state.average)?;
        }
        watch.epoch(&history);
        checkpoint::save(folder, &mut state, &history)?;
        log.add(&history)?;
    }
    state.net.weights.copy_from(&state.best)?;
    Ok(history)
}

/// One pass over the training pictures.
fn train_epoch(
    net: &Net,
    fit: Fit,
    state: &mut State,
    batches: &Batches,
    mut watched: Steps,
) -> Result<Epoch> {
    let steps = batches.len() * fit.recipe.epochs as i64;
    let mut loss_sum = Tensor::f_zeros([], (Kind::Float, net.device()))?;
    let mut right_sum = Tensor::f_zeros([], (Kind::Int64, net.device()))?;
    let mut rate = 0.0;
    for chosen in batches.shuffled()? {
        rate = fit.recipe.rate(state.adamw.steps, steps);
        let (loss, right) = train_step(net, fit, state, batches, &chosen, rate)?;
        let _ = loss_sum.f_add_(&loss)?;
        let _ = right_sum.f_add_(&right)?;
        watched.step(|| Ok(loss_sum.f_double_value(&[])?))?;
    }
    Ok(Epoch {
        size: batches.size,
        train_loss: loss_sum.f_double_value(&[])? / batches.len() as f64,
        train_accuracy: right_sum.f_int64_value(&[])? as f64
            / (batches.len() * batches.batch()) as f64,
        learning_rate: rate,
        ..Epoch::default()
    })
}

/// One step: the loss before it, and for how many pictures the first head was right.
fn train_step(
    net: &Net,
    fit: Fit,
    state: &mut State,
    batches: &Batches,
    chosen: &Tensor,
    rate: f64,
) -> Result<(Tensor, Tensor)> {
    let recipe = fit.recipe;
    let (pictures, mut targets) = batches.get(chosen)?;
    let mut x = recipe.augment.apply(&net.normalise(&pictures, Kind::Float)?)?;
    if let Some(own) = fit.augmentation {
        x = own.apply(&x)?;
    }
    if recipe.mixup > 0.0 {
        x = mixup(&x, recipe.mixup, &mut targets)?;
    }
    let x = x.f_to_kind(net.kind(training_kind(net.device())))?;
    let logits = net.forward(&x, true, &mut |_, _| Ok(()))?;
    let loss = fit.loss.of(&logits, &targets)?;
    let gradient = state.net.gradient(&loss)?;
    let FlatNet { weights, decayed, .. } = &mut state.net;
    let decay = recipe.weight_decay;
    state.adamw.step(&mut weights.parameters, &gradient, rate, decay, *decayed)?;
    let share = average::share(recipe.ema, state.adamw.steps);
    state.average.move_towards(weights, share)?;
    no_grad(|| Ok((loss.f_detach()?, targets.right(&logits)?)))
}

/// Puts loss, accuracy and error on the validation part into an epoch.
fn validate(net: &Net, fit: Fit, kind: Kind, epoch: &mut Epoch) -> Result<()> {
    let part = &fit.split.validation;
    let labels = fit.faces.labels(part)?;
    let logits = logits_of(net, kind, fit.faces, part, epoch.size)?;
    let heads = Predictions::from_logits(fit.task, &[], &logits)?;
    for (i, head) in heads.into_iter().enumerate() {
        let labelled = LabelledPredictions::new(head, labels.clone());
        epoch.validation_loss += labelled.loss();
        epoch.validation_mae = epoch.validation_mae.or(labelled.mae());
        if i == 0 {
            epoch.validation_accuracy = labelled.accuracy();
        }
    }
    Ok(())
}

/// Seconds that each of `steps` training steps takes on this machine, after three that warm up.
pub(crate) fn time_steps(net: &Net, fit: Fit, steps: usize) -> Result<Vec<f64>> {
    let mut state = State::new(net)?;
    let size = net.config().input();
    let batches = Batches::new(
        fit.faces,
        &fit.split.train,
        fit.task,
        fit.taught,
        fit.recipe,
        size,
        net.device(),
    )?;
    let finish = || {
        if let Device::Cuda(number) = net.device() {
            tch::Cuda::synchronize(number as i64);
        }
    };
    let order = batches.shuffled()?;
    let mut seconds = vec![];
    for chosen in order.iter().cycle().take(steps + 3) {
        finish();
        let start = Instant::now();
        let rate = fit.recipe.learning_rate;
        let _ = train_step(net, fit, &mut state, &batches, chosen, rate)?;
        finish();
        seconds.push(start.elapsed().as_secs_f64());
    }
    Ok(seconds.split_off(3.min(seconds.len())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SplitSizes;
    use crate::model::RorConfig;
    use crate::train::RecipeLoss;
    use tempfile::TempDir;

    const TASK: Task = Task::Both;

    fn pictures() -> (Faces, Split) {
        let faces = Faces::synthetic(120, 1).unwrap();
        let sizes = SplitSizes { train: 64, validation: 24, test: None, seed: 0 };
        let split = faces.split(faces.records(), &sizes).unwrap();
        (faces, split)
    }

    fn train(recipe: &Recipe, folder: &Path) -> (Net, History) {
        let (faces, split) = pictures();
        let config = RorConfig {
            widths: [8, 8, 16, 16],
            dense: 16,
            survival: 0.8,
            ..RorConfig::small(TASK.outputs())
        };
        let net = Net::new(config, Device::Cpu, recipe.seed as i64).unwrap();
        let loss = RecipeLoss::new(TASK, recipe);
        let (faces, split) = (&faces, &split);
        let all =
            Fit { faces, split, task: TASK, recipe, loss: &loss, augmentation: None, taught: None };
        let history = fit(&net, all, folder).unwrap();
        (net, history)
    }

    fn recipe(epochs: usize) -> Recipe {
        Recipe { batch: 16, epochs, mixup: 0.2, expectation: 0.1, ..Recipe::shipped(Task::Both) }
    }

    /// On one thread, every byte: moments, average, best weights and generator all come back.
    #[test]
    fn a_resumed_training_is_the_uninterrupted_one() {
        let _turn = crate::support::random::turn();
        let threads = tch::get_num_threads();
        tch::set_num_threads(1);
        let (whole, cut) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let (net, history) = train(&recipe(5), whole.path());
        for stop in [2, 3] {
            let stopped = Recipe { stop: Some(stop), ..recipe(5) };
            assert_eq!(train(&stopped, cut.path()).1.epochs.len(), stop);
        }
        let (resumed, again) = train(&recipe(5), cut.path());
        tch::set_num_threads(threads);
        for (a, b) in history.epochs.iter().zip(&again.epochs) {
            let seconds = a.seconds;
            assert_eq!(*a, Epoch { seconds, ..b.clone() });
        }
        let other = resumed.variables();
        for (name, tensor) in net.variables() {
            assert!(tensor.equal(&other[&name]), "{name} differs");
        }
    }

    /// What is validated and kept is the average, which lags behind the weights.
    #[test]
    fn the_kept_weights_are_the_average_of_the_best_epoch() {
        let _turn = crate::support::random::turn();
        let folder = TempDir::new().unwrap();
        let (net, history) = train(&recipe(3), folder.path());
        let mut state =
            State::new(&Net::new(net.config().clone(), Device::Cpu, 0).unwrap()).unwrap();
        checkpoint::load(folder.path(), &mut state).unwrap();
        assert_eq!(history.best().map(|best| best.epoch), Some(3), "{history:?}");
        // What was validated, too: the kept net has the very loss of that epoch.
        let (faces, split) = pictures();
        let (recipe, loss) = (recipe(3), RecipeLoss::new(TASK, &recipe(3)));
        let (faces, split, recipe) = (&faces, &split, &recipe);
        let all =
            Fit { faces, split, task: TASK, recipe, loss: &loss, augmentation: None, taught: None };
        let mut again = Epoch { size: 32, ..Epoch::default() };
        validate(&net, all, training_kind(Device::Cpu), &mut again).unwrap();
        let apart = again.validation_loss - history.epochs[2].validation_loss;
        assert!(apart.abs() < 1e-9, "{apart}");
        let kept = FlatNet::new(&net).unwrap().weights;
        assert!(kept.parameters.equal(&state.average.parameters));
        assert!(kept.statistics.equal(&state.average.statistics));
        assert!(!kept.parameters.equal(&state.net.weights.parameters), "the average was applied");
    }

    #[test]
    fn a_loss_that_is_not_a_number_is_an_error() {
        let _turn = crate::support::random::turn();
        #[derive(Debug)]
        struct Broken;
        impl Loss for Broken {
            fn id(&self) -> String {
                "broken".to_owned()
            }
            fn of(&self, logits: &Tensor, _: &super::super::Targets) -> Result<Tensor> {
                Ok(logits.f_mean(Kind::Float)?.f_mul_scalar(f64::NAN)?)
            }
        }
        let (faces, split) = pictures();
        let net = Net::new(RorConfig::small(1), Device::Cpu, 0).unwrap();
        let recipe = Recipe { batch: 8, epochs: 1, ..Recipe::report(Task::Gender) };
        let fit_ = Fit {
            faces: &faces,
            split: &split,
            task: Task::Gender,
            recipe: &recipe,
            loss: &Broken,
            augmentation: None,
            taught: None,
        };
        let folder = TempDir::new().unwrap();
        let error = fit(&net, fit_, folder.path()).unwrap_err().to_string();
        assert!(error.contains("not a number") && error.contains("learning rate"), "{error}");
    }
}
