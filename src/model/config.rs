//! Everything that decides a net's shape, in one place.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// Which of the two definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// The report's and the papers' RoR: [`super::Ror`].
    Ror,
    /// What the original's notebook coded: [`super::Coded`].
    Coded,
}

/// A net's shape. Saved beside its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetConfig {
    /// Which definition.
    pub architecture: Architecture,
    /// Side of the input pictures, pixels. Default: 32.
    pub input: u32,
    /// Channels of the four groups; the stem has as many as the first. Default: 64, 128, 256, 512.
    pub widths: [i64; 4],
    /// Bottleneck blocks in each group. Default: 2 each.
    pub blocks: [usize; 4],
    /// A block's 3x3 convolution has its width divided by this. Default: 2.
    pub bottleneck: i64,
    /// Step of the stem's convolution: 2 halves the picture, for large inputs. Default: 1.
    pub stem_stride: i64,
    /// Step of the stem's max pooling: 2 halves the picture, 1 does not. Default: 2.
    pub pool: i64,
    /// Width of the dense layer before the head. Default: 256.
    pub dense: i64,
    /// Share of the dense layer dropped in training. Default: 0.2.
    pub dropout: f64,
    /// Outputs: [`crate::Task::outputs`].
    pub outputs: i64,
    /// Probability that the last block survives a training step (stochastic depth, falling
    /// linearly from 1 at the stem); 1 turns it off. Default: 0.7.
    pub survival: f64,
    /// Whether there is a shortcut from the stem to the end. Default: yes.
    pub root_shortcut: bool,
    /// Whether there is a shortcut around each group. Default: yes.
    pub middle_shortcuts: bool,
}

impl NetConfig {
    /// The report's RoR: widths 64, 128, 256, 512, two bottlenecks a group, 32 x 32 pictures.
    ///
    /// ```
    /// use ror::model::NetConfig;
    ///
    /// let small = NetConfig { widths: [16, 32, 64, 128], ..NetConfig::ror(12) };
    /// assert_eq!(small.outputs, 12);
    /// ```
    pub fn ror(outputs: i64) -> Self {
        Self {
            architecture: Architecture::Ror,
            input: 32,
            widths: [64, 128, 256, 512],
            blocks: [2; 4],
            bottleneck: 2,
            stem_stride: 1,
            pool: 2,
            dense: 256,
            dropout: 0.2,
            outputs,
            survival: 0.7,
            root_shortcut: true,
            middle_shortcuts: true,
        }
    }

    /// An RoR of an eighth of the cost, for drawings and for trying things out.
    pub fn small(outputs: i64) -> Self {
        Self {
            widths: [32, 64, 128, 256],
            blocks: [1; 4],
            survival: 1.0,
            ..Self::ror(outputs)
        }
    }

    /// What suits a task: [`NetConfig::ror`], or on drawings [`NetConfig::small`].
    pub fn suited(task: crate::Task, synthetic: bool) -> Self {
        if synthetic {
            Self::small(task.outputs())
        } else {
            Self::ror(task.outputs())
        }
    }

    /// The original's coded variant: one block a group, widths 32, 64, 128, 256, batch
    /// normalisation behind the convolutions; 1,168,545 parameters for gender.
    pub fn coded(outputs: i64) -> Self {
        Self {
            architecture: Architecture::Coded,
            widths: [32, 64, 128, 256],
            blocks: [1; 4],
            bottleneck: 1,
            dropout: 0.0,
            survival: 1.0,
            ..Self::ror(outputs)
        }
    }

    /// Refuses shapes that make no net.
    ///
    /// # Errors
    /// A value outside its range, named with the range.
    pub fn check(&self) -> Result<()> {
        ensure!(
            (16..=512).contains(&self.input),
            "input of {} px: choose 16 to 512",
            self.input
        );
        ensure!(
            self.widths
                .iter()
                .all(|w| (1..=8192).contains(w) && w % self.bottleneck.max(1) == 0),
            "widths {:?}: choose 1 to 8192, divisible by the bottleneck {}",
            self.widths,
            self.bottleneck
        );
        ensure!(
            self.bottleneck >= 1,
            "a bottleneck of {}: choose 1 or more",
            self.bottleneck
        );
        ensure!(
            self.blocks.iter().all(|n| (1..=64).contains(n)),
            "blocks {:?}: choose 1 to 64 a group",
            self.blocks
        );
        for (what, step) in [("pooling", self.pool), ("stem", self.stem_stride)] {
            ensure!(
                (1..=2).contains(&step),
                "a {what} step of {step}: choose 1 or 2"
            );
        }
        ensure!(
            self.dense >= 1 && self.outputs >= 1,
            "dense {} and outputs {}: choose 1 or more",
            self.dense,
            self.outputs
        );
        ensure!(
            (0.0..1.0).contains(&self.dropout),
            "a dropout of {}: choose 0 to below 1",
            self.dropout
        );
        ensure!(
            self.survival > 0.0 && self.survival <= 1.0,
            "a survival of {}: choose above 0 to 1",
            self.survival
        );
        if self.architecture == Architecture::Coded {
            ensure!(
                self.blocks == [1; 4],
                "the coded variant has one block a group"
            );
        }
        Ok(())
    }
}
