//! How to train: every choice with its default and its reason.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::Task;
use crate::dataset::Faces;

/// How the learning rate goes over a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// The same all along.
    Constant,
    /// Up to the learning rate for the share [`Recipe::warm_up`], down to 0 for the rest, both
    /// by a cosine
    /// (Smith and Topin, arXiv 1708.07120).
    OneCycle,
}

/// Epochs on pictures of another size than the net's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Side of the pictures, pixels.
    pub size: u32,
    /// How many epochs.
    pub epochs: usize,
}

/// How a net is trained. Saved beside its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Pictures a step.
    pub batch: usize,
    /// Passes over the training pictures, at most.
    pub epochs: usize,
    /// Adam's learning rate; with a schedule, its highest.
    pub learning_rate: f64,
    /// How the learning rate goes.
    pub schedule: Schedule,
    /// Share of the steps in which [`Schedule::OneCycle`] rises, 0 to 1.
    pub warm_up: f64,
    /// The first epochs, on smaller pictures: most is learnt at a fraction of the cost (after
    /// fast.ai's progressive resizing). The epochs that remain are on the net's own size.
    pub progressive: Vec<Stage>,
    /// Decoupled weight decay (AdamW), of weights only.
    pub weight_decay: f64,
    /// Stop after this many epochs without a better validation loss; `None` never does.
    pub patience: Option<usize>,
    /// Stop after this epoch, though the schedule is laid out for `epochs`; `None` goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<usize>,
    /// Random mirror images, small affine moves, light and colour, and erased patches.
    pub augment: bool,
    /// Gender: how far the targets 0 and 1 are drawn towards each other, so that mislabelled
    /// pictures weigh less.
    pub label_smoothing: f64,
    /// Age: the spread, in years, of the normal distribution around the true age whose share
    /// in each group is the target; 0 for the true group alone. Neighbouring groups so count
    /// as nearer, which is what the weighted loss of arXiv 1710.02985 is for.
    pub age_sigma: f64,
    /// Age: the weight of the expected age's absolute error, a year, beside the cross-entropy
    /// (as Gao et al., IJCAI 2018, join the two); 0 for the cross-entropy alone.
    pub expectation: f64,
    /// Gender and age by one net: the weight of gender's loss.
    pub gender_weight: f64,
    /// Mixup (Zhang et al., arXiv 1710.09412): how evenly two pictures are mixed, the parameter
    /// of a Beta distribution; 0 for none.
    pub mixup: f64,
    /// Decay a step of the running average of weights that is validated and kept; 0 for none.
    pub ema: f64,
    /// Decides the first weights, the order and the augmentation.
    pub seed: u64,
}

impl Recipe {
    /// The report's: Adam at 1e-4, batches of 64, at most 20 epochs for gender and 50 for age,
    /// stopped early; nothing else.
    pub fn report(task: Task) -> Self {
        Self {
            batch: 64,
            epochs: if task == Task::Gender { 20 } else { 50 },
            learning_rate: 1e-4,
            schedule: Schedule::Constant,
            warm_up: 0.3,
            progressive: vec![],
            weight_decay: 0.0,
            patience: Some(5),
            stop: None,
            augment: false,
            label_smoothing: 0.0,
            age_sigma: 0.0,
            expectation: 0.0,
            gender_weight: 1.0,
            mixup: 0.0,
            ema: 0.0,
            seed: 0,
        }
    }

    /// What the shipped models were trained by.
    pub fn shipped(task: Task) -> Self {
        Self {
            batch: 128,
            // Age is the harder of the two: it was still gaining at 40.
            epochs: if task == Task::Gender { 40 } else { 90 },
            learning_rate: 2e-3,
            schedule: Schedule::OneCycle,
            weight_decay: 0.05,
            patience: None,
            augment: true,
            label_smoothing: 0.1,
            age_sigma: 2.0,
            ema: 0.995,
            ..Self::report(task)
        }
    }

    /// A few epochs, for drawings.
    pub fn quick(task: Task) -> Self {
        Self {
            epochs: if task == Task::Gender { 6 } else { 10 },
            augment: false,
            ema: 0.9,
            ..Self::shipped(task)
        }
    }

    /// What suits the data: [`Recipe::shipped`] for UTKFace, [`Recipe::quick`] for drawings.
    pub fn suited(task: Task, faces: &Faces) -> Self {
        if faces.is_synthetic() {
            Self::quick(task)
        } else {
            Self::shipped(task)
        }
    }

    /// Refuses settings that can't train.
    ///
    /// # Errors
    /// A value outside its range, named with the range.
    pub fn check(&self) -> Result<()> {
        ensure!(
            (2..=65_536).contains(&self.batch),
            "a batch of {}: choose 2 to 65,536",
            self.batch
        );
        ensure!(
            (1..=100_000).contains(&self.epochs),
            "{} epochs: choose 1 or more",
            self.epochs
        );
        ensure!(
            self.learning_rate >= 0.0 && self.learning_rate <= 10.0,
            "a learning rate of {}: choose 0 to 10",
            self.learning_rate
        );
        ensure!(
            (0.0..=1.0).contains(&self.weight_decay),
            "a weight decay of {}: choose 0 to 1",
            self.weight_decay
        );
        ensure!(
            self.patience != Some(0),
            "a patience of 0 epochs: choose 1 or more, or None"
        );
        ensure!(
            (0.0..1.0).contains(&self.label_smoothing),
            "a label smoothing of {}: choose 0 to below 1",
            self.label_smoothing
        );
        ensure!(
            (0.0..=30.0).contains(&self.age_sigma),
            "an age spread of {} years: choose 0 to 30",
            self.age_sigma
        );
        for (what, weight) in [
            ("expectation", self.expectation),
            ("gender_weight", self.gender_weight),
            ("mixup", self.mixup),
        ] {
            ensure!(
                (0.0..=100.0).contains(&weight),
                "{what} of {weight}: choose 0 to 100"
            );
        }
        ensure!(
            (0.0..1.0).contains(&self.warm_up),
            "a warm-up of {} of the steps: choose 0 to below 1",
            self.warm_up
        );
        ensure!(
            self.progressive
                .iter()
                .all(|stage| (16..=512).contains(&stage.size)),
            "progressive sizes: choose 16 to 512 px"
        );
        ensure!(
            (0.0..1.0).contains(&self.ema),
            "an averaging decay of {}: choose 0 to below 1",
            self.ema
        );
        Ok(())
    }

    /// The size of an epoch's pictures (from 1), for a net of this input.
    pub(super) fn size(&self, epoch: usize, input: u32) -> u32 {
        let mut until = 0;
        for stage in &self.progressive {
            until += stage.epochs;
            if epoch <= until {
                return stage.size;
            }
        }
        input
    }

    /// The learning rate of a step, from 0.
    pub(super) fn rate(&self, step: i64, steps: i64) -> f64 {
        match self.schedule {
            Schedule::Constant => self.learning_rate,
            Schedule::OneCycle => {
                let cosine = |from: f64, to: f64, at: f64| {
                    to + (from - to) * (1.0 + (std::f64::consts::PI * at).cos()) / 2.0
                };
                let (at, top) = (step as f64 / steps.max(1) as f64, self.learning_rate);
                if at < self.warm_up {
                    cosine(top / 25.0, top, at / self.warm_up)
                } else {
                    cosine(top, top / 1e5, (at - self.warm_up) / (1.0 - self.warm_up))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cycle_rises_then_falls_to_nothing() {
        let recipe = Recipe::shipped(Task::Gender);
        let rates: Vec<f64> = (0..1000).map(|step| recipe.rate(step, 1000)).collect();
        let top = rates.iter().copied().fold(0.0, f64::max);
        assert!((top - recipe.learning_rate).abs() < 1e-9);
        assert!(
            (rates[300] - top).abs() < 1e-9 && rates[0] < top / 20.0 && rates[999] < top / 1000.0
        );
        assert!(rates[..300].is_sorted() && rates[300..].iter().rev().is_sorted());
        assert_eq!(Recipe::report(Task::age()).rate(7, 10), 1e-4);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let bad = Recipe {
            batch: 0,
            ..Recipe::report(Task::Gender)
        };
        assert!(bad.check().unwrap_err().to_string().contains("batch of 0"));
        let bad = Recipe {
            learning_rate: f64::NAN,
            ..Recipe::report(Task::Gender)
        };
        assert!(
            bad.check()
                .unwrap_err()
                .to_string()
                .contains("learning rate")
        );
    }
}
