//! The network of the original Keras notebook, for comparison. It is defined through the traits for
//! custom networks.
//!
//! Known facts: one block per group, widths 32, 64, 128, 256, convolutions with biases followed by
//! batch normalization, a dense layer of 256, and 1,168,545 parameters for gender (with running
//! statistics, as Keras counts). The arrangement of its shortcuts is not known. This reconstruction
//! has exactly that count: per block two normalized convolutions and a plain last one, and per
//! group four 1x1 shortcut convolutions.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::ror::check_input;
use super::{Architecture, Conv, Linear, Network, Norm, Params, Tap};
use layers::average_pool;

/// The shape of the original network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KerasBaselineConfig {
    /// Side length of the input images in pixels. Default: 32.
    pub input: u32,
    /// Outputs: [`crate::Task::outputs`].
    pub outputs: i64,
}

impl KerasBaselineConfig {
    /// The shape for 32 x 32 images.
    pub fn new(outputs: i64) -> Self {
        Self { input: 32, outputs }
    }
}

const WIDTHS: [i64; 4] = [32, 64, 128, 256];
const DENSE: i64 = 256;

impl Architecture for KerasBaselineConfig {
    const NAME: &'static str = "keras_baseline";

    fn input(&self) -> u32 {
        self.input
    }

    fn outputs(&self) -> i64 {
        self.outputs
    }

    fn check(&self) -> Result<()> {
        ensure!(
            (1..=8192).contains(&self.outputs),
            "outputs is {}: choose 1 to 8192",
            self.outputs
        );
        check_input(self.input)
    }

    fn build(&self, params: &Params) -> Result<Box<dyn Network>> {
        let stem = Conv::new(&params.sub("stem"), [3, WIDTHS[0]], 7, 1, true)?;
        let mut from = WIDTHS[0];
        let mut groups = vec![];
        for (g, to) in WIDTHS.into_iter().enumerate() {
            let stride = if g == 0 { 1 } else { 2 };
            groups.push(Group::new(&params.sub("groups").sub(g), from, to, stride)?);
            from = to;
        }
        Ok(Box::new(KerasBaseline {
            stem,
            groups,
            dense: Linear::new(&params.sub("dense"), from, DENSE)?,
            head: Linear::new(&params.sub("head"), DENSE, self.outputs)?,
        }))
    }
}

#[derive(Debug)]
struct Group {
    convs: [Conv; 3],
    norms: [Norm; 2],
    shortcuts: Vec<Conv>,
}

impl Group {
    fn new(params: &Params, from: i64, to: i64, stride: i64) -> Result<Self> {
        let conv = |name: &str, from, kernel, stride| {
            Conv::new(&params.sub(name), [from, to], kernel, stride, true)
        };
        let shortcuts = params.sub("shortcuts");
        Ok(Self {
            convs: [
                conv("conv1", from, 1, 1)?,
                conv("conv2", to, 3, stride)?,
                conv("conv3", to, 1, 1)?,
            ],
            norms: [Norm::new(&params.sub("bn1"), to)?, Norm::new(&params.sub("bn2"), to)?],
            shortcuts: (0..4)
                .map(|s| Conv::new(&shortcuts.sub(s), [from, to], 1, stride, true))
                .collect::<Result<_>>()?,
        })
    }
}

#[derive(Debug)]
struct KerasBaseline {
    stem: Conv,
    groups: Vec<Group>,
    dense: Linear,
    head: Linear,
}

impl Network for KerasBaseline {
    fn forward(&self, x: &Tensor, train: bool, tap: Tap) -> Result<Tensor> {
        let x = self.stem.forward(x)?.f_relu()?;
        tap("stem", &x)?;
        let mut x = x.f_max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false)?;
        tap("pool", &x)?;
        for (g, group) in self.groups.iter().enumerate() {
            let mut y = group.norms[0].relu(&group.convs[0].forward(&x)?, train)?;
            tap(&format!("groups.{g}.conv1"), &y)?;
            y = group.norms[1].relu(&group.convs[1].forward(&y)?, train)?;
            tap(&format!("groups.{g}.conv2"), &y)?;
            y = group.convs[2].forward(&y)?;
            for shortcut in &group.shortcuts {
                y = y.f_add(&shortcut.forward(&x)?)?;
            }
            x = y.f_relu()?;
            tap(&format!("groups.{g}"), &x)?;
        }
        let x = average_pool(&x)?;
        tap("average", &x)?;
        let x = self.dense.forward(&x)?.f_relu()?;
        tap("dense", &x)?;
        let x = self.head.forward(&x)?;
        tap("head", &x)?;
        Ok(x)
    }

    fn is_mixed_precision(&self) -> bool {
        true
    }

    fn convolutions(&mut self) -> Vec<(&mut Conv, Option<&mut Norm>)> {
        let mut all = vec![(&mut self.stem, None)];
        for group in &mut self.groups {
            let [first, second, third] = &mut group.convs;
            let [one, two] = &mut group.norms;
            all.extend([(first, Some(one)), (second, Some(two)), (third, None)]);
            all.extend(group.shortcuts.iter_mut().map(|conv| (conv, None)));
        }
        all
    }
}
