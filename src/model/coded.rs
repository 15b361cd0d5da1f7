//! The variant that the original's notebook coded, for comparison.
//!
//! Its published facts: one block a group, widths 32, 64, 128, 256, convolutions with biases
//! and batch normalisation behind them, a dense layer of 256, and 1,168,545 parameters for
//! gender (running statistics counted, as Keras does). They leave open how its shortcuts are
//! arranged; this is a reconstruction that has exactly that count: two normalised convolutions
//! and a last plain one a block, and four 1x1 shortcut convolutions a group.

use anyhow::Result;
use tch::{Kind, Tensor, nn};

use super::NetConfig;
use super::layers::{
    Conv, Norm, apply_conv, apply_linear, average_pool, conv, copied_linear, norm, norm_relu,
};
use super::ror::Tap;

#[derive(Debug)]
struct Group {
    convs: [Conv; 3],
    norms: [Norm; 2],
    shortcuts: Vec<Conv>,
}

/// The original's coded variant.
#[derive(Debug)]
pub struct Coded {
    stem: Conv,
    pool: i64,
    groups: Vec<Group>,
    dense: nn::Linear,
    head: nn::Linear,
}

impl Coded {
    pub(super) fn new(path: &nn::Path, config: &NetConfig) -> Self {
        let first = config.widths[0];
        let mut from = first;
        let mut groups = vec![];
        for (g, &to) in config.widths.iter().enumerate() {
            let path = path / "groups" / g;
            let stride = if g == 0 { 1 } else { 2 };
            groups.push(Group {
                convs: [
                    conv(&path / "conv1", from, to, 1, 1, true),
                    conv(&path / "conv2", to, to, 3, stride, true),
                    conv(&path / "conv3", to, to, 1, 1, true),
                ],
                norms: [norm(&path / "bn1", to), norm(&path / "bn2", to)],
                shortcuts: (0..4)
                    .map(|s| conv(&path / "shortcuts" / s, from, to, 1, stride, true))
                    .collect(),
            });
            from = to;
        }
        Self {
            stem: conv(path / "stem", 3, first, 7, config.stem_stride, true),
            pool: config.pool,
            groups,
            dense: nn::linear(path / "dense", from, config.dense, Default::default()),
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
            let [first, second, third] = &group.convs;
            Ok(Group {
                convs: [
                    first.folded(Some(&group.norms[0]), kind)?,
                    second.folded(Some(&group.norms[1]), kind)?,
                    third.folded(None, kind)?,
                ],
                norms: [Norm::in_conv(), Norm::in_conv()],
                shortcuts: group
                    .shortcuts
                    .iter()
                    .map(|shortcut| shortcut.folded(None, kind))
                    .collect::<Result<_>>()?,
            })
        });
        Ok(Self {
            stem: self.stem.folded(None, kind)?,
            pool: self.pool,
            groups: groups.collect::<Result<_>>()?,
            dense: copied_linear(&self.dense)?,
            head: copied_linear(&self.head)?,
        })
    }

    pub(super) fn forward(&self, x: &Tensor, train: bool, tap: Tap) -> Result<Tensor> {
        let x = apply_conv(&self.stem, x)?.f_relu()?;
        tap("stem", &x)?;
        let mut x = x.f_max_pool2d([3, 3], [self.pool; 2], [1, 1], [1, 1], false)?;
        tap("pool", &x)?;
        for (g, group) in self.groups.iter().enumerate() {
            let mut y = norm_relu(&group.norms[0], &apply_conv(&group.convs[0], &x)?, train)?;
            tap(&format!("groups.{g}.conv1"), &y)?;
            y = norm_relu(&group.norms[1], &apply_conv(&group.convs[1], &y)?, train)?;
            tap(&format!("groups.{g}.conv2"), &y)?;
            y = apply_conv(&group.convs[2], &y)?;
            for shortcut in &group.shortcuts {
                y = y.f_add(&apply_conv(shortcut, &x)?)?;
            }
            x = y.f_relu()?;
            tap(&format!("groups.{g}"), &x)?;
        }
        let x = average_pool(&x)?;
        tap("average", &x)?;
        let x = apply_linear(&self.dense, &x)?.f_relu()?;
        tap("dense", &x)?;
        let x = apply_linear(&self.head, &x)?;
        tap("head", &x)?;
        Ok(x)
    }
}
