//! The three networks of MTCNN, for the weights published by their authors.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use tch::{Kind, Tensor};

/// The named weights of all three networks.
pub(super) struct Weights(BTreeMap<String, Tensor>);

impl Weights {
    pub(super) fn read(path: &Path) -> Result<Self> {
        Ok(Self(Tensor::read_safetensors(path)?.into_iter().collect()))
    }

    fn get(&self, name: &str) -> Result<Tensor> {
        let found = self.0.get(name).with_context(|| format!("the tensor {name} is missing"))?;
        Ok(found.f_to_kind(Kind::Float)?)
    }
}

/// A convolution without padding or a dense layer, optionally with a PReLU.
#[derive(Debug)]
struct Layer {
    weight: Tensor,
    bias: Tensor,
    /// The negative slopes of the PReLU.
    slopes: Option<Tensor>,
}

impl Layer {
    fn new(weights: &Weights, net: &str, name: &str, prelu: Option<&str>) -> Result<Self> {
        let of = |layer: &str, what: &str| weights.get(&format!("{net}.{layer}.{what}"));
        Ok(Self {
            weight: of(name, "weight")?,
            bias: of(name, "bias")?,
            slopes: prelu.map(|prelu| of(prelu, "weight")).transpose()?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = match self.weight.dim() {
            4 => x.f_conv2d(&self.weight, Some(&self.bias), [1, 1], [0, 0], [1, 1], 1)?,
            _ => x.f_linear(&self.weight, Some(&self.bias))?,
        };
        Ok(match &self.slopes {
            Some(slopes) => y.f_prelu(slopes)?,
            None => y,
        })
    }

    fn share(&self) -> Self {
        Self {
            weight: self.weight.shallow_clone(),
            bias: self.bias.shallow_clone(),
            slopes: self.slopes.as_ref().map(Tensor::shallow_clone),
        }
    }
}

/// Max pooling with stride 2 and ceil mode.
fn pool(x: &Tensor, kernel: i64) -> Result<Tensor> {
    Ok(x.f_max_pool2d([kernel; 2], [2, 2], [0, 0], [1, 1], true)?)
}

/// A network's outputs for its candidates.
pub(super) struct Answers {
    /// Probability of a face.
    pub(super) face: Tensor,
    /// Box regression: how far the four edges move.
    pub(super) edges: Tensor,
    /// Five landmarks, all x and then all y, relative to width and height. Only from the last
    /// network.
    pub(super) points: Option<Tensor>,
}

/// One of the three networks.
#[derive(Debug)]
pub(super) struct Stage {
    convolutions: Vec<Layer>,
    /// Kernel size of the pooling after each convolution; 0 for none.
    pools: &'static [i64],
    dense: Option<Layer>,
    face: Layer,
    edges: Layer,
    points: Option<Layer>,
}

impl Stage {
    fn new(
        weights: &Weights,
        net: &str,
        pools: &'static [i64],
        dense: Option<&str>,
        points: bool,
    ) -> Result<Self> {
        let convolutions = (1..=pools.len())
            .map(|i| Layer::new(weights, net, &format!("conv{i}"), Some(&format!("prelu{i}"))));
        Ok(Self {
            convolutions: convolutions.collect::<Result<_>>()?,
            pools,
            dense: dense.map(|prelu| Layer::new(weights, net, "dense", Some(prelu))).transpose()?,
            face: Layer::new(weights, net, "face", None)?,
            edges: Layer::new(weights, net, "box", None)?,
            points: match points {
                true => Some(Layer::new(weights, net, "points", None)?),
                false => None,
            },
        })
    }

    /// P-Net: fully convolutional, with windows of 12 x 12 pixels and stride 2.
    pub(super) fn proposal(weights: &Weights) -> Result<Self> {
        Self::new(weights, "pnet", &[2, 0, 0], None, false)
    }

    /// R-Net: inputs of 24 x 24 pixels.
    pub(super) fn refine(weights: &Weights) -> Result<Self> {
        Self::new(weights, "rnet", &[3, 3, 0], Some("prelu4"), false)
    }

    /// O-Net: inputs of 48 x 48 pixels.
    pub(super) fn output(weights: &Weights) -> Result<Self> {
        Self::new(weights, "onet", &[3, 3, 2, 0], Some("prelu5"), true)
    }

    /// Returns a network with the same weights for another thread.
    pub(super) fn share(&self) -> Self {
        Self {
            convolutions: self.convolutions.iter().map(Layer::share).collect(),
            pools: self.pools,
            dense: self.dense.as_ref().map(Layer::share),
            face: self.face.share(),
            edges: self.edges.share(),
            points: self.points.as_ref().map(Layer::share),
        }
    }

    /// Runs the network on pixels `[n, 3, h, w]`, -1 to 1. P-Net returns one result per window, the
    /// others one per input.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Answers> {
        let mut x = x.shallow_clone();
        for (convolution, kernel) in self.convolutions.iter().zip(self.pools) {
            x = convolution.forward(&x)?;
            if *kernel > 0 {
                x = pool(&x, *kernel)?;
            }
        }
        if let Some(dense) = &self.dense {
            // The published weights use column-major order.
            x = dense.forward(&x.f_permute([0, 3, 2, 1])?.f_flatten(1, -1)?)?;
        }
        Ok(Answers {
            face: self.face.forward(&x)?.f_softmax(1, Kind::Float)?.f_select(1, 1)?,
            edges: self.edges.forward(&x)?,
            points: self.points.as_ref().map(|points| points.forward(&x)).transpose()?,
        })
    }
}
