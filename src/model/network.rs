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

use std::fmt;

use anyhow::Result;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{Conv, Norm, Params};

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
