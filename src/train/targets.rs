//! What the outputs should be, and how far they are from it.

use anyhow::Result;
use tch::{Device, Kind, Reduction, Tensor};

use super::Recipe;
use crate::Task;
use crate::dataset::Label;

/// The targets of all training pictures, on the device.
pub(super) struct Targets {
    task: Task,
    /// f32 `[n, outputs]`: a probability for gender, a distribution for age.
    outputs: Tensor,
    /// f32 `[n]`: the age, years.
    ages: Tensor,
    /// i64 `[n]`: the class of the first head.
    classes: Tensor,
}

impl Targets {
    pub(super) fn new(
        task: Task,
        labels: &[Label],
        recipe: &Recipe,
        device: Device,
    ) -> Result<Self> {
        let outputs: Vec<f32> = labels
            .iter()
            .flat_map(|label| target(task, label, recipe))
            .collect();
        let ages: Vec<f32> = labels.iter().map(|label| label.age as f32).collect();
        let first = task.heads()[0];
        let classes: Vec<i64> = labels
            .iter()
            .map(|label| first.class_of(label) as i64)
            .collect();
        Ok(Self {
            task,
            outputs: Tensor::f_from_slice(&outputs)?
                .f_view([labels.len() as i64, task.outputs()])?
                .f_to_device(device)?,
            ages: Tensor::f_from_slice(&ages)?.f_to_device(device)?,
            classes: Tensor::f_from_slice(&classes)?.f_to_device(device)?,
        })
    }

    /// Those of some pictures.
    pub(super) fn of(&self, chosen: &Tensor) -> Result<Self> {
        Ok(Self {
            task: self.task,
            outputs: self.outputs.f_index_select(0, chosen)?,
            ages: self.ages.f_index_select(0, chosen)?,
            classes: self.classes.f_index_select(0, chosen)?,
        })
    }

    #[cfg(test)]
    pub(super) fn outputs(&self) -> &Tensor {
        &self.outputs
    }

    /// Mixes them with those of other pictures, as mixup mixes the pictures; the classes stay.
    pub(super) fn mix(&mut self, order: &Tensor, share: f64) -> Result<()> {
        for tensor in [&mut self.outputs, &mut self.ages] {
            *tensor = tensor
                .f_mul_scalar(share)?
                .f_add(&tensor.f_index_select(0, order)?.f_mul_scalar(1.0 - share)?)?;
        }
        Ok(())
    }

    /// The loss of logits `[n, outputs]`, the mean over pictures.
    pub(super) fn loss(&self, logits: &Tensor, recipe: &Recipe) -> Result<Tensor> {
        let part = |tensor: &Tensor, from: i64, n: i64| tensor.f_narrow(1, from, n);
        match self.task {
            Task::Gender => gender_loss(logits, &self.outputs),
            Task::AgeGroup { .. } | Task::Years => self.age_loss(logits, &self.outputs, recipe),
            Task::Both => {
                let n = Task::Years.outputs();
                let gender = gender_loss(&part(logits, 0, 1)?, &part(&self.outputs, 0, 1)?)?;
                let age =
                    self.age_loss(&part(logits, 1, n)?, &part(&self.outputs, 1, n)?, recipe)?;
                Ok(gender.f_mul_scalar(recipe.gender_weight)?.f_add(&age)?)
            }
        }
    }

    fn age_loss(&self, logits: &Tensor, target: &Tensor, recipe: &Recipe) -> Result<Tensor> {
        let log = logits.f_log_softmax(1, Kind::Float)?;
        let n = logits.size()[0];
        let cross_entropy = -(log.f_mul(target)?.f_sum(Kind::Float)?.f_div_scalar(n)?);
        if recipe.expectation == 0.0 {
            return Ok(cross_entropy);
        }
        let years: Vec<f32> = self.task.ages().iter().map(|age| *age as f32).collect();
        let years = Tensor::f_from_slice(&years)?.f_to_device(logits.device())?;
        let error = log
            .f_exp()?
            .f_mv(&years)?
            .f_sub(&self.ages)?
            .f_abs()?
            .f_mean(Kind::Float)?;
        Ok(cross_entropy.f_add(&error.f_mul_scalar(recipe.expectation)?)?)
    }

    /// How many pictures the first head answers right: an i64 on the device.
    pub(super) fn right(&self, logits: &Tensor) -> Result<Tensor> {
        let answers = match self.task {
            Task::Gender | Task::Both => {
                logits.f_select(1, 0)?.f_gt(0.0)?.f_to_kind(Kind::Int64)?
            }
            Task::AgeGroup { .. } => logits.f_argmax(1, false)?,
            Task::Years => {
                let year = logits.f_argmax(1, false)?;
                year.f_sub_scalar(1)?
                    .f_clamp_min(0)?
                    .f_floor_divide_scalar(5)?
            }
        };
        Ok(answers.f_eq_tensor(&self.classes)?.f_sum(Kind::Int64)?)
    }
}

fn gender_loss(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    Ok(logits.f_binary_cross_entropy_with_logits::<Tensor>(target, None, None, Reduction::Mean)?)
}

/// What the outputs should be for one picture.
fn target(task: Task, label: &Label, recipe: &Recipe) -> Vec<f32> {
    // The upper end of each output's ages; a year reaches half a year to either side.
    let ends: Vec<f64> = match task {
        Task::Gender => {
            let smooth = recipe.label_smoothing as f32;
            return vec![label.gender as u8 as f32 * (1.0 - smooth) + smooth / 2.0];
        }
        Task::Both => {
            let heads = task.heads().into_iter();
            return heads.flat_map(|head| target(head, label, recipe)).collect();
        }
        Task::AgeGroup { gap } => (1..=task.outputs())
            .map(|group| f64::from(gap) * group as f64 + 0.5)
            .collect(),
        Task::Years => task.ages().iter().map(|age| age + 0.5).collect(),
    };
    let age = f64::from(label.age).min(task.ages().last().map_or(0.0, |oldest| oldest.ceil()));
    // The share of a normal distribution around the age, or of the age alone, below an end.
    let below = |end: f64| match recipe.age_sigma {
        0.0 => f64::from(age < end),
        sigma => normal_below((end - age) / sigma),
    };
    let last = ends.len() - 1;
    let mut from = 0.0;
    ends.iter()
        .enumerate()
        .map(|(i, end)| {
            let to = if i == last { 1.0 } else { below(*end) };
            let share = to - from;
            from = to;
            share as f32
        })
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Gender;

    fn top(target: &[f32]) -> usize {
        (0..target.len())
            .max_by(|a, b| target[*a].total_cmp(&target[*b]))
            .unwrap()
    }

    #[test]
    fn targets_are_distributions_around_the_truth() {
        let recipe = Recipe {
            age_sigma: 2.0,
            label_smoothing: 0.1,
            ..Recipe::report(Task::Gender)
        };
        let sharp = Recipe {
            age_sigma: 0.0,
            ..recipe.clone()
        };
        for age in [0, 1, 5, 6, 13, 33, 58, 60, 100, 116] {
            let label = Label::of(age, Gender::Male);
            for recipe in [&recipe, &sharp] {
                let groups = target(Task::age(), &label, recipe);
                assert!((groups.iter().sum::<f32>() - 1.0).abs() < 1e-6);
                assert_eq!(top(&groups), Task::age().group_of(age), "age {age}");
                let years = target(Task::Years, &label, recipe);
                assert!((years.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            }
            // At the ends of the range the last output takes what lies beyond it.
            if (5..110).contains(&age) {
                assert_eq!(top(&target(Task::Years, &label, &recipe)), age as usize);
            }
            assert_eq!(target(Task::Years, &label, &sharp)[age as usize], 1.0);
        }
        let of = |gender| target(Task::Gender, &Label::of(30, gender), &recipe);
        assert_eq!(
            (of(Gender::Female), of(Gender::Male)),
            (vec![0.95], vec![0.05])
        );
        assert_eq!(
            target(Task::Both, &Label::of(30, Gender::Female), &recipe).len(),
            118
        );
        assert!(
            (normal_below(1.96) - 0.975_002).abs() < 1e-6
                && (normal_below(-1.0) - 0.158_655).abs() < 1e-6
        );
    }

    #[test]
    fn the_loss_of_both_is_the_sum_of_its_heads() {
        let _turn = crate::random::turn();
        let labels = [Label::of(20, Gender::Female), Label::of(40, Gender::Male)];
        let recipe = Recipe {
            gender_weight: 3.0,
            expectation: 0.5,
            ..Recipe::shipped(Task::Both)
        };
        tch::manual_seed(0);
        let logits = Tensor::randn([2, 118], (Kind::Float, Device::Cpu));
        let loss = |task, logits: &Tensor| -> f64 {
            let targets = Targets::new(task, &labels, &recipe, Device::Cpu).unwrap();
            f64::try_from(targets.loss(logits, &recipe).unwrap()).unwrap()
        };
        let both = loss(Task::Both, &logits);
        let apart = 3.0 * loss(Task::Gender, &logits.narrow(1, 0, 1))
            + loss(Task::Years, &logits.narrow(1, 1, 117));
        assert!((both - apart).abs() < 1e-4, "{both} and {apart}");
    }
}
