//! A RoR network that starts from a face-recognition network.
//!
//! The paper's RoR networks are residual networks that were first trained on other data. The outer
//! levels of shortcuts are then added, and everything is fine-tuned for age and gender (Zhang et
//! al., "Age Group and Gender Estimation in the Wild With Deep RoR Architecture", arXiv 1710.02985,
//! section III). Here the residual network is dlib's face-recognition ResNet of 29 convolutions.
//!
//! ```text
//! image -> stem -> pool -> [ group 0 ] -> [ group 1 ] -> ... -> [ group 4 ]
//!                   |  \____middle____/ \____middle____/   \____middle____/|
//!                   \______________________ root _________________________/
//!
//! features: the mean of each group's output over all positions, and the last output whole
//! head:     normalise -> dense -> normalise -> GELU -> logits
//! ```
//!
//! As in figure 2 of the paper, the shortcuts around a group and from the stem to the end join the
//! last block's sum, before its ReLU. Their weights start at 0, so the first forward pass is that of
//! the pretrained network. Its scales and shifts are part of its convolutions (`setup/pretrained.py`).

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{Architecture, Conv, Linear, Network, Norm, Params, Pretrained, Tap};
use layers::{add, average_pool};

/// The shape of a RoR network that starts from a face-recognition network.
///
/// ```
/// use ror::model::PretrainedRorConfig;
///
/// let config = PretrainedRorConfig { hidden: 256, ..PretrainedRorConfig::new(118) };
/// assert_eq!((config.input, config.outputs), (140, 118));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainedRorConfig {
    /// Side length of the input images in pixels; faces fill as much of them as in UTKFace's crops.
    /// Default: 140, which with its margin becomes the 150 px that the weights were trained on.
    pub input: u32,
    /// Outputs: [`crate::Task::outputs`].
    pub outputs: i64,
    /// Width of the dense layer before the logits. Default: 512.
    pub hidden: i64,
    /// Fraction of the features dropped in training. Default: 0.2.
    pub feature_dropout: f64,
    /// Fraction of the dense layer dropped in training. Default: 0.5.
    pub dropout: f64,
    /// Whether there is a shortcut from the stem to the end. Default: true.
    pub root_shortcut: bool,
    /// Whether there is a shortcut around each group. Default: true.
    pub middle_shortcuts: bool,
}

impl PretrainedRorConfig {
    /// The shape for 140 x 140 images.
    pub fn new(outputs: i64) -> Self {
        Self {
            input: 140,
            outputs,
            hidden: 512,
            feature_dropout: 0.2,
            dropout: 0.5,
            root_shortcut: true,
            middle_shortcuts: true,
        }
    }
}

/// Channels of the groups; the stem has as many as the first group.
const WIDTHS: [i64; 5] = [32, 64, 128, 256, 256];

/// Blocks of two 3x3 convolutions in each group.
const BLOCKS: [usize; 5] = [3, 4, 3, 3, 1];

/// Input sizes in pixels for which the last group's output is 2 x 2 positions.
const INPUTS: std::ops::RangeInclusive<u32> = 127..=185;

/// dlib's crops have a margin of 0.25 around the face, UTKFace's 0.2: edge pixels are repeated on
/// each side by this fraction of the input.
const MARGIN: f64 = 0.035;

impl Architecture for PretrainedRorConfig {
    const NAME: &'static str = "pretrained_ror";

    fn input(&self) -> u32 {
        self.input
    }

    fn outputs(&self) -> i64 {
        self.outputs
    }

    fn pretrained(&self) -> Option<Pretrained> {
        Some(Pretrained {
            name: "dlib-resnet".to_owned(),
            origin: "dlib_face_recognition_resnet_model_v1 by Davis King".to_owned(),
            licence: "CC0 1.0".to_owned(),
            data: "about 3 million other faces, no age or gender labels".to_owned(),
        })
    }

    fn is_backbone(&self, parameter: &str) -> bool {
        parameter.starts_with("stem.") || parameter.contains(".blocks.")
    }

    fn check(&self) -> Result<()> {
        ensure!(
            INPUTS.contains(&self.input),
            "input is {} px: choose {} to {}",
            self.input,
            INPUTS.start(),
            INPUTS.end()
        );
        for (what, n) in [("hidden", self.hidden), ("outputs", self.outputs)] {
            ensure!((1..=8192).contains(&n), "{what} is {n}: choose 1 to 8192");
        }
        for (what, share) in [("dropout", self.dropout), ("feature_dropout", self.feature_dropout)]
        {
            ensure!((0.0..1.0).contains(&share), "{what} is {share}: choose 0 to below 1");
        }
        Ok(())
    }

    fn build(&self, params: &Params) -> Result<Box<dyn Network>> {
        Ok(Box::new(PretrainedRor::new(params, self)?))
    }
}

/// Two 3x3 convolutions around a shortcut, with a ReLU after the sum.
#[derive(Debug)]
struct Block {
    convs: [Conv; 2],
    /// Whether it halves height and width: the first block of every group but the first.
    is_down: bool,
}

impl Block {
    fn new(params: &Params, from: i64, to: i64, is_down: bool) -> Result<Self> {
        let first = Conv::new(&params.sub("conv1"), [from, to], 3, 1 + i64::from(is_down), true)?;
        let second = Conv::new(&params.sub("conv2"), [to, to], 3, 1, true)?;
        Ok(Self { convs: [if is_down { first.unpadded() } else { first }, second], is_down })
    }

    /// The block's sum before its ReLU.
    fn sum(&self, x: &Tensor, train: bool, name: &str, tap: Tap) -> Result<Tensor> {
        let y = self.convs[0].forward(x)?.f_relu_()?;
        tap(&format!("{name}.conv1"), &y)?;
        let y = self.convs[1].forward(&y)?;
        tap(&format!("{name}.conv2"), &y)?;
        if !self.is_down {
            return add(y, x, train);
        }
        // The pretrained network's own shortcut has no weights: it is halved and padded with zero
        // channels, and the convolutions are padded with zeros where they are a row smaller.
        let around = halved(x, 2)?;
        let [_, channels, height, width] = shape(&y);
        let [_, from, around_height, around_width] = shape(&around);
        let padding = |sizes: &[i64]| sizes.iter().any(|size| *size > 0);
        let y_padding = [0, around_width - width, 0, around_height - height];
        let y = if padding(&y_padding) { y.f_constant_pad_nd(y_padding)? } else { y };
        let around = match channels - from {
            0 => around,
            more => around.f_constant_pad_nd([0, 0, 0, 0, 0, more])?,
        };
        add(y, &around, train)
    }
}

fn shape(x: &Tensor) -> [i64; 4] {
    let size = x.size();
    [size[0], size[1], size[2], size[3]]
}

/// The mean over squares of `by` positions; a last incomplete row or column is dropped.
fn halved(x: &Tensor, by: i64) -> Result<Tensor> {
    Ok(x.f_avg_pool2d([by; 2], [by; 2], [0, 0], false, true, None::<i64>)?)
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
struct PretrainedRor {
    margin: i64,
    stem: Conv,
    groups: Vec<Group>,
    root: Option<Conv>,
    features: Norm,
    feature_dropout: f64,
    dense: Linear,
    norm: Norm,
    dropout: f64,
    head: Linear,
}

impl PretrainedRor {
    fn new(params: &Params, config: &PretrainedRorConfig) -> Result<Self> {
        let stem = Conv::new(&params.sub("stem"), [3, WIDTHS[0]], 7, 2, true)?.unpadded();
        let (mut from, mut groups) = (WIDTHS[0], vec![]);
        for (g, (to, blocks)) in WIDTHS.into_iter().zip(BLOCKS).enumerate() {
            let params = params.sub("groups").sub(g);
            let shortcut = match config.middle_shortcuts {
                true => Some(Conv::zero(&params.sub("shortcut"), [from, to])?),
                false => None,
            };
            let blocks = (0..blocks).map(|b| {
                let from = if b == 0 { from } else { to };
                Block::new(&params.sub("blocks").sub(b), from, to, b == 0 && g > 0)
            });
            groups.push(Group { blocks: blocks.collect::<Result<_>>()?, shortcut });
            from = to;
        }
        let root = match config.root_shortcut {
            true => Some(Conv::zero(&params.sub("root"), [WIDTHS[0], from])?),
            false => None,
        };
        let features = WIDTHS.iter().sum::<i64>() + 4 * from;
        Ok(Self {
            margin: (f64::from(config.input) * MARGIN).round() as i64,
            stem,
            groups,
            root,
            features: Norm::new(&params.sub("features"), features)?,
            feature_dropout: config.feature_dropout,
            dense: Linear::new(&params.sub("dense"), features, config.hidden)?,
            norm: Norm::new(&params.sub("bn"), config.hidden)?,
            dropout: config.dropout,
            head: Linear::new(&params.sub("head"), config.hidden, config.outputs)?,
        })
    }
}

impl Network for PretrainedRor {
    fn forward(&self, x: &Tensor, train: bool, tap: Tap) -> Result<Tensor> {
        let x = self.stem.forward(&x.f_replication_pad2d([self.margin; 4])?)?.f_relu_()?;
        tap("stem", &x)?;
        let stem = x.f_max_pool2d([3, 3], [2, 2], [0, 0], [1, 1], false)?;
        tap("pool", &stem)?;
        let (mut x, mut features) = (stem.shallow_clone(), vec![]);
        for (g, group) in self.groups.iter().enumerate() {
            let around = x.shallow_clone();
            for (b, block) in group.blocks.iter().enumerate() {
                let name = format!("groups.{g}.blocks.{b}");
                let mut sum = block.sum(&x, train, &name, tap)?;
                if b + 1 == group.blocks.len() {
                    if let Some(middle) = &group.shortcut {
                        let around =
                            if g == 0 { around.shallow_clone() } else { halved(&around, 2)? };
                        sum = add(sum, &middle.forward(&around)?, train)?;
                    }
                    if let Some(root) = &self.root
                        && g + 1 == self.groups.len()
                    {
                        sum = add(sum, &root.forward(&halved(&stem, 16)?)?, train)?;
                    }
                }
                x = sum.f_relu_()?;
                tap(&name, &x)?;
            }
            tap(&format!("groups.{g}"), &x)?;
            features.push(average_pool(&x)?);
        }
        features.push(x.f_to_kind(Kind::Float)?.f_flatten(1, 3)?);
        let x = self.features.normalise(&Tensor::f_cat(&features, 1)?, train)?;
        tap("features", &x)?;
        let x = self.dense.forward(&x.f_dropout(self.feature_dropout, train)?)?;
        tap("dense", &x)?;
        let x = self.norm.normalise(&x, train)?.f_gelu("none")?;
        tap("bn", &x)?;
        let x = self.head.forward(&x.f_dropout(self.dropout, train)?)?;
        tap("head", &x)?;
        Ok(x)
    }

    fn is_mixed_precision(&self) -> bool {
        true
    }

    fn convolutions(&mut self) -> Vec<(&mut Conv, Option<&mut Norm>)> {
        let mut all = vec![&mut self.stem];
        for group in &mut self.groups {
            all.extend(group.blocks.iter_mut().flat_map(|block| &mut block.convs));
            all.extend(group.shortcut.iter_mut());
        }
        all.extend(self.root.iter_mut());
        all.into_iter().map(|conv| (conv, None)).collect()
    }
}
