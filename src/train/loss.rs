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
    /// One per class of the first head; none if all weigh the same.
    class_weights: Vec<f64>,
}

impl RecipeLoss {
    pub(crate) fn new(task: Task, recipe: &Recipe, class_weights: &[f64]) -> Self {
        Self {
            task,
            expectation: recipe.expectation,
            gender_weight: recipe.gender_weight,
            class_weights: class_weights.to_vec(),
        }
    }

    /// f32 `[n, 1]`: the weight of each image; `None` if all weigh the same.
    fn weights(&self, targets: &Targets) -> Result<Option<Tensor>> {
        if self.class_weights.is_empty() {
            return Ok(None);
        }
        let classes = targets.classes();
        let weights = Tensor::f_from_slice(&self.class_weights)?.f_to_kind(Kind::Float)?;
        let each = weights.f_to_device(classes.device())?.f_index_select(0, classes)?;
        Ok(Some(each.f_view([-1, 1])?))
    }

    fn age(
        &self,
        logits: &Tensor,
        target: &Tensor,
        ages: &Tensor,
        weights: Option<&Tensor>,
    ) -> Result<Tensor> {
        let log = logits.f_log_softmax(1, Kind::Float)?;
        let n = logits.size()[0];
        let mut each = log.f_mul(target)?;
        if let Some(weights) = weights {
            each = each.f_mul(weights)?;
        }
        let cross_entropy = each.f_sum(Kind::Float)?.f_div_scalar(n)?.f_neg()?;
        if self.expectation == 0.0 {
            return Ok(cross_entropy);
        }
        let years = years(self.task)?.f_to_device(logits.device())?;
        let mut error = log.f_exp()?.f_mv(&years)?.f_sub(ages)?.f_abs()?;
        if let Some(weights) = weights {
            error = error.f_mul(&weights.f_view([-1])?)?;
        }
        let error = error.f_mean(Kind::Float)?;
        Ok(cross_entropy.f_add(&error.f_mul_scalar(self.expectation)?)?)
    }
}

fn gender(logits: &Tensor, target: &Tensor, weights: Option<&Tensor>) -> Result<Tensor> {
    Ok(logits.f_binary_cross_entropy_with_logits(target, weights, None, Reduction::Mean)?)
}

impl Loss for RecipeLoss {
    fn id(&self) -> String {
        // Its settings are part of the recipe, which is in the key.
        match &self.class_weights[..] {
            [] => "recipe".to_owned(),
            weights => format!("recipe, class weights {weights:?}"),
        }
    }

    fn of(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor> {
        let (outputs, weights) = (targets.outputs(), self.weights(targets)?);
        let weights = weights.as_ref();
        match self.task {
            Task::Gender => gender(logits, outputs, weights),
            Task::AgeGroup { .. } | Task::Years => {
                self.age(logits, outputs, targets.ages(), weights)
            }
            Task::Both => {
                let n = Task::Years.outputs();
                let (one, target) = (logits.f_narrow(1, 0, 1)?, outputs.f_narrow(1, 0, 1)?);
                let female = gender(&one, &target, weights)?;
                let (logits, outputs) = (logits.f_narrow(1, 1, n)?, outputs.f_narrow(1, 1, n)?);
                let age = self.age(&logits, &outputs, targets.ages(), None)?;
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
        f64::try_from(RecipeLoss::new(task, recipe, &[]).of(logits, &targets).unwrap()).unwrap()
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
    fn a_class_of_weight_0_does_not_count_and_one_of_2_counts_twice() {
        let labels = [Label::new(3, Gender::Female), Label::new(60, Gender::Male)];
        let recipe = Recipe { expectation: 0.1, ..Recipe::report(Task::Gender) };
        for task in [Task::Gender, Task::age_group()] {
            let _turn = utils::random::turn();
            let logits = Tensor::randn([2, task.outputs()], (Kind::Float, Device::Cpu));
            let weighted = |female: f64, male: f64| {
                let mut weights = vec![0.0; task.classes().len()];
                (weights[task.class_of(&labels[0])], weights[task.class_of(&labels[1])]) =
                    (female, male);
                let targets = Targets::new(task, &labels, &recipe, Device::Cpu).unwrap();
                let loss = RecipeLoss::new(task, &recipe, &weights);
                f64::try_from(loss.of(&logits, &targets).unwrap()).unwrap()
            };
            let all = loss(task, &labels, &recipe, &logits);
            assert!((weighted(1.0, 1.0) - all).abs() < 1e-6);
            assert!((weighted(1.0, 0.0) + weighted(0.0, 1.0) - all).abs() < 1e-6);
            assert!((weighted(2.0, 0.0) - 2.0 * weighted(1.0, 0.0)).abs() < 1e-6);
        }
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
