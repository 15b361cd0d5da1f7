//! AdamW over all parameters at once, and the running average of weights.
//!
//! The parameters are views of one flat tensor, so a step is a dozen large operations instead
//! of a dozen for each of a hundred tensors, and its state is three tensors to save and resume.

use anyhow::Result;
use tch::{Tensor, no_grad};

use super::Recipe;
use crate::model::Net;

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// AdamW (Loshchilov and Hutter, arXiv 1711.05101).
#[derive(Debug)]
pub(super) struct Optimiser {
    /// The parameters, each a view of `weights`.
    parameters: Vec<Tensor>,
    pub(super) state: State,
    /// How many numbers, the first, weight decay applies to: weights, not biases or normalisation.
    decayed: i64,
    pub(super) steps: i64,
}

/// All numbers of a training, as flat tensors: what a checkpoint holds.
#[derive(Debug)]
pub(super) struct State {
    pub(super) weights: Tensor,
    /// Running means and variances of the normalisations.
    pub(super) statistics: Tensor,
    pub(super) first_moment: Tensor,
    pub(super) second_moment: Tensor,
    /// Running averages of `weights` and `statistics`.
    pub(super) average: [Tensor; 2],
    /// `average` at the best epoch.
    pub(super) best: [Tensor; 2],
}

/// The same numbers in memory of their own.
fn copied(tensor: &Tensor) -> Result<Tensor> {
    let mut copy = tensor.f_empty_like()?;
    copy.f_copy_(tensor)?;
    Ok(copy)
}

/// Copies tensors into one flat f32 tensor and makes them views of it.
fn flatten(tensors: &mut [Tensor]) -> Result<Tensor> {
    no_grad(|| {
        let parts = tensors
            .iter()
            .map(|t| Ok(t.f_detach()?.f_reshape([-1])?))
            .collect::<Result<Vec<_>>>()?;
        let flat = Tensor::f_cat(&parts, 0)?;
        let mut at = 0;
        for tensor in tensors {
            let n = tensor.numel() as i64;
            let shape = tensor.size();
            tensor.f_set_data(&flat.f_narrow(0, at, n)?.f_view(shape.as_slice())?)?;
            at += n;
        }
        Ok(flat)
    })
}

impl Optimiser {
    pub(super) fn new(net: &Net) -> Result<Self> {
        let (mut parameters, mut statistics): (Vec<_>, Vec<_>) = net
            .variables()
            .into_values()
            .partition(Tensor::requires_grad);
        // Weights, which decay, before biases and normalisation, which do not.
        parameters.sort_by_key(|parameter| parameter.dim() <= 1);
        let decaying = parameters.iter().filter(|parameter| parameter.dim() > 1);
        let decayed = decaying.map(|parameter| parameter.numel() as i64).sum();
        let weights = flatten(&mut parameters)?;
        let statistics = flatten(&mut statistics)?;
        let copies = || -> Result<[Tensor; 2]> { Ok([copied(&weights)?, copied(&statistics)?]) };
        let state = State {
            first_moment: weights.f_zeros_like()?,
            second_moment: weights.f_zeros_like()?,
            average: copies()?,
            best: copies()?,
            weights,
            statistics,
        };
        Ok(Self {
            parameters,
            state,
            decayed,
            steps: 0,
        })
    }

    /// One step down the gradient of `loss`.
    pub(super) fn step(&mut self, loss: &Tensor, rate: f64, recipe: &Recipe) -> Result<()> {
        let gradients = Tensor::f_run_backward(&[loss], &self.parameters, false, false)?;
        self.steps += 1;
        no_grad(|| {
            let parts = gradients
                .iter()
                .map(|g| Ok(g.f_reshape([-1])?))
                .collect::<Result<Vec<_>>>()?;
            let gradient = Tensor::f_cat(&parts, 0)?;
            let State {
                weights,
                statistics,
                first_moment,
                second_moment,
                average,
                ..
            } = &mut self.state;
            let _ = first_moment.f_lerp_(&gradient, 1.0 - BETA1)?;
            let _ = second_moment.f_lerp_(&gradient.f_square()?, 1.0 - BETA2)?;
            // The corrections for the moments' start at 0 are the same for all parameters: as
            // factors of the rate and of epsilon they cost no pass over memory.
            let steps = self.steps as i32;
            let (first, second) = (1.0 - BETA1.powi(steps), 1.0 - BETA2.powi(steps));
            let factor = -first / (rate * second.sqrt());
            let scale = second_moment
                .f_sqrt()?
                .f_add_scalar_(EPSILON * second.sqrt())?
                .f_mul_scalar_(factor)?;
            let _ = weights
                .f_narrow(0, 0, self.decayed)?
                .f_mul_scalar_(1.0 - rate * recipe.weight_decay)?;
            let _ = weights.f_addcdiv_(first_moment, &scale)?;
            // Early on the average follows quickly, so that it never drags the first weights along.
            let decay = recipe
                .ema
                .min((1.0 + self.steps as f64) / (10.0 + self.steps as f64));
            let follow = if recipe.ema > 0.0 { 1.0 - decay } else { 1.0 };
            let _ = average[0].f_lerp_(weights, follow)?;
            let _ = average[1].f_lerp_(statistics, follow)?;
            Ok(())
        })
    }

    /// Runs `f` while the net has the averaged weights.
    pub(super) fn with_average<T>(&mut self, f: impl FnOnce() -> Result<T>) -> Result<T> {
        let state = &mut self.state;
        let own =
            no_grad(|| -> Result<_> { Ok([copied(&state.weights)?, copied(&state.statistics)?]) })?;
        state.put_average()?;
        let result = f();
        state.put(&own)?;
        result
    }
}

impl State {
    fn put(&mut self, values: &[Tensor; 2]) -> Result<()> {
        no_grad(|| {
            self.weights.f_copy_(&values[0])?;
            self.statistics.f_copy_(&values[1])?;
            Ok(())
        })
    }

    fn put_average(&mut self) -> Result<()> {
        no_grad(|| {
            self.weights.f_copy_(&self.average[0])?;
            self.statistics.f_copy_(&self.average[1])?;
            Ok(())
        })
    }

    /// Remembers the averaged weights as the best so far.
    pub(super) fn keep_best(&mut self) -> Result<()> {
        no_grad(|| {
            self.best[0].f_copy_(&self.average[0])?;
            self.best[1].f_copy_(&self.average[1])?;
            Ok(())
        })
    }

    /// Gives the net the best weights.
    pub(super) fn put_best(&mut self) -> Result<()> {
        let best = [self.best[0].shallow_clone(), self.best[1].shallow_clone()];
        self.put(&best)
    }

    /// The tensors by the names they have in a checkpoint.
    pub(super) fn named(&mut self) -> [(&'static str, &mut Tensor); 8] {
        let [average, average_statistics] = &mut self.average;
        let [best, best_statistics] = &mut self.best;
        [
            ("weights", &mut self.weights),
            ("statistics", &mut self.statistics),
            ("first_moment", &mut self.first_moment),
            ("second_moment", &mut self.second_moment),
            ("average", average),
            ("average_statistics", average_statistics),
            ("best", best),
            ("best_statistics", best_statistics),
        ]
    }
}
