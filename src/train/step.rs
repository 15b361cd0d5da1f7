//! One training step, and how long it takes.

use std::time::Instant;

use anyhow::Result;
use tch::{Device, Kind, Tensor, no_grad};

use super::batches::Batches;
use super::job::Job;
use super::mixup::mixup;
use super::state::State;
use super::teachers::{reduced, taught};
use crate::model::Net;
use layers::FlatNet;
use utils::busy::ThreadChoice;

/// Takes one step. Returns the loss before it over this rank's share of the batch, and for how many
/// of its images the first head was right.
pub(super) fn train_step(
    net: &Net,
    job: Job,
    state: &mut State,
    batches: &Batches,
    chosen: &Tensor,
    rate: f64,
) -> Result<(Tensor, Tensor)> {
    let (recipe, ranks) = (job.recipe, job.ranks);
    let share = ranks.share(batches.batch() as usize);
    let (pictures, mut targets) =
        batches.get(&chosen.f_narrow(0, share.start as i64, share.len() as i64)?)?;
    let mut x = recipe.augment.apply(&net.normalise(&pictures, Kind::Float)?)?;
    if let Some(own) = job.augmentation {
        x = own.apply(&x)?;
    }
    if !job.teachers.is_empty() {
        targets.learn(&taught(job.teachers, &x)?, recipe.distillation)?;
        x = reduced(&x, batches.size.into())?;
    }
    if recipe.mixup > 0.0 {
        x = mixup(&x, recipe.mixup, &mut targets)?;
    }
    let x = x.f_to_kind(net.kind(job.kind))?;
    let step = || {
        let logits = net.forward(&x, true, &mut |_, _| Ok(()))?;
        let loss = job.loss.of(&logits, &targets)?;
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
    state.adamw.step(&mut weights.parameters, &gradient, groups, rate)?;
    state.average.follow(weights, recipe.ema, state.adamw.steps)?;
    no_grad(|| Ok((loss.f_detach()?, targets.right(&logits)?)))
}

/// Seconds that each of `steps` training steps takes on this machine, after three that warm up and
/// those by which the number of threads is chosen.
pub(crate) fn time_steps(net: &Net, job: Job, steps: usize) -> Result<Vec<f64>> {
    let mut state = State::new(net, job.recipe)?;
    let size = net.config().input();
    let batches = job.batches(size, net.device())?;
    let finish = || {
        if let Device::Cuda(number) = net.device() {
            tch::Cuda::synchronize(number as i64);
        }
    };
    let order = batches.shuffled()?;
    let (mut seconds, mut warm_up) = (vec![], 3);
    let mut threads = ThreadChoice::new(net.device());
    threads.begin();
    for chosen in order.iter().cycle() {
        threads.step();
        if !threads.is_settled() {
            warm_up = seconds.len() + 3;
        }
        if seconds.len() == warm_up + steps {
            break;
        }
        finish();
        let start = Instant::now();
        let rate = job.recipe.learning_rate;
        let _ = train_step(net, job, &mut state, &batches, chosen, rate)?;
        finish();
        seconds.push(start.elapsed().as_secs_f64());
    }
    Ok(seconds.split_off(warm_up.min(seconds.len())))
}
