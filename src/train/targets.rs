//! Target outputs of training images.

use anyhow::Result;
use statrs::distribution::{ContinuousCDF, Normal};
use tch::{Device, Kind, Tensor};

use super::Recipe;
use crate::Task;
use crate::task::{Label, MAX_AGE, OLDEST};

/// The targets of images, on the device.
#[derive(Debug)]
pub struct Targets {
    task: Task,
    outputs: Tensor,
    ages: Tensor,
    classes: Tensor,
}

impl Targets {
    /// Creates the targets of images from their labels.
    pub(super) fn new(
        task: Task,
        labels: &[Label],
        recipe: &Recipe,
        device: Device,
    ) -> Result<Self> {
        let outputs: Vec<f32> =
            labels.iter().flat_map(|label| target(task, label, recipe)).collect();
        let ages: Vec<f32> = labels.iter().map(|label| label.age as f32).collect();
        let first = task.heads()[0];
        let classes: Vec<i64> = labels.iter().map(|label| first.class_of(label) as i64).collect();
        Ok(Self {
            task,
            outputs: Tensor::f_from_slice(&outputs)?
                .f_view([labels.len() as i64, task.outputs()])?
                .f_to_device(device)?,
            ages: Tensor::f_from_slice(&ages)?.f_to_device(device)?,
            classes: Tensor::f_from_slice(&classes)?.f_to_device(device)?,
        })
    }

    /// Mixes in the predictions of teachers, in the form of [`Targets::outputs`], with this share.
    pub(super) fn learn(&mut self, taught: &Tensor, share: f64) -> Result<()> {
        if self.task.has_age() {
            self.ages = self.ages.f_lerp(&expected_ages(self.task, taught)?, share)?;
        }
        self.outputs = self.outputs.f_lerp(taught, share)?;
        Ok(())
    }

    /// Selects the targets of images: `chosen`, i64 `[k]`, counts from 0.
    pub(super) fn select(&self, chosen: &Tensor) -> Result<Self> {
        Ok(Self {
            task: self.task,
            outputs: self.outputs.f_index_select(0, chosen)?,
            ages: self.ages.f_index_select(0, chosen)?,
            classes: self.classes.f_index_select(0, chosen)?,
        })
    }

    /// f32 `[n, outputs]`: the probability of female for gender, a distribution for age, both in
    /// one row for [`Task::Both`]; smoothed by the recipe and mixed by mixup.
    pub fn outputs(&self) -> &Tensor {
        &self.outputs
    }

    /// f32 `[n]`: the age in years; mixed by mixup.
    pub fn ages(&self) -> &Tensor {
        &self.ages
    }

    /// i64 `[n]`: the class of the first head; never mixed.
    pub fn classes(&self) -> &Tensor {
        &self.classes
    }

    /// Mixes the targets with those of other images, as mixup mixes the images; classes are
    /// unchanged.
    pub(super) fn mix(&mut self, order: &Tensor, share: f64) -> Result<()> {
        for tensor in [&mut self.outputs, &mut self.ages] {
            let other = tensor.f_index_select(0, order)?;
            *tensor = tensor.f_mul_scalar(share)?.f_add(&other.f_mul_scalar(1.0 - share)?)?;
        }
        Ok(())
    }

    /// Number of images for which the first head predicts the correct class: i64 on the device.
    pub(super) fn right(&self, logits: &Tensor) -> Result<Tensor> {
        let classes = match self.task {
            Task::Gender | Task::Both => {
                logits.f_select(1, 0)?.f_gt(0.0)?.f_to_kind(Kind::Int64)?
            }
            Task::AgeGroup { .. } => logits.f_argmax(1, false)?,
            Task::Years => {
                let year = logits.f_argmax(1, false)?;
                year.f_sub_scalar(1)?.f_clamp_min(0)?.f_floor_divide_scalar(5)?
            }
        };
        Ok(classes.f_eq_tensor(&self.classes)?.f_sum(Kind::Int64)?)
    }
}

/// f32 `[n]`: the expected ages in years of distributions over the age head's outputs.
fn expected_ages(task: Task, outputs: &Tensor) -> Result<Tensor> {
    let years = years(task)?.f_to_device(outputs.device())?;
    let n = years.numel() as i64;
    Ok(outputs.f_narrow(1, task.outputs() - n, n)?.f_mv(&years)?)
}

/// f32 `[n]`: the age in years that each output of the age head stands for.
pub(super) fn years(task: Task) -> Result<Tensor> {
    let years: Vec<f32> = task.ages().iter().map(|age| *age as f32).collect();
    Ok(Tensor::f_from_slice(&years)?)
}

/// The target outputs of one image.
fn target(task: Task, label: &Label, recipe: &Recipe) -> Vec<f32> {
    // Upper end of each output's ages; a year extends half a year to either side.
    let (ends, oldest): (Vec<f64>, u32) = match task {
        Task::Gender => {
            let smooth = recipe.label_smoothing as f32;
            return vec![label.gender as u8 as f32 * (1.0 - smooth) + smooth / 2.0];
        }
        Task::Both => {
            let heads = task.heads().into_iter();
            return heads.flat_map(|head| target(head, label, recipe)).collect();
        }
        Task::AgeGroup { gap } => {
            let ends = (1..=task.outputs()).map(|group| f64::from(gap) * group as f64 + 0.5);
            (ends.collect(), MAX_AGE)
        }
        Task::Years => (task.ages().iter().map(|age| age + 0.5).collect(), OLDEST),
    };
    let age = f64::from(label.age.min(oldest));
    // The share of a normal distribution around the age, or of the age alone, below an end.
    let normal = Normal::new(age, recipe.age_sigma).ok();
    let below = |end: f64| match &normal {
        Some(normal) if recipe.age_sigma > 0.0 => normal.cdf(end),
        _ => f64::from(age < end),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Gender;

    fn top(target: &[f32]) -> usize {
        (0..target.len()).max_by(|a, b| target[*a].total_cmp(&target[*b])).unwrap()
    }

    #[test]
    fn targets_are_distributions_around_the_truth() {
        let recipe =
            Recipe { age_sigma: 2.0, label_smoothing: 0.1, ..Recipe::report(Task::Gender) };
        let sharp = Recipe { age_sigma: 0.0, ..recipe.clone() };
        for age in [0, 1, 5, 6, 13, 33, 58, 60, 100, 116] {
            let label = Label::new(age, Gender::Male);
            for recipe in [&recipe, &sharp] {
                let groups = target(Task::age_group(), &label, recipe);
                assert!((groups.iter().sum::<f32>() - 1.0).abs() < 1e-6);
                assert_eq!(top(&groups), Task::age_group().group_of(age), "age {age}");
                let years = target(Task::Years, &label, recipe);
                assert!((years.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            }
            // At the ends of the range, the last output takes the rest of the distribution.
            if (5..110).contains(&age) {
                assert_eq!(top(&target(Task::Years, &label, &recipe)), age as usize);
            }
            assert_eq!(target(Task::Years, &label, &sharp)[age as usize], 1.0);
        }
        let of = |gender| target(Task::Gender, &Label::new(30, gender), &recipe);
        assert_eq!((of(Gender::Female), of(Gender::Male)), (vec![0.95], vec![0.05]));
        let both = target(Task::Both, &Label::new(30, Gender::Female), &recipe);
        assert_eq!(both.len(), 118);
    }

    #[test]
    fn teachers_have_their_share_of_outputs_and_ages() {
        let recipe = Recipe::report(Task::Both);
        let mut taught = vec![0f32; 118];
        (taught[0], taught[1 + 40], taught[1 + 50]) = (0.2, 0.5, 0.5);
        let taught = Tensor::from_slice(&taught).view([1, 118]);
        let labels = [Label::new(25, Gender::Female)];
        let mut mixed = Targets::new(Task::Both, &labels, &recipe, Device::Cpu).unwrap();
        assert_eq!(mixed.outputs().double_value(&[0, 26]), 1.0);
        mixed.learn(&taught, 0.75).unwrap();
        let at = |output: i64| mixed.outputs().double_value(&[0, output]);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-5, "{a} is not {b}");
        near(at(0), 0.25 + 0.75 * 0.2);
        near(at(1 + 25), 0.25);
        near(at(1 + 40), 0.375);
        near(mixed.ages().double_value(&[0]), 0.25 * 25.0 + 0.75 * 45.0);
    }

    /// The oldest age stays near the end of the last group, ages 56 to 60: a normal distribution
    /// around 60 has 1 - cdf((55.5 - 60) / 2) = 0.9878 of its weight there.
    #[test]
    fn an_age_of_60_is_not_taken_for_the_middle_of_its_group() {
        let recipe = Recipe { age_sigma: 2.0, ..Recipe::report(Task::age_group()) };
        let last = |age| target(Task::age_group(), &Label::new(age, Gender::Male), &recipe)[11];
        assert!((last(60) - 0.987_776).abs() < 1e-5, "{}", last(60));
        assert!((last(58) - 0.894_350).abs() < 1e-5, "{}", last(58));
        assert_eq!(last(90), last(60));
    }

    #[test]
    fn right_predictions_are_counted_by_the_first_head() {
        let labels = [6, 30, 60].map(|age| Label::new(age, Gender::Female));
        let recipe = Recipe::report(Task::Gender);
        let right = |task: Task, hot: [i64; 3]| {
            let targets = Targets::new(task, &labels, &recipe, Device::Cpu).unwrap();
            let logits = Tensor::zeros([3, task.outputs()], (Kind::Float, Device::Cpu));
            for (row, column) in hot.into_iter().enumerate() {
                let _ = logits.get(row as i64).narrow(0, column, 1).fill_(1.0);
            }
            i64::try_from(targets.right(&logits).unwrap()).unwrap()
        };
        assert_eq!(right(Task::Years, [10, 26, 61]), 2); // 61 is a group too old
        assert_eq!(right(Task::age_group(), [1, 5, 11]), 3);
        assert_eq!(right(Task::Both, [0, 0, 7]), 2); // female only where output 0 is above 0
    }
}
