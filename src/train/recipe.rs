//! How to train: every choice with its default and its reason.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::{Augment, Schedule};
use crate::Task;
use crate::data::Faces;

/// Epochs on images of another size than the network's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Side of the images, pixels.
    pub size: u32,
    /// How many epochs.
    pub epochs: usize,
}

/// How a network is trained. It is saved in the card beside the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Batch size.
    pub batch: usize,
    /// Maximum number of epochs.
    pub epochs: usize,
    /// Adam's learning rate; with a schedule, its highest.
    pub learning_rate: f64,
    /// The learning rate of a pretrained backbone, as a share of `learning_rate`, 0 to 1: low, so that
    /// what it knows is kept. Networks without one ignore it. Default: 1.
    #[serde(default = "one")]
    pub backbone_rate: f64,
    /// How the learning rate goes.
    pub schedule: Schedule,
    /// Share of the steps in which [`Schedule::OneCycle`] rises, 0 to 1.
    pub warm_up: f64,
    /// First epochs on images of other sizes: small ones teach most at a fraction of the cost
    /// (fast.ai's progressive resizing). The remaining epochs, at least one, use the network's own
    /// size.
    pub progressive: Vec<Stage>,
    /// Decoupled weight decay (AdamW), of weights only.
    pub weight_decay: f64,
    /// Stop after this many epochs without a better validation loss; `None` never does.
    pub patience: Option<usize>,
    /// Stop after this epoch, though the schedule is laid out for `epochs`; `None` goes on.
    #[serde(default)]
    pub stop: Option<usize>,
    /// How strongly training images are changed.
    pub augment: Augment,
    /// Gender: how far the targets 0 and 1 are drawn towards each other, so that mislabelled
    /// images weigh less.
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
    /// Mixup (Zhang et al., arXiv 1710.09412): how evenly two images are mixed, the parameter
    /// of a Beta distribution; 0 for none.
    pub mixup: f64,
    /// Distillation (Hinton et al., arXiv 1503.02531): the share of each target that is what the
    /// teachers predict for the image as it is changed, 0 to 1; the rest is its label. Without
    /// teachers it does nothing.
    #[serde(default)]
    pub distillation: f64,
    /// Whether the batches of several ranks are normalised together (synchronised batch
    /// normalisation), so that ranks take the steps of one process; by default each normalises its
    /// own, as `DistributedDataParallel` does. Without ranks it does nothing.
    #[serde(default)]
    pub synchronised: bool,
    /// Decay a step of the running average of weights that is validated and kept; 0 for none.
    pub ema: f64,
    /// Decides the first weights, the order and the augmentation.
    pub seed: u64,
}

fn one() -> f64 {
    1.0
}

impl Recipe {
    /// The report's: Adam at 1e-4, batches of 64, at most 20 epochs for gender and 50 for age,
    /// stopped early; nothing else.
    pub fn report(task: Task) -> Self {
        Self {
            batch: 64,
            epochs: if task == Task::Gender { 20 } else { 50 },
            learning_rate: 1e-4,
            backbone_rate: 1.0,
            schedule: Schedule::Constant,
            warm_up: 0.3,
            progressive: vec![],
            weight_decay: 0.0,
            patience: Some(5),
            stop: None,
            augment: Augment::none(),
            label_smoothing: 0.0,
            age_sigma: 0.0,
            expectation: 0.0,
            gender_weight: 1.0,
            mixup: 0.0,
            distillation: 0.0,
            synchronised: false,
            ema: 0.0,
            seed: 0,
        }
    }

    /// What the models that ship were trained by, but for what their experiment files change.
    pub fn shipped(task: Task) -> Self {
        Self {
            batch: 128,
            // Age is the harder of the two: it was still gaining at 40.
            epochs: if task == Task::Gender { 40 } else { 60 },
            learning_rate: 2e-3,
            schedule: Schedule::OneCycle,
            weight_decay: 0.05,
            patience: None,
            augment: Augment::default(),
            label_smoothing: 0.1,
            age_sigma: 2.0,
            ema: 0.995,
            ..Self::report(task)
        }
    }

    /// The most accuracy in a few minutes on two cores at 32 px. Augmentation is weaker, since so few
    /// epochs don't overfit, and the learning rate peaks after half an epoch.
    pub fn fast(task: Task) -> Self {
        Self {
            epochs: 14,
            learning_rate: 3e-3,
            warm_up: 0.03,
            weight_decay: 0.02,
            augment: Augment {
                rotation: 0.1,
                scale: 0.08,
                shift: 0.08,
                contrast: 0.15,
                level: 0.15,
                erased: 0.0,
                ..Augment::default()
            },
            ema: 0.99,
            ..Self::shipped(task)
        }
    }

    /// A few epochs, for synthetic faces.
    pub fn quick(task: Task) -> Self {
        Self {
            epochs: if task == Task::Gender { 6 } else { 10 },
            augment: Augment::none(),
            ema: 0.9,
            ..Self::shipped(task)
        }
    }

    /// Fine-tuning on other faces: a few epochs at a low rate, with the augmentation and averaging of
    /// the network's own training, without its teachers.
    pub fn fine_tuning(own: &Recipe) -> Self {
        Self {
            epochs: 8,
            learning_rate: 3e-4,
            warm_up: 0.15,
            progressive: vec![],
            stop: None,
            distillation: 0.0,
            ..own.clone()
        }
    }

    /// Gender and age by one network of 32 px: what `both-32px` was trained by.
    pub(crate) fn both() -> Self {
        Self {
            epochs: 84,
            learning_rate: 3e-3,
            warm_up: 0.15,
            expectation: 0.2,
            gender_weight: 2.0,
            seed: 2,
            augment: Augment {
                rotation: 0.15,
                scale: 0.1,
                shift: 0.1,
                contrast: 0.2,
                level: 0.2,
                erased: 0.2,
                brightness: 0.2,
                grey: 0.1,
                blur: 0.01,
                noise: 0.15,
                ..Augment::default()
            },
            ..Self::shipped(Task::Both)
        }
    }

    /// What suits the data: for photographs, what the networks of 32 px that ship were trained by;
    /// [`Recipe::quick`] for synthetic faces.
    pub fn suited(task: Task, faces: &Faces) -> Self {
        match task {
            _ if faces.is_synthetic() => Self::quick(task),
            Task::Both => Self::both(),
            _ => Self::shipped(task),
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
            "{} epochs: choose 1 to 100,000",
            self.epochs
        );
        ensure!(
            self.learning_rate >= 0.0 && self.learning_rate <= 10.0,
            "a learning rate of {}: choose 0 to 10",
            self.learning_rate
        );
        ensure!(
            (0.0..=1.0).contains(&self.backbone_rate),
            "a backbone rate of {}: choose 0 to 1",
            self.backbone_rate
        );
        ensure!(
            (0.0..=1.0).contains(&self.weight_decay),
            "a weight decay of {}: choose 0 to 1",
            self.weight_decay
        );
        ensure!(
            self.stop.is_none_or(|stop| (1..=self.epochs).contains(&stop)),
            "a stop after {} epochs: choose 1 to {}, or None",
            self.stop.unwrap_or_default(),
            self.epochs
        );
        ensure!(self.patience != Some(0), "a patience of 0 epochs: choose 1 or more, or None");
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
        ensure!(
            (0.0..=1.0).contains(&self.distillation),
            "a distillation of {}: choose 0 to 1",
            self.distillation
        );
        for (what, weight) in [
            ("expectation", self.expectation),
            ("gender_weight", self.gender_weight),
            ("mixup", self.mixup),
        ] {
            ensure!((0.0..=100.0).contains(&weight), "{what} of {weight}: choose 0 to 100");
        }
        ensure!(
            (0.0..1.0).contains(&self.warm_up),
            "a warm-up of {} of the steps: choose 0 to below 1",
            self.warm_up
        );
        ensure!(
            self.progressive.iter().all(|stage| (16..=512).contains(&stage.size)),
            "progressive sizes: choose 16 to 512 px"
        );
        let staged: usize = self.progressive.iter().map(|stage| stage.epochs).sum();
        let last = self.stop.unwrap_or(self.epochs);
        ensure!(
            staged < last,
            "progressive stages take {staged} of {last} epochs: leave at least one epoch \
             for images of the network's own size"
        );
        self.augment.check()?;
        ensure!(
            (0.0..1.0).contains(&self.ema),
            "an averaging decay of {}: choose 0 to below 1",
            self.ema
        );
        Ok(())
    }

    /// The size of an epoch's images (from 1), for a network of this input.
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
        let at = step as f64 / steps.max(1) as f64;
        self.schedule.rate(self.learning_rate, self.warm_up, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused_by_name() {
        let wrong = |recipe: Recipe| recipe.check().unwrap_err().to_string();
        let report = || Recipe::report(Task::Gender);
        assert!(wrong(Recipe { batch: 0, ..report() }).contains("batch of 0"));
        let recipe = Recipe { learning_rate: f64::NAN, ..report() };
        assert!(wrong(recipe).contains("learning rate"));
        let stop = Some(0);
        assert!(wrong(Recipe { stop, ..report() }).contains("stop after 0"));
    }

    #[test]
    fn stages_leave_an_epoch_for_the_nets_own_size() {
        let recipe = |stages: &[usize], stop| Recipe {
            epochs: 10,
            stop,
            progressive: stages.iter().map(|&epochs| Stage { size: 32, epochs }).collect(),
            ..Recipe::report(Task::Gender)
        };
        assert!(recipe(&[4, 5], None).check().is_ok());
        assert_eq!(recipe(&[4, 5], None).size(9, 64), 32);
        assert_eq!(recipe(&[4, 5], None).size(10, 64), 64);
        for (stages, stop) in [(&[4, 6][..], None), (&[5], Some(5)), (&[20], None)] {
            let refused = recipe(stages, stop).check().unwrap_err().to_string();
            assert!(refused.contains("at least one epoch"), "{refused}");
        }
    }
}
