//! The training loop, from first batch to best weights.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use tch::{Device, Kind, Tensor, no_grad};

use super::average;
use super::batches::Batches;
use super::log::Log;
use super::mixup::mixup;
use super::state::State;
use super::teachers::{Teacher, taught};
use super::watch::{Steps, Watch};
use super::weights::FlatNet;
use super::{Augmentation, Epoch, History, Loss, Recipe, checkpoint, early_stopping};
use crate::Task;
use crate::data::Faces;
use crate::metrics::{LabelledPredictions, Predictions, is_finite};
use crate::model::{Net, logits_of};
use crate::ranks::Ranks;
use utils::progress::say;

/// Everything a training is made of but the net.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fit<'a> {
    pub(crate) faces: &'a Faces,
    /// Indices of the pictures to train and to validate on.
    pub(crate) train: &'a [usize],
    pub(crate) validation: &'a [usize],
    pub(crate) task: Task,
    pub(crate) recipe: &'a Recipe,
    pub(crate) loss: &'a dyn Loss,
    /// Applied after the recipe's own.
    pub(crate) augmentation: Option<&'a dyn Augmentation>,
    /// What to learn from besides the labels.
    pub(crate) teachers: &'a [Teacher],
    /// What arithmetic to train in, where the net's layers allow it.
    pub(crate) kind: Kind,
    pub(crate) ranks: &'a Ranks,
}

impl Fit<'_> {
    /// Logits of pictures and of their mirror images, f32 `[2, n, outputs]`: each rank computes its
    /// share of them.
    pub(crate) fn logits(&self, net: &Net, kind: Kind, of: &[usize], size: u32) -> Result<Tensor> {
        self.ranks.gathered(of.len(), 1, |share| logits_of(net, kind, self.faces, &of[share], size))
    }
}

/// Trains a net, going on from the checkpoint in `folder` where there is one. The net ends with
/// the averaged weights of the epoch with the lowest validation loss.
///
/// Of several ranks each takes its share of every batch, and their gradients are summed: together
/// they take one process's steps. The first begins with the net that counts, and alone writes.
///
/// # Errors
/// Pictures that can't be decoded, a loss that is not a number, a folder that can't be written, or
/// a rank that ended.
pub(crate) fn fit(net: &Net, fit: Fit, folder: &Path) -> Result<History> {
    let Fit { faces, recipe, ranks, .. } = fit;
    let mut state = State::new(net)?;
    let mut history = match ranks.is_first() {
        true => checkpoint::load(folder, &mut state)?,
        false => History::default(),
    };
    history = ranks.first_says(history)?;
    state.follow(ranks)?;
    if let Some(last) = history.epochs.last() {
        say(&format!("going on after epoch {} of an interrupted training", last.epoch));
    }
    let mut log = ranks.is_first().then(|| Log::new(folder, &history)).transpose()?;
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
                fit.train,
                fit.task,
                recipe,
                size,
                net.device(),
            )?),
        };
        ensure!(
            batches.batch() >= ranks.size() as i64,
            "a batch of {} pictures does not share among {} ranks",
            batches.batch(),
            ranks.size()
        );
        // Every epoch has its own seed, so that one resumed is the one that was interrupted.
        let seed = (recipe.seed as i64).wrapping_mul(1_000_003).wrapping_add(number as i64);
        let steps = watch.steps(number, batches.len() as usize);
        let mut epoch = train_epoch(net, fit, &mut state, batches, seed, steps)
            .and_then(|mut epoch| {
                state.share_statistics(ranks)?;
                state.with_average(|| validate(net, fit, &mut epoch))?;
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
        if let Some(log) = &mut log {
            checkpoint::save(folder, &mut state, &history)?;
            log.add(&history)?;
        }
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
    seed: i64,
    mut watched: Steps,
) -> Result<Epoch> {
    let ranks = fit.ranks;
    tch::manual_seed(seed);
    let steps = batches.len() * fit.recipe.epochs as i64;
    let mut loss_sum = Tensor::f_zeros([], (Kind::Float, net.device()))?;
    let mut right_sum = Tensor::f_zeros([], (Kind::Int64, net.device()))?;
    let mut rate = 0.0;
    let order = batches.shuffled()?;
    // The order is that of all ranks; what is drawn from here on is each rank's own.
    if !ranks.is_first() {
        tch::manual_seed(seed.wrapping_add(ranks.number() as i64 * 0x5bd1_e995));
    }
    for chosen in order {
        rate = fit.recipe.rate(state.adamw.steps, steps);
        let (loss, right) = train_step(net, fit, state, batches, &chosen, rate)?;
        let _ = loss_sum.f_add_(&loss)?;
        let _ = right_sum.f_add_(&right)?;
        watched.step(|| Ok(loss_sum.f_double_value(&[])?))?;
    }
    // Each rank has summed the means of its shares of the batches.
    let _ = loss_sum.f_mul_scalar_(ranks.weight(batches.batch()))?;
    ranks.sum(&mut loss_sum)?;
    ranks.sum(&mut right_sum)?;
    Ok(Epoch {
        size: batches.size,
        train_loss: loss_sum.f_double_value(&[])? / batches.len() as f64,
        train_accuracy: right_sum.f_int64_value(&[])? as f64
            / (batches.len() * batches.batch()) as f64,
        learning_rate: rate,
        ..Epoch::default()
    })
}

/// One step: of this rank's share of the batch, the loss before it, and for how many pictures the
/// first head was right.
fn train_step(
    net: &Net,
    fit: Fit,
    state: &mut State,
    batches: &Batches,
    chosen: &Tensor,
    rate: f64,
) -> Result<(Tensor, Tensor)> {
    let (recipe, ranks) = (fit.recipe, fit.ranks);
    let share = ranks.share(batches.batch() as usize);
    let (pictures, mut targets) =
        batches.get(&chosen.f_narrow(0, share.start as i64, share.len() as i64)?)?;
    let mut x = recipe.augment.apply(&net.normalise(&pictures, Kind::Float)?)?;
    if let Some(own) = fit.augmentation {
        x = own.apply(&x)?;
    }
    if !fit.teachers.is_empty() {
        targets.learn(&taught(fit.teachers, &x)?, recipe.distillation)?;
    }
    if recipe.mixup > 0.0 {
        x = mixup(&x, recipe.mixup, &mut targets)?;
    }
    let x = x.f_to_kind(net.kind(fit.kind))?;
    let step = || {
        let logits = net.forward(&x, true, &mut |_, _| Ok(()))?;
        let loss = fit.loss.of(&logits, &targets)?;
        let owed = match ranks.size() {
            1 => loss.shallow_clone(),
            // The batch's loss is the mean over its pictures, of which this rank has a share.
            _ => loss.f_mul_scalar(ranks.weight(batches.batch()))?,
        };
        // With statistics of all ranks, the gradient passes through sums over them.
        let gradient = state.net.gradient(&owed).map_err(|error| match recipe.synchronised {
            true => ranks.lost(error),
            false => error,
        })?;
        Ok((logits, loss, gradient))
    };
    let (logits, loss, mut gradient) =
        if recipe.synchronised { ranks.synchronised(step)? } else { step()? };
    ranks.sum(&mut gradient)?;
    let FlatNet { weights, groups, .. } = &mut state.net;
    state.adamw.step(&mut weights.parameters, &gradient, groups, rate, recipe)?;
    let share = average::share(recipe.ema, state.adamw.steps);
    state.average.move_towards(weights, share)?;
    no_grad(|| Ok((loss.f_detach()?, targets.right(&logits)?)))
}

/// Puts loss, accuracy and error on the validation part into an epoch.
fn validate(net: &Net, fit: Fit, epoch: &mut Epoch) -> Result<()> {
    let labels = fit.faces.labels(fit.validation)?;
    let logits = fit.logits(net, net.kind(fit.kind), fit.validation, epoch.size)?;
    if !is_finite(&logits)? {
        epoch.validation_loss = f64::NAN; // the end of the training, whose error says why
        return Ok(());
    }
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
    let batches = Batches::new(fit.faces, fit.train, fit.task, fit.recipe, size, net.device())?;
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
    use crate::data::{Split, SplitSizes};
    use crate::model::RorConfig;
    use crate::train::RecipeLoss;
    use tempfile::TempDir;
    use utils::device::Precision;

    const TASK: Task = Task::Both;

    fn pictures() -> (Faces, Split) {
        let faces = Faces::synthetic(120, 1).unwrap();
        let sizes = SplitSizes { train: 64, validation: 24, test: None, seed: 0 };
        let split = Split::new(&faces, faces.records(), &sizes).unwrap();
        (faces, split)
    }

    fn given<'a>(
        faces: &'a Faces,
        split: &'a Split,
        recipe: &'a Recipe,
        loss: &'a dyn Loss,
        ranks: &'a Ranks,
    ) -> Fit<'a> {
        Fit {
            faces,
            train: &split.train,
            validation: &split.validation,
            task: TASK,
            recipe,
            loss,
            augmentation: None,
            teachers: &[],
            kind: Precision::Auto.training(Device::Cpu),
            ranks,
        }
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
        let alone = Ranks::alone(Device::Cpu);
        let history = fit(&net, given(&faces, &split, recipe, &loss, &alone), folder).unwrap();
        (net, history)
    }

    fn recipe(epochs: usize) -> Recipe {
        Recipe { batch: 16, epochs, mixup: 0.2, expectation: 0.1, ..Recipe::shipped(Task::Both) }
    }

    /// On one thread, every byte: moments, average, best weights and generator all come back.
    #[test]
    fn a_resumed_training_is_the_uninterrupted_one() {
        let _turn = utils::random::turn();
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
        let _turn = utils::random::turn();
        let folder = TempDir::new().unwrap();
        let (net, history) = train(&recipe(3), folder.path());
        let mut state =
            State::new(&Net::new(net.config().clone(), Device::Cpu, 0).unwrap()).unwrap();
        checkpoint::load(folder.path(), &mut state).unwrap();
        assert_eq!(history.best().map(|best| best.epoch), Some(3), "{history:?}");
        // What was validated, too: the kept net has the very loss of that epoch.
        let (faces, split) = pictures();
        let (recipe, loss) = (recipe(3), RecipeLoss::new(TASK, &recipe(3)));
        let alone = Ranks::alone(Device::Cpu);
        let all = given(&faces, &split, &recipe, &loss, &alone);
        let mut again = Epoch { size: 32, ..Epoch::default() };
        validate(&net, all, &mut again).unwrap();
        let apart = again.validation_loss - history.epochs[2].validation_loss;
        assert!(apart.abs() < 1e-9, "{apart}");
        let kept = FlatNet::new(&net).unwrap().weights;
        assert!(kept.parameters.equal(&state.average.parameters));
        assert!(kept.statistics.equal(&state.average.statistics));
        assert!(!kept.parameters.equal(&state.net.weights.parameters), "the average was applied");
    }

    #[test]
    fn a_loss_that_is_not_a_number_is_an_error() {
        let _turn = utils::random::turn();
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
        let alone = Ranks::alone(Device::Cpu);
        let fit_ = Fit { task: Task::Gender, ..given(&faces, &split, &recipe, &Broken, &alone) };
        let folder = TempDir::new().unwrap();
        let error = fit(&net, fit_, folder.path()).unwrap_err().to_string();
        assert!(error.contains("not a number") && error.contains("learning rate"), "{error}");
    }
}
