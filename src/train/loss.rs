//! Loss functions.

use std::fmt;

use anyhow::Result;
use tch::{Kind, Reduction, Tensor};

use super::targets::years;
use super::{Recipe, Targets};
use crate::Task;

/// A loss function, built-in or custom.
pub trait Loss: fmt::Debug {
    /// Identifies the loss and its settings in a run's key: change it whenever the computation
    /// changes.
    fn id(&self) -> String;

    /// Mean loss over the images, a scalar with a gradient, of logits `[n, outputs]`.
    ///
    /// # Errors
    /// Logits of another shape, or the device failing.
    fn of(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor>;
}

/// The loss of a recipe: binary cross-entropy for gender; for age, cross-entropy with the target
/// distribution, plus the absolute error of the expected age if [`Recipe::expectation`] is above 0.
#[derive(Debug)]
pub(crate) struct RecipeLoss {
    task: Task,
    expectation: f64,
    gender_weight: f64,
}

impl RecipeLoss {
    pub(crate) fn new(task: Task, recipe: &Recipe) -> Self {
        Self { task, expectation: recipe.expectation, gender_weight: recipe.gender_weight }
    }

    fn age(&self, logits: &Tensor, target: &Tensor, ages: &Tensor) -> Result<Tensor> {
        let log = logits.f_log_softmax(1, Kind::Float)?;
        let n = logits.size()[0];
        let cross_entropy = log.f_mul(target)?.f_sum(Kind::Float)?.f_div_scalar(n)?.f_neg()?;
        if self.expectation == 0.0 {
            return Ok(cross_entropy);
        }
        let years = years(self.task)?.f_to_device(logits.device())?;
        let error = log.f_exp()?.f_mv(&years)?.f_sub(ages)?.f_abs()?.f_mean(Kind::Float)?;
        Ok(cross_entropy.f_add(&error.f_mul_scalar(self.expectation)?)?)
    }
}

fn gender(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    Ok(logits.f_binary_cross_entropy_with_logits::<Tensor>(target, None, None, Reduction::Mean)?)
}

impl Loss for RecipeLoss {
    fn id(&self) -> String {
        "recipe".to_owned() // its settings are part of the recipe, which is in the key
    }

    fn of(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor> {
        let outputs = targets.outputs();
        match self.task {
            Task::Gender => gender(logits, outputs),
            Task::AgeGroup { .. } | Task::Years => self.age(logits, outputs, targets.ages()),
            Task::Both => {
                let n = Task::Years.outputs();
                let female = gender(&logits.f_narrow(1, 0, 1)?, &outputs.f_narrow(1, 0, 1)?)?;
                let (logits, outputs) = (logits.f_narrow(1, 1, n)?, outputs.f_narrow(1, 1, n)?);
                let age = self.age(&logits, &outputs, targets.ages())?;
                Ok(female.f_mul_scalar(self.gender_weight)?.f_add(&age)?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{Gender, Label};
    use tch::Device;

    fn loss(task: Task, labels: &[Label], recipe: &Recipe, logits: &Tensor) -> f64 {
        let targets = Targets::new(task, labels, recipe, Device::Cpu).unwrap();
        f64::try_from(RecipeLoss::new(task, recipe).of(logits, &targets).unwrap()).unwrap()
    }

    #[test]
    fn losses_of_hand_made_cases() {
        let labels = [Label::new(3, Gender::Female), Label::new(60, Gender::Male)];
        let plain = Recipe::report(Task::Gender);
        // Logits of 2: probability 0.8808 of female, correct for the first image.
        let logits = Tensor::from_slice(&[2f32, 2.0]).view([2, 1]);
        let expected = (-(0.880_797f64.ln()) - 0.119_203f64.ln()) / 2.0;
        assert!((loss(Task::Gender, &labels, &plain, &logits) - expected).abs() < 1e-5);
        // Uniform over 12 groups: ln 12, and an expected age of 30.5 (the mean of the middles 3
        // to 58), 27.5 off for 3 years and 29.5 off for 60.
        let logits = Tensor::zeros([2, 12], (Kind::Float, Device::Cpu));
        assert!((loss(Task::age_group(), &labels, &plain, &logits) - 12f64.ln()).abs() < 1e-5);
        let with_error = Recipe { expectation: 0.1, ..plain };
        let expected = 12f64.ln() + 0.1 * (27.5 + 29.5) / 2.0;
        let found = loss(Task::age_group(), &labels, &with_error, &logits);
        assert!((found - expected).abs() < 1e-4, "{found}, not {expected}");
    }

    #[test]
    fn the_loss_of_both_is_the_sum_of_its_heads() {
        let _turn = utils::random::turn();
        let labels = [Label::new(20, Gender::Female), Label::new(40, Gender::Male)];
        let recipe = Recipe { gender_weight: 3.0, expectation: 0.5, ..Recipe::shipped(Task::Both) };
        tch::manual_seed(0);
        let logits = Tensor::randn([2, 118], (Kind::Float, Device::Cpu));
        let both = loss(Task::Both, &labels, &recipe, &logits);
        let apart = 3.0 * loss(Task::Gender, &labels, &recipe, &logits.narrow(1, 0, 1))
            + loss(Task::Years, &labels, &recipe, &logits.narrow(1, 1, 117));
        assert!((both - apart).abs() < 1e-4, "{both} and {apart}");
    }
}
