//! What a net is made of, and how one's own joins in: an [`Architecture`] says the shape, and
//! builds a [`Network`] that computes.
//!
//! ```
//! use ror::model::{Architecture, Linear, Net, Network, Params, Tap};
//! use ror::tch::{Device, Kind, Tensor};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Serialize, Deserialize)]
//! struct MeanColour {
//!     outputs: i64,
//! }
//!
//! impl Architecture for MeanColour {
//!     const NAME: &'static str = "mean colour";
//!     fn input(&self) -> u32 {
//!         32
//!     }
//!     fn outputs(&self) -> i64 {
//!         self.outputs
//!     }
//!     fn build(&self, params: &Params) -> anyhow::Result<Box<dyn Network>> {
//!         Ok(Box::new(Layers { head: Linear::new(&params.sub("head"), 3, self.outputs)? }))
//!     }
//! }
//!
//! #[derive(Debug)]
//! struct Layers {
//!     head: Linear,
//! }
//!
//! impl Network for Layers {
//!     fn forward(&self, x: &Tensor, _train: bool, _tap: Tap) -> anyhow::Result<Tensor> {
//!         self.head.forward(&x.f_mean_dim([2i64, 3].as_slice(), false, Kind::Float)?)
//!     }
//! }
//!
//! # fn main() -> anyhow::Result<()> {
//! let net = Net::new(MeanColour { outputs: 12 }, Device::Cpu, 0)?;
//! let pictures = Tensor::zeros([2, 32, 32, 3], (Kind::Uint8, Device::Cpu));
//! assert_eq!(net.logits(&pictures)?.size(), [2, 12]);
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor, nn};

use super::{Conv, Norm};

/// A net's shape: everything that decides which parameters it has and how they are used.
///
/// It is saved in a net's card as its serde fields, and compared by them.
pub trait Architecture: Serialize + DeserializeOwned + fmt::Debug + Send + Sync + 'static {
    /// Names the architecture in cards and experiment files; no two share one.
    const NAME: &'static str;

    /// Side of the input pictures, pixels.
    fn input(&self) -> u32;

    /// How many logits a picture gets: [`crate::Task::outputs`].
    fn outputs(&self) -> i64;

    /// Refuses shapes that make no net, before anything is allocated.
    ///
    /// # Errors
    /// A value outside its range, named with the range.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// The weights from other data that a training starts from; `None`, the default, for random ones.
    fn pretrained(&self) -> Option<Pretrained> {
        None
    }

    /// Whether a parameter belongs to the pretrained part, which trains at
    /// [`crate::train::Recipe::backbone_rate`]. Default: none does.
    fn is_backbone(&self, _parameter: &str) -> bool {
        false
    }

    /// Makes the parameters and the layers that use them.
    ///
    /// # Errors
    /// Parameters that can't be allocated.
    fn build(&self, params: &Params) -> Result<Box<dyn Network>>;
}

/// Weights that were trained on other data, by others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pretrained {
    /// The name of their file in `models/pretrained/`, without `.safetensors`.
    pub name: String,
    /// Whose they are.
    pub origin: String,
    /// Under which licence.
    pub licence: String,
    /// What they were trained on.
    pub data: String,
}

/// Called with each layer's name and output as a picture passes through.
pub type Tap<'a> = &'a mut dyn FnMut(&str, &Tensor) -> Result<()>;

/// The layers of a net.
pub trait Network: fmt::Debug + Send {
    /// Logits `[n, outputs]`, f32, of normalised pictures `[n, 3, side, side]`, f32 (or bf16
    /// where [`Network::is_mixed_precision`]). Each layer may show its name and output to `tap`:
    /// summaries and visualisations come from there.
    ///
    /// # Errors
    /// Pictures of a shape that the layers can't take, or the device failing.
    fn forward(&self, x: &Tensor, train: bool, tap: Tap) -> Result<Tensor>;

    /// Whether the layers compute in the kind of number of their input, as [`Conv`] and
    /// [`Norm`] do; other nets are trained and run in f32.
    fn is_mixed_precision(&self) -> bool {
        false
    }

    /// Every [`Conv`], with the normalisation right behind it where there is one: for inference
    /// the two become one.
    fn convolutions(&mut self) -> Vec<(&mut Conv, Option<&mut Norm>)> {
        vec![]
    }
}

/// Makes parameters under a path of names, as PyTorch has them: `groups.0.shortcut.weight`.
#[derive(Debug)]
pub struct Params<'a> {
    path: nn::Path<'a>,
    first: First<'a>,
}

/// What parameters are at first.
#[derive(Debug, Clone, Copy)]
pub(super) enum First<'a> {
    /// Drawn from libtorch's generator.
    Random,
    /// 0, to be overwritten; the generator stays as it is.
    Zeros,
    /// 0, to be overwritten by these, which must have their shapes: a file that is not this net's is
    /// refused before memory is taken for the net.
    Like(&'a BTreeMap<String, Tensor>),
}

impl<'a> Params<'a> {
    pub(super) fn new(variables: &'a nn::VarStore, first: First<'a>) -> Self {
        Self { path: variables.root(), first }
    }

    /// Refuses a parameter that what is loaded has not.
    fn check(&self, name: &str, shape: &[i64]) -> Result<()> {
        if let First::Like(saved) = self.first {
            let name = self.path.components().chain([name]).collect::<Vec<_>>().join(".");
            let saved = saved.get(&name).with_context(|| format!("it has no {name}"))?;
            ensure!(saved.size() == shape, "its {name} is {:?}, not {shape:?}", saved.size());
        }
        Ok(())
    }

    /// The parameters of a part.
    pub fn sub(&self, name: impl ToString) -> Self {
        Self { path: self.path.sub(name), first: self.first }
    }

    /// For layers of `tch::nn`.
    pub fn path(&self) -> &nn::Path<'a> {
        &self.path
    }

    /// Where the parameters are.
    pub fn device(&self) -> Device {
        self.path.device()
    }

    /// Weights, drawn as He et al. (arXiv 1502.01852) do for layers before a ReLU: uniform, by
    /// the number of inputs.
    ///
    /// # Errors
    /// No memory for them, or a file that is loaded has others.
    pub fn weight(&self, name: &str, shape: &[i64]) -> Result<Tensor> {
        self.check(name, shape)?;
        Ok(match self.first {
            First::Random => self.path.f_kaiming_uniform(name, shape)?,
            _ => self.path.f_zeros(name, shape)?,
        })
    }

    /// Parameters uniform between `-bound` and `bound`.
    ///
    /// # Errors
    /// No memory for them, or a file that is loaded has others.
    pub fn uniform(&self, name: &str, shape: &[i64], bound: f64) -> Result<Tensor> {
        self.check(name, shape)?;
        Ok(match self.first {
            First::Random => self.path.f_uniform(name, shape, -bound, bound)?,
            _ => self.path.f_zeros(name, shape)?,
        })
    }

    /// Parameters that start at one value, 0 or 1 as a rule.
    ///
    /// # Errors
    /// No memory for them, or a file that is loaded has others.
    pub fn constant(&self, name: &str, shape: &[i64], value: f64) -> Result<Tensor> {
        self.check(name, shape)?;
        Ok(self.path.f_var(name, shape, nn::Init::Const(value))?)
    }

    /// Running statistics, which no gradient changes, that start at `value`, 0 or 1.
    ///
    /// # Errors
    /// No memory for them, or a file that is loaded has others.
    pub fn statistics(&self, name: &str, shape: &[i64], value: f64) -> Result<Tensor> {
        self.check(name, shape)?;
        Ok(if value == 0.0 {
            self.path.f_zeros_no_train(name, shape)?
        } else {
            let mut ones = self.path.f_ones_no_train(name, shape)?;
            ones.f_mul_scalar_(value)?
        })
    }
}
