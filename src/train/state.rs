//! The state of a training.

use anyhow::Result;
use tch::Tensor;

use super::Recipe;
use crate::model::Net;
use layers::{AdamW, FlatNet, Ranks, Weights};

/// The state of a training: what a checkpoint holds.
#[derive(Debug)]
pub(super) struct State {
    pub(super) net: FlatNet,
    pub(super) adamw: AdamW,
    /// Moving average of the network's weights.
    pub(super) average: Weights,
    /// The average at the best epoch.
    pub(super) best: Weights,
}

impl State {
    pub(super) fn new(net: &Net, recipe: &Recipe) -> Result<Self> {
        let config = net.config();
        let net =
            FlatNet::new(net.variables(), net.device(), |variable| config.is_backbone(variable))?;
        let parameters = &net.weights.parameters;
        Ok(Self {
            adamw: AdamW::new(parameters, recipe.weight_decay, recipe.backbone_rate)?,
            average: net.weights.copied()?,
            best: net.weights.copied()?,
            net,
        })
    }

    /// The tensors by their names in a checkpoint.
    pub(super) fn named(&mut self) -> [(&'static str, &mut Tensor); 8] {
        [
            ("weights", &mut self.net.weights.parameters),
            ("statistics", &mut self.net.weights.statistics),
            ("first_moment", &mut self.adamw.first_moment),
            ("second_moment", &mut self.adamw.second_moment),
            ("average", &mut self.average.parameters),
            ("average_statistics", &mut self.average.statistics),
            ("best", &mut self.best.parameters),
            ("best_statistics", &mut self.best.statistics),
        ]
    }

    /// Copies the state of the first rank to all ranks.
    pub(super) fn follow(&mut self, ranks: &Ranks) -> Result<()> {
        for (_, tensor) in self.named() {
            ranks.follow(tensor)?;
        }
        self.adamw.steps = ranks.first_says(self.adamw.steps)?;
        Ok(())
    }

    /// Averages the running statistics over the ranks, since each has its own batches; everything
    /// else is the same on all ranks.
    pub(super) fn share_statistics(&mut self, ranks: &Ranks) -> Result<()> {
        ranks.mean(&mut self.net.weights.statistics)?;
        ranks.mean(&mut self.average.statistics)
    }

    /// Runs `f` with the averaged weights in the network.
    pub(super) fn with_average<T>(&mut self, f: impl FnOnce() -> Result<T>) -> Result<T> {
        let own = self.net.weights.copied()?;
        self.net.weights.copy_from(&self.average)?;
        let result = f();
        self.net.weights.copy_from(&own)?;
        result
    }
}
