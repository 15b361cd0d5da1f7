//! What a training is made of, besides the network.

use anyhow::{Result, ensure};
use tch::{Device, Kind, Tensor};

use super::batches::Batches;
use super::teachers::Teacher;
use super::{Augmentation, Epoch, Loss, Recipe};
use crate::Task;
use crate::data::Faces;
use crate::metrics::{LabelledPredictions, Predictions, is_finite};
use crate::model::{Net, logits_of};
use layers::Ranks;

/// Everything a training is made of, besides the network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) faces: &'a Faces,
    /// Indices of the images to train on and to validate on.
    pub(crate) train: &'a [usize],
    pub(crate) validation: &'a [usize],
    pub(crate) task: Task,
    pub(crate) recipe: &'a Recipe,
    pub(crate) loss: &'a dyn Loss,
    /// Applied after the recipe's own.
    pub(crate) augmentation: Option<&'a dyn Augmentation>,
    /// What to learn from in addition to the labels.
    pub(crate) teachers: &'a [Teacher],
    /// The arithmetic to train in, where the network's layers allow it.
    pub(crate) kind: Kind,
    pub(crate) ranks: &'a Ranks,
}

impl Job<'_> {
    /// The training images for a network that sees them at `size`, with their targets, on a device.
    pub(super) fn batches(&self, size: u32, device: Device) -> Result<Batches> {
        let loaded = self.teachers.iter().map(Teacher::input).fold(size, u32::max);
        let mut batches =
            Batches::new(self.faces, self.train, self.task, self.recipe, loaded, device)?;
        batches.size = size;
        ensure!(
            batches.batch() >= self.ranks.size() as i64,
            "a batch of {} images cannot be split across {} ranks",
            batches.batch(),
            self.ranks.size()
        );
        Ok(batches)
    }

    /// Logits of images and of their mirror images, f32 `[2, n, outputs]`; each rank computes its
    /// share.
    pub(crate) fn logits(&self, net: &Net, kind: Kind, of: &[usize], size: u32) -> Result<Tensor> {
        self.ranks.gathered(of.len(), 1, |share| logits_of(net, kind, self.faces, &of[share], size))
    }

    /// Puts loss, accuracy and error on the validation set into an epoch.
    pub(super) fn validate(&self, net: &Net, epoch: &mut Epoch) -> Result<()> {
        let labels = self.faces.labels(self.validation)?;
        let logits = self.logits(net, net.kind(self.kind), self.validation, epoch.size)?;
        if !is_finite(&logits)? {
            epoch.validation_loss = f64::NAN; // ends the training, whose error says why
            return Ok(());
        }
        let heads = Predictions::from_logits(self.task, &[], &logits)?;
        for (i, head) in heads.into_iter().enumerate() {
            let labelled = LabelledPredictions::new(head, labels.clone());
            epoch.validation_loss += labelled.loss();
            epoch.validation_mae = epoch.validation_mae.or(labelled.mae());
            if i == 0 {
                epoch.validation_accuracy = labelled.accuracy();
            }
        }
        Ok(())
    }
}
