//! RoR: a residual network of residual networks, with shortcuts at three levels.
//!
//! Zhang et al., "Residual Networks of Residual Networks: Multilevel Residual Networks",
//! arXiv 1608.02908, section 3 (Pre-RoR), and "Age Group and Gender Estimation in the Wild
//! With Deep RoR Architecture", arXiv 1710.02985, figure 2.
//!
//! ```text
//! picture -> stem -> [ group 0 ] -> [ group 1 ] -> [ group 2 ] -> [ group 3 ] -> (+) -> BN, ReLU -> pool -> dense -> head
//!              |      \_middle_/     \_middle_/     \_middle_/     \_middle_/     |
//!              \__________________________ root ________________________________/
//! ```
//!
//! A group is a row of bottleneck blocks, each with its own, final shortcut.

use anyhow::Result;
use tch::{Kind, Tensor, nn};

use super::NetConfig;
use super::layers::{
    Conv, Norm, add, apply_conv, apply_linear, average_pool, conv, copied_linear, drop_path, norm,
    norm_relu,
};

/// Called with each layer's name and output as a picture passes through.
pub(super) type Tap<'a> = &'a mut dyn FnMut(&str, &Tensor) -> Result<()>;

/// A pre-activation bottleneck: 1x1, 3x3, 1x1, each behind batch normalisation and ReLU.
#[derive(Debug)]
struct Block {
    norms: [Norm; 3],
    convs: [Conv; 3],
    shortcut: Option<Conv>,
    survival: f64,
}

fn block(path: &nn::Path, [from, to, inner]: [i64; 3], stride: i64, survival: f64) -> Block {
    Block {
        norms: [
            norm(path / "bn1", from),
            norm(path / "bn2", inner),
            norm(path / "bn3", inner),
        ],
        convs: [
            conv(path / "conv1", from, inner, 1, 1, false),
            conv(path / "conv2", inner, inner, 3, stride, false),
            conv(path / "conv3", inner, to, 1, 1, false),
        ],
        // The final level: the identity wherever shapes allow it.
        shortcut: (from != to || stride != 1)
            .then(|| conv(path / "shortcut", from, to, 1, stride, false)),
        survival,
    }
}

fn folded(conv: &Option<Conv>, kind: Kind) -> Result<Option<Conv>> {
    conv.as_ref()
        .map(|conv| conv.folded(None, kind))
        .transpose()
}

impl Block {
    fn folded(&self, kind: Kind) -> Result<Self> {
        let [first, second, third] = &self.norms;
        let [reduce, convolve, expand] = &self.convs;
        Ok(Self {
            // The first stands behind an addition, not a convolution.
            norms: [first.copied()?, Norm::in_conv(), Norm::in_conv()],
            convs: [
                reduce.folded(Some(second), kind)?,
                convolve.folded(Some(third), kind)?,
                expand.folded(None, kind)?,
            ],
            shortcut: folded(&self.shortcut, kind)?,
            survival: 1.0,
        })
    }

    fn forward(&self, x: &Tensor, train: bool, name: &str, tap: Tap) -> Result<Tensor> {
        let mut y = x.shallow_clone();
        for (i, (norm, conv)) in self.norms.iter().zip(&self.convs).enumerate() {
            y = norm_relu(norm, &y, train)?;
            if i == 2 {
                // Behind the last convolution, which is linear, it would be the same; here there
                // are fewer channels.
                y = drop_path(y, self.survival, train)?;
            }
            y = apply_conv(conv, &y)?;
            tap(&format!("{name}.conv{}", i + 1), &y)?;
        }
        // No ReLU behind the addition: shortcuts stay clean paths (arXiv 1608.02908, fig. 4).
        match &self.shortcut {
            Some(conv) => add(y, &apply_conv(conv, x)?, train),
            None => add(y, x, train),
        }
    }
}

/// A row of blocks, and the middle shortcut around it.
#[derive(Debug)]
struct Group {
    blocks: Vec<Block>,
    shortcut: Option<Conv>,
}

/// The RoR net. Parameters are named as PyTorch would name them: `stem.weight`,
/// `groups.0.blocks.1.conv2.weight`, `groups.0.shortcut.weight`, `root.weight`, ...
#[derive(Debug)]
pub struct Ror {
    stem: Conv,
    pool: i64,
    groups: Vec<Group>,
    root: Option<Conv>,
    norm: Norm,
    dense: nn::Linear,
    dropout: f64,
    head: nn::Linear,
}

impl Ror {
    /// Makes the net's parameters below `path`.
    pub(super) fn new(path: &nn::Path, config: &NetConfig) -> Self {
        let first = config.widths[0];
        let last_block = config.blocks.iter().sum::<usize>() as f64;
        let (mut from, mut number, mut groups) = (first, 0, vec![]);
        for (g, (&to, &blocks)) in config.widths.iter().zip(&config.blocks).enumerate() {
            let path = path / "groups" / g;
            let stride = if g == 0 { 1 } else { 2 };
            let shortcut = config
                .middle_shortcuts
                .then(|| conv(&path / "shortcut", from, to, 1, stride, false));
            let mut row = vec![];
            for b in 0..blocks {
                let stride = if b == 0 { stride } else { 1 };
                number += 1;
                let share = f64::from(number) / last_block;
                row.push(block(
                    &(&path / "blocks" / b),
                    [from, to, to / config.bottleneck],
                    stride,
                    1.0 - (1.0 - config.survival) * share,
                ));
                from = to;
            }
            groups.push(Group {
                blocks: row,
                shortcut,
            });
        }
        Self {
            stem: conv(path / "stem", 3, first, 7, config.stem_stride, false),
            pool: config.pool,
            groups,
            root: config
                .root_shortcut
                .then(|| conv(path / "root", first, from, 1, 8, false)),
            norm: norm(path / "bn", from),
            dense: nn::linear(path / "dense", from, config.dense, Default::default()),
            dropout: config.dropout,
            head: nn::linear(
                path / "head",
                config.dense,
                config.outputs,
                Default::default(),
            ),
        }
    }

    /// The net for inference alone, in `kind`: see [`Conv::folded`].
    pub(super) fn folded(&self, kind: Kind) -> Result<Self> {
        let groups = self.groups.iter().map(|group| {
            Ok(Group {
                blocks: group
                    .blocks
                    .iter()
                    .map(|block| block.folded(kind))
                    .collect::<Result<_>>()?,
                shortcut: folded(&group.shortcut, kind)?,
            })
        });
        Ok(Self {
            stem: self.stem.folded(None, kind)?,
            pool: self.pool,
            groups: groups.collect::<Result<_>>()?,
            root: folded(&self.root, kind)?,
            norm: self.norm.copied()?,
            dense: copied_linear(&self.dense)?,
            dropout: 0.0,
            head: copied_linear(&self.head)?,
        })
    }

    /// Logits `[n, outputs]` (f32) of normalised pictures `[n, 3, size, size]` (f32 or bf16).
    pub(super) fn forward(&self, x: &Tensor, train: bool, tap: Tap) -> Result<Tensor> {
        let x = apply_conv(&self.stem, x)?;
        tap("stem", &x)?;
        let stem = x.f_max_pool2d([3, 3], [self.pool; 2], [1, 1], [1, 1], false)?;
        tap("pool", &stem)?;
        let mut x = stem.shallow_clone();
        for (g, group) in self.groups.iter().enumerate() {
            let around = group
                .shortcut
                .as_ref()
                .map(|conv| apply_conv(conv, &x))
                .transpose()?;
            for (b, block) in group.blocks.iter().enumerate() {
                x = block.forward(&x, train, &format!("groups.{g}.blocks.{b}"), tap)?;
                tap(&format!("groups.{g}.blocks.{b}"), &x)?;
            }
            if let Some(around) = around {
                x = add(x, &around, train)?;
                tap(&format!("groups.{g}"), &x)?;
            }
        }
        if let Some(root) = &self.root {
            x = add(x, &apply_conv(root, &stem)?, train)?;
            tap("root", &x)?;
        }
        let x = average_pool(&norm_relu(&self.norm, &x, train)?)?;
        tap("average", &x)?;
        let x = apply_linear(&self.dense, &x)?.f_relu()?;
        tap("dense", &x)?;
        let x = apply_linear(&self.head, &x.f_dropout(self.dropout, train)?)?;
        tap("head", &x)?;
        Ok(x)
    }
}
