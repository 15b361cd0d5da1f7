//! AdamW (Loshchilov and Hutter, arXiv 1711.05101), over all parameters at once.

use anyhow::Result;
use tch::{Tensor, no_grad};

use super::Recipe;
use super::weights::Group;

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// The optimizer's state: running means of the gradient and of its square.
#[derive(Debug)]
pub(super) struct AdamW {
    pub(super) first_moment: Tensor,
    pub(super) second_moment: Tensor,
    /// Number of steps so far.
    pub(super) steps: i64,
}

impl AdamW {
    /// State for parameters in one flat tensor.
    pub(super) fn new(parameters: &Tensor) -> Result<Self> {
        Ok(Self {
            first_moment: parameters.f_zeros_like()?,
            second_moment: parameters.f_zeros_like()?,
            steps: 0,
        })
    }

    /// Takes one step; the backbone's learning rate is multiplied by `backbone_rate`.
    pub(super) fn step(
        &mut self,
        parameters: &mut Tensor,
        gradient: &Tensor,
        groups: &[Group],
        rate: f64,
        recipe: &Recipe,
    ) -> Result<()> {
        self.steps += 1;
        no_grad(|| {
            let _ = self.first_moment.f_lerp_(gradient, 1.0 - BETA1)?;
            let _ = self.second_moment.f_lerp_(&gradient.f_square()?, 1.0 - BETA2)?;
            // Bias corrections are the same for all parameters: as factors of the rate and of
            // epsilon they need no pass over memory.
            let steps = self.steps as i32;
            let (first, second) = (1.0 - BETA1.powi(steps), 1.0 - BETA2.powi(steps));
            let scale = self.second_moment.f_sqrt()?.f_add_scalar_(EPSILON * second.sqrt())?;
            let mut at = 0;
            for group in groups {
                let rate = if group.is_backbone { rate * recipe.backbone_rate } else { rate };
                let of = |tensor: &Tensor| tensor.f_narrow(0, at, group.numel);
                let mut own = of(parameters)?;
                if group.decays {
                    let _ = own.f_mul_scalar_(1.0 - rate * recipe.weight_decay)?;
                }
                let scale = of(&scale)?.f_mul_scalar_(-first / (rate * second.sqrt()))?;
                let _ = own.f_addcdiv_(&of(&self.first_moment)?, &scale)?;
                at += group.numel;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use tch::Kind;

    /// tests/golden/optimiser.json, made by tests/golden/optimiser.py with PyTorch.
    #[derive(Deserialize)]
    struct Golden {
        start: Vec<f32>,
        decayed: i64,
        weight_decay: f64,
        rates: Vec<f64>,
        gradients: Vec<Vec<f32>>,
        parameters: Vec<Vec<f64>>,
        average: Vec<Vec<f64>>,
        ema: f64,
    }

    impl Golden {
        fn settings(&self) -> (Vec<Group>, Recipe) {
            let all = self.start.len() as i64;
            let group = |numel, decays| Group { numel, decays, is_backbone: false };
            let groups = vec![group(self.decayed, true), group(all - self.decayed, false)];
            let recipe = Recipe::report(crate::Task::Gender);
            (groups, Recipe { weight_decay: self.weight_decay, ..recipe })
        }
    }

    fn golden() -> Golden {
        serde_json::from_str(include_str!("../../tests/golden/optimiser.json")).unwrap()
    }

    fn assert_close(found: &Tensor, expected: &[f64], what: &str) {
        let found = Vec::<f64>::try_from(found.to_kind(Kind::Double)).unwrap();
        for (i, (a, b)) in found.iter().zip(expected).enumerate() {
            assert!((a - b).abs() < 1e-6 * b.abs().max(1e-2), "{what} {i}: {a}, not {b}");
        }
    }

    #[test]
    fn steps_and_average_are_pytorchs() {
        let golden = golden();
        let mut parameters = Tensor::from_slice(&golden.start);
        let mut adamw = AdamW::new(&parameters).unwrap();
        let statistics = Tensor::zeros([0], (Kind::Float, tch::Device::Cpu));
        let mut average = super::super::weights::Weights {
            parameters: parameters.copy(),
            statistics: statistics.copy(),
        };
        for (i, gradient) in golden.gradients.iter().enumerate() {
            let gradient = Tensor::from_slice(gradient);
            let (groups, recipe) = golden.settings();
            adamw.step(&mut parameters, &gradient, &groups, golden.rates[i], &recipe).unwrap();
            assert_close(&parameters, &golden.parameters[i], &format!("step {i}, parameter"));
            let now = super::super::weights::Weights {
                parameters: parameters.copy(),
                statistics: statistics.copy(),
            };
            let share = super::super::average::share(golden.ema, adamw.steps);
            average.move_towards(&now, share).unwrap();
            assert_close(&average.parameters, &golden.average[i], &format!("step {i}, average"));
        }
        assert_eq!(adamw.steps as usize, golden.gradients.len());
    }

    #[test]
    fn a_rate_of_0_changes_nothing() {
        let golden = golden();
        let mut parameters = Tensor::from_slice(&golden.start);
        let mut adamw = AdamW::new(&parameters).unwrap();
        let gradient = Tensor::from_slice(&golden.gradients[0]);
        let (groups, recipe) = golden.settings();
        adamw.step(&mut parameters, &gradient, &groups, 0.0, &recipe).unwrap();
        assert!(parameters.equal(&Tensor::from_slice(&golden.start)));
    }

    #[test]
    fn a_backbone_moves_at_its_own_rate() {
        let golden = golden();
        let recipe = Recipe { backbone_rate: 0.1, ..golden.settings().1 };
        let start = Tensor::from_slice(&golden.start);
        let gradient = Tensor::from_slice(&golden.gradients[0]);
        let moved = |is_backbone| {
            let mut parameters = start.copy();
            let numel = golden.start.len() as i64;
            let group = Group { numel, decays: true, is_backbone };
            let mut adamw = AdamW::new(&parameters).unwrap();
            adamw.step(&mut parameters, &gradient, &[group], 0.01, &recipe).unwrap();
            parameters - &start
        };
        assert!((moved(false) * 0.1).allclose(&moved(true), 1e-4, 1e-7, false));
    }
}
