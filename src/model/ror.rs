//! RoR: a residual network of residual networks, with shortcuts at three levels.
//!
//! Zhang et al., "Residual Networks of Residual Networks: Multilevel Residual Networks",
//! arXiv 1608.02908, section 3 (Pre-RoR), and "Age Group and Gender Estimation in the Wild
//! With Deep RoR Architecture", arXiv 1710.02985, figure 2.
//!
//! ```text
//! image -> stem -> [ group 0 ] -> [ group 1 ] -> [ group 2 ] -> [ group 3 ] -> (+) -> BN, ReLU -> pool -> dense -> head
//!            |      \_middle_/     \_middle_/     \_middle_/     \_middle_/     |
//!            \__________________________ root ________________________________/
//! ```
//!
//! A group is a sequence of bottleneck blocks, each with its own, final shortcut.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{Architecture, Conv, Linear, Network, Norm, Params, Tap};
use layers::{add, average_pool, drop_path};

/// The shape of a RoR network.
///
/// ```
/// use ror::model::RorConfig;
///
/// let narrow = RorConfig { widths: [16, 32, 64, 128], ..RorConfig::new(12) };
/// assert_eq!(narrow.outputs, 12);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RorConfig {
    /// Side length of the input images in pixels. Default: 32.
    pub input: u32,
    /// Channels of the four groups; the stem has as many as the first. Default: 64, 128, 256, 512.
    pub widths: [i64; 4],
    /// Bottleneck blocks in each group. Default: 2 each.
    pub blocks: [usize; 4],
    /// Divisor of a block's width for its 3x3 convolution. Default: 2.
    pub bottleneck: i64,
    /// Stride of the stem's convolution: 2 halves the image, for large inputs. Default: 1.
    pub stem_stride: i64,
    /// Stride of the stem's max pooling: 2 halves the image, 1 does not. Default: 2.
    pub pool: i64,
    /// Width of the dense layer before the head. Default: 256.
    pub dense: i64,
    /// Fraction of the dense layer dropped in training. Default: 0.2.
    pub dropout: f64,
    /// Outputs: [`crate::Task::outputs`].
    pub outputs: i64,
    /// Probability that the last block is kept in a training step (stochastic depth, decreasing
    /// linearly from 1 at the stem); 1 turns it off. Default: 0.7.
    pub survival: f64,
    /// Whether there is a shortcut from the stem to the end. Default: true.
    pub root_shortcut: bool,
    /// Whether there is a shortcut around each group. Default: true.
    pub middle_shortcuts: bool,
}

impl RorConfig {
    /// The report's shape: widths 64, 128, 256, 512, two blocks per group, 32 x 32 images.
    pub fn new(outputs: i64) -> Self {
        Self {
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

    /// A shape of an eighth of the cost, for synthetic faces and experiments.
    pub fn small(outputs: i64) -> Self {
        Self { widths: [32, 64, 128, 256], blocks: [1; 4], survival: 1.0, ..Self::new(outputs) }
    }

    /// The deeper shape of the networks that ship: 3, 4, 6 and 3 blocks per group, without stochastic
    /// depth.
    pub fn deep(outputs: i64) -> Self {
        Self { blocks: [3, 4, 6, 3], survival: 1.0, ..Self::new(outputs) }
    }

    /// Number of weights of the convolutions and dense layers, in f64 so that no shape overflows.
    fn weights(&self) -> f64 {
        let mut from = self.widths[0] as f64;
        let mut sum = 147.0 * from;
        for (&to, &blocks) in self.widths.iter().zip(&self.blocks) {
            let (to, inner) = (to as f64, (to / self.bottleneck.max(1)) as f64);
            let block = |from: f64| from * inner + 9.0 * inner * inner + inner * to;
            sum += 2.0 * from * to + block(from) + (blocks as f64 - 1.0) * block(to);
            from = to;
        }
        sum + from * self.widths[0] as f64
            + from * self.dense as f64
            + self.dense as f64 * self.outputs as f64
    }
}

/// Maximum number of weights of a network: 2 GB in f32.
const MOST_WEIGHTS: f64 = 5e8;

impl Architecture for RorConfig {
    const NAME: &'static str = "ror";

    fn input(&self) -> u32 {
        self.input
    }

    fn outputs(&self) -> i64 {
        self.outputs
    }

    fn check(&self) -> Result<()> {
        check_input(self.input)?;
        ensure!(
            (1..=64).contains(&self.bottleneck),
            "bottleneck is {}: choose 1 to 64",
            self.bottleneck
        );
        let fits = |w: &i64| (1..=8192).contains(w) && w % self.bottleneck == 0;
        ensure!(
            self.widths.iter().all(fits),
            "widths are {:?}: choose 1 to 8192, divisible by the bottleneck {}",
            self.widths,
            self.bottleneck
        );
        ensure!(
            self.blocks.iter().all(|n| (1..=64).contains(n)),
            "blocks are {:?}: choose 1 to 64 per group",
            self.blocks
        );
        for (what, step) in [("pooling", self.pool), ("stem", self.stem_stride)] {
            ensure!((1..=2).contains(&step), "the {what} stride is {step}: choose 1 or 2");
        }
        for (what, n) in [("dense", self.dense), ("outputs", self.outputs)] {
            ensure!((1..=8192).contains(&n), "{what} is {n}: choose 1 to 8192");
        }
        ensure!(
            self.weights() <= MOST_WEIGHTS,
            "the network has {:.0} million weights: choose smaller widths or fewer blocks, for at most {:.0} million",
            self.weights() / 1e6,
            MOST_WEIGHTS / 1e6
        );
        ensure!(
            (0.0..1.0).contains(&self.dropout),
            "dropout is {}: choose 0 to below 1",
            self.dropout
        );
        ensure!(
            self.survival > 0.0 && self.survival <= 1.0,
            "survival is {}: choose above 0 to 1",
            self.survival
        );
        Ok(())
    }

    fn build(&self, params: &Params) -> Result<Box<dyn Network>> {
        Ok(Box::new(Ror::new(params, self)?))
    }
}

/// Rejects image sizes that no network supports.
pub(super) fn check_input(side: u32) -> Result<()> {
    ensure!((16..=512).contains(&side), "input is {side} px: choose 16 to 512");
    Ok(())
}

/// A pre-activation bottleneck: 1x1, 3x3, 1x1, each after batch normalization and ReLU.
#[derive(Debug)]
struct Block {
    norms: [Norm; 3],
    convs: [Conv; 3],
    shortcut: Option<Conv>,
    survival: f64,
}

impl Block {
    fn new(
        params: &Params,
        [from, to, inner]: [i64; 3],
        stride: i64,
        survival: f64,
    ) -> Result<Self> {
        let conv = |name, channels, kernel, stride| {
            Conv::new(&params.sub(name), channels, kernel, stride, false)
        };
        // The final level: the identity if the shapes allow it.
        let shortcut = match from != to || stride != 1 {
            true => Some(conv("shortcut", [from, to], 1, stride)?),
            false => None,
        };
        Ok(Self {
            norms: [
                Norm::new(&params.sub("bn1"), from)?,
                Norm::new(&params.sub("bn2"), inner)?,
                Norm::new(&params.sub("bn3"), inner)?,
            ],
            convs: [
                conv("conv1", [from, inner], 1, 1)?,
                conv("conv2", [inner, inner], 3, stride)?,
                conv("conv3", [inner, to], 1, 1)?,
            ],
            shortcut,
            survival,
        })
    }

    fn forward(&self, x: &Tensor, train: bool, name: &str, tap: Tap) -> Result<Tensor> {
        let mut y = x.shallow_clone();
        for (i, (norm, conv)) in self.norms.iter().zip(&self.convs).enumerate() {
            y = norm.relu(&y, train)?;
            if i == 2 {
                // After the last, linear convolution it would be the same; here there are fewer
                // channels.
                y = drop_path(y, self.survival, train)?;
            }
            y = conv.forward(&y)?;
            tap(&format!("{name}.conv{}", i + 1), &y)?;
        }
        // No ReLU after the addition: shortcuts stay clean paths (arXiv 1608.02908, fig. 4).
        match &self.shortcut {
            Some(conv) => add(y, &conv.forward(x)?, train),
            None => add(y, x, train),
        }
    }

    fn convolutions(&mut self) -> impl Iterator<Item = (&mut Conv, Option<&mut Norm>)> {
        // The first normalization follows an addition, not a convolution.
        let [_, second, third] = &mut self.norms;
        let [reduce, convolve, expand] = &mut self.convs;
        [(reduce, Some(second)), (convolve, Some(third)), (expand, None)]
            .into_iter()
            .chain(self.shortcut.iter_mut().map(|conv| (conv, None)))
    }
}

/// A sequence of blocks, and the middle shortcut around it.
#[derive(Debug)]
struct Group {
    blocks: Vec<Block>,
    shortcut: Option<Conv>,
}

/// The layers. Parameters are named as PyTorch would name them: `stem.weight`,
/// `groups.0.blocks.1.conv2.weight`, `groups.0.shortcut.weight`, `root.weight`, ...
#[derive(Debug)]
struct Ror {
    stem: Conv,
    pool: i64,
    groups: Vec<Group>,
    root: Option<Conv>,
    norm: Norm,
    dense: Linear,
    dropout: f64,
    head: Linear,
}

impl Ror {
    fn new(params: &Params, config: &RorConfig) -> Result<Self> {
        let first = config.widths[0];
        let all_blocks = config.blocks.iter().sum::<usize>() as f64;
        let (mut from, mut number, mut groups) = (first, 0, vec![]);
        for (g, (&to, &blocks)) in config.widths.iter().zip(&config.blocks).enumerate() {
            let params = params.sub("groups").sub(g);
            let stride = if g == 0 { 1 } else { 2 };
            let shortcut = match config.middle_shortcuts {
                true => Some(Conv::new(&params.sub("shortcut"), [from, to], 1, stride, false)?),
                false => None,
            };
            let mut row = vec![];
            for b in 0..blocks {
                number += 1;
                let share = f64::from(number) / all_blocks;
                row.push(Block::new(
                    &params.sub("blocks").sub(b),
                    [from, to, to / config.bottleneck],
                    if b == 0 { stride } else { 1 },
                    1.0 - (1.0 - config.survival) * share,
                )?);
                from = to;
            }
            groups.push(Group { blocks: row, shortcut });
        }
        let root = match config.root_shortcut {
            true => Some(Conv::new(&params.sub("root"), [first, from], 1, 8, false)?),
            false => None,
        };
        Ok(Self {
            stem: Conv::new(&params.sub("stem"), [3, first], 7, config.stem_stride, false)?,
            pool: config.pool,
            groups,
            root,
            norm: Norm::new(&params.sub("bn"), from)?,
            dense: Linear::new(&params.sub("dense"), from, config.dense)?,
            dropout: config.dropout,
            head: Linear::new(&params.sub("head"), config.dense, config.outputs)?,
        })
    }
}

impl Network for Ror {
    fn forward(&self, x: &Tensor, train: bool, tap: Tap) -> Result<Tensor> {
        let x = self.stem.forward(x)?;
        tap("stem", &x)?;
        let stem = x.f_max_pool2d([3, 3], [self.pool; 2], [1, 1], [1, 1], false)?;
        tap("pool", &stem)?;
        let mut x = stem.shallow_clone();
        for (g, group) in self.groups.iter().enumerate() {
            let around = match &group.shortcut {
                Some(conv) => Some(conv.forward(&x)?),
                None => None,
            };
            for (b, block) in group.blocks.iter().enumerate() {
                let name = format!("groups.{g}.blocks.{b}");
                x = block.forward(&x, train, &name, tap)?;
                tap(&name, &x)?;
            }
            if let Some(around) = around {
                x = add(x, &around, train)?;
                tap(&format!("groups.{g}"), &x)?;
            }
        }
        if let Some(root) = &self.root {
            x = add(x, &root.forward(&stem)?, train)?;
            tap("root", &x)?;
        }
        let x = self.norm.relu(&x, train)?;
        tap("bn", &x)?;
        let x = average_pool(&x)?;
        tap("average", &x)?;
        let x = self.dense.forward(&x)?.f_relu()?;
        tap("dense", &x)?;
        let x = self.head.forward(&x.f_dropout(self.dropout, train)?)?;
        tap("head", &x)?;
        Ok(x)
    }

    fn is_mixed_precision(&self) -> bool {
        true
    }

    fn convolutions(&mut self) -> Vec<(&mut Conv, Option<&mut Norm>)> {
        let mut all = vec![(&mut self.stem, None)];
        for group in &mut self.groups {
            all.extend(group.blocks.iter_mut().flat_map(Block::convolutions));
            all.extend(group.shortcut.iter_mut().map(|conv| (conv, None)));
        }
        all.extend(self.root.iter_mut().map(|conv| (conv, None)));
        all
    }
}
