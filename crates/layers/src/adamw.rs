//! AdamW (Loshchilov and Hutter, arXiv 1711.05101), over all parameters at once.

use anyhow::Result;
use tch::{Tensor, no_grad};

use crate::Group;

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// The optimizer: its settings, and running means of the gradient and of its square.
#[derive(Debug)]
pub struct AdamW {
    weight_decay: f64,
    backbone_rate: f64,
    /// Running mean of the gradient.
    pub first_moment: Tensor,
    /// Running mean of the gradient's square.
    pub second_moment: Tensor,
    /// Number of steps so far.
    pub steps: i64,
}

impl AdamW {
    /// An optimizer for parameters in one flat tensor, with PyTorch's default betas and epsilon. The
    /// learning rate of a pretrained backbone is multiplied by `backbone_rate`.
    ///
    /// # Errors
    /// No memory for its state.
    pub fn new(parameters: &Tensor, weight_decay: f64, backbone_rate: f64) -> Result<Self> {
        Ok(Self {
            weight_decay,
            backbone_rate,
            first_moment: parameters.f_zeros_like()?,
            second_moment: parameters.f_zeros_like()?,
            steps: 0,
        })
    }

    /// Takes one step with a learning rate.
    ///
    /// # Errors
    /// Groups or a gradient of another length than the parameters, or the device failing.
    pub fn step(
        &mut self,
        parameters: &mut Tensor,
        gradient: &Tensor,
        groups: &[Group],
        rate: f64,
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
                let rate = if group.is_backbone { rate * self.backbone_rate } else { rate };
                let of = |tensor: &Tensor| tensor.f_narrow(0, at, group.numel);
                let mut own = of(parameters)?;
                if group.decays {
                    let _ = own.f_mul_scalar_(1.0 - rate * self.weight_decay)?;
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
    use crate::Weights;
    use serde::Deserialize;
    use tch::Kind;

    /// crates/layers/tests/golden/optimiser.json, which optimiser.py makes with PyTorch.
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
        fn groups(&self) -> [Group; 2] {
            let all = self.start.len() as i64;
            let group = |numel, decays| Group { numel, decays, is_backbone: false };
            [group(self.decayed, true), group(all - self.decayed, false)]
        }
    }

    fn golden() -> Golden {
        serde_json::from_str(include_str!("../tests/golden/optimiser.json")).unwrap()
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
        let mut adamw = AdamW::new(&parameters, golden.weight_decay, 1.0).unwrap();
        let statistics = Tensor::zeros([0], (Kind::Float, tch::Device::Cpu));
        let now = |parameters: &Tensor| Weights {
            parameters: parameters.copy(),
            statistics: statistics.copy(),
        };
        let mut average = now(&parameters);
        for (i, gradient) in golden.gradients.iter().enumerate() {
            let gradient = Tensor::from_slice(gradient);
            adamw.step(&mut parameters, &gradient, &golden.groups(), golden.rates[i]).unwrap();
            assert_close(&parameters, &golden.parameters[i], &format!("step {i}, parameter"));
            average.follow(&now(&parameters), golden.ema, adamw.steps).unwrap();
            assert_close(&average.parameters, &golden.average[i], &format!("step {i}, average"));
        }
        assert_eq!(adamw.steps as usize, golden.gradients.len());
    }

    #[test]
    fn a_rate_of_0_changes_nothing() {
        let golden = golden();
        let mut parameters = Tensor::from_slice(&golden.start);
        let mut adamw = AdamW::new(&parameters, golden.weight_decay, 1.0).unwrap();
        let gradient = Tensor::from_slice(&golden.gradients[0]);
        adamw.step(&mut parameters, &gradient, &golden.groups(), 0.0).unwrap();
        assert!(parameters.equal(&Tensor::from_slice(&golden.start)));
    }

    #[test]
    fn a_backbone_moves_at_its_own_rate() {
        let golden = golden();
        let start = Tensor::from_slice(&golden.start);
        let gradient = Tensor::from_slice(&golden.gradients[0]);
        let moved = |is_backbone| {
            let mut parameters = start.copy();
            let numel = golden.start.len() as i64;
            let group = Group { numel, decays: true, is_backbone };
            let mut adamw = AdamW::new(&parameters, golden.weight_decay, 0.1).unwrap();
            adamw.step(&mut parameters, &gradient, &[group], 0.01).unwrap();
            parameters - &start
        };
        assert!((moved(false) * 0.1).allclose(&moved(true), 1e-4, 1e-7, false));
    }
}
