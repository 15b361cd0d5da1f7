//! The training loop. [`Job`] is what is trained on and how, [`State`] the numbers that change,
//! [`Monitor`] what is shown; [`Ranks`] are the processes that share every batch, usually one.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use tch::{Kind, Tensor};

use super::batches::Batches;
use super::job::Job;
use super::log::Log;
use super::monitor::Monitor;
use super::state::State;
use super::step::train_step;
use super::{Epoch, History, checkpoint, early_stopping};
use crate::model::Net;
use utils::busy::ThreadChoice;

/// Trains a network, continuing from the checkpoint in `folder` if there is one. The network ends
/// with the averaged weights of the epoch with the lowest validation loss.
///
/// With several ranks, each takes its share of every batch, and their gradients are summed: together
/// they take the steps of one process. Rank 0 starts with the network that counts, and alone writes.
///
/// # Errors
/// Images that can't be decoded, a loss that is not a number, a folder that can't be written, or a
/// rank that ended.
pub(crate) fn fit(
    net: &Net,
    job: Job,
    folder: &Path,
    monitor: &mut dyn Monitor,
) -> Result<History> {
    let (recipe, ranks) = (job.recipe, job.ranks);
    let mut state = State::new(net, recipe)?;
    let mut history = checkpoint::resumed(folder, &mut state, ranks)?;
    let mut log = ranks.is_first().then(|| Log::new(folder, &history)).transpose()?;
    let mut last: Option<Batches> = None;
    let mut threads = ThreadChoice::new(net.device());
    monitor.begin(&history);

    while !early_stopping::is_over(recipe, &history) {
        let start = Instant::now();
        let number = history.epochs.len() + 1;
        let size = recipe.size(number, net.config().input()); // small images first, where asked for
        let batches = match last.take().filter(|ready| ready.size == size) {
            Some(ready) => ready,
            None => job.batches(size, net.device())?,
        };

        // Every epoch has its own seed, so that a resumed training repeats the interrupted one.
        let seed = (recipe.seed as i64).wrapping_mul(1_000_003).wrapping_add(number as i64);
        tch::manual_seed(seed);
        let order = batches.shuffled()?; // the same on all ranks
        if !ranks.is_first() {
            tch::manual_seed(seed.wrapping_add(ranks.number() as i64 * 0x5bd1_e995));
        }

        let steps = batches.len() * recipe.epochs as i64;
        let mut loss_sum = Tensor::f_zeros([], (Kind::Float, net.device()))?;
        let mut right_sum = Tensor::f_zeros([], (Kind::Int64, net.device()))?;
        let mut epoch = Epoch { epoch: number, size, ..Epoch::default() };
        monitor.epoch(number, batches.len() as usize);
        threads.begin();
        for chosen in order {
            threads.step();
            epoch.learning_rate = recipe.rate(state.adamw.steps, steps);
            let (loss, right) =
                train_step(net, job, &mut state, &batches, &chosen, epoch.learning_rate)
                    .map_err(|error| monitor.explained(error, &history))?;
            let _ = loss_sum.f_add_(&loss)?;
            let _ = right_sum.f_add_(&right)?;
            monitor
                .step(&|| Ok(loss_sum.f_double_value(&[])?))
                .map_err(|error| monitor.explained(error, &history))?;
        }
        // Each rank has summed the means over its shares of the batches.
        let _ = loss_sum.f_mul_scalar_(ranks.weight(batches.batch()))?;
        ranks.sum(&mut loss_sum)?;
        ranks.sum(&mut right_sum)?;
        let images = (batches.len() * batches.batch()) as f64;
        epoch.train_loss = loss_sum.f_double_value(&[])? / batches.len() as f64;
        epoch.train_accuracy = right_sum.f_int64_value(&[])? as f64 / images;

        state.share_statistics(ranks)?;
        state
            .with_average(|| job.validate(net, &mut epoch))
            .map_err(|error| monitor.explained(error, &history))?;
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
        last = Some(batches);
        monitor.epoch_done(&history);
        if let Some(log) = &mut log {
            checkpoint::save(folder, &mut state, &history)?;
            log.add(&history)?;
        }
    }
    state.net.weights.copy_from(&state.best)?;
    Ok(history)
}

#[cfg(test)]
mod tests {
    use super::super::{Loss, Recipe};
    use super::*;
    use crate::Task;
    use crate::data::{Faces, Split, SplitSizes};
    use crate::model::RorConfig;
    use crate::train::RecipeLoss;
    use crate::train::monitor::Silent;
    use layers::Ranks;
    use tch::Device;
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
    ) -> Job<'a> {
        Job {
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
        let loss = RecipeLoss::new(TASK, recipe, &[]);
        let alone = Ranks::alone(Device::Cpu);
        let history =
            fit(&net, given(&faces, &split, recipe, &loss, &alone), folder, &mut Silent).unwrap();
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
        let fresh = Net::new(net.config().clone(), Device::Cpu, 0).unwrap();
        let mut state = State::new(&fresh, &recipe(3)).unwrap();
        checkpoint::load(folder.path(), &mut state).unwrap();
        assert_eq!(history.best().map(|best| best.epoch), Some(3), "{history:?}");
        // What was validated, too: the kept net has the very loss of that epoch.
        let (faces, split) = pictures();
        let (recipe, loss) = (recipe(3), RecipeLoss::new(TASK, &recipe(3), &[]));
        let alone = Ranks::alone(Device::Cpu);
        let all = given(&faces, &split, &recipe, &loss, &alone);
        let mut again = Epoch { size: 32, ..Epoch::default() };
        all.validate(&net, &mut again).unwrap();
        let apart = again.validation_loss - history.epochs[2].validation_loss;
        assert!(apart.abs() < 1e-9, "{apart}");
        let kept = State::new(&net, &recipe).unwrap().net.weights;
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
        let job = Job { task: Task::Gender, ..given(&faces, &split, &recipe, &Broken, &alone) };
        let folder = TempDir::new().unwrap();
        let error = fit(&net, job, folder.path(), &mut Silent).unwrap_err().to_string();
        assert!(error.contains("not a number") && error.contains("learning rate"), "{error}");
    }
}
