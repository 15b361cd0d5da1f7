//! The traits of networks, for built-in and custom ones: an [`Architecture`] defines the shape and
//! builds a [`Network`], which computes.
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

/// A network's shape: everything that determines its parameters and how they are used.
///
/// It is saved in a network's card as its serde fields, and compared by them.
pub trait Architecture: Serialize + DeserializeOwned + fmt::Debug + Send + Sync + 'static {
    /// Names the architecture in cards and experiment files; it must be unique.
    const NAME: &'static str;

    /// Side length of the input images in pixels.
    fn input(&self) -> u32;

    /// Number of logits per image: [`crate::Task::outputs`].
    fn outputs(&self) -> i64;

    /// Rejects invalid shapes before anything is allocated.
    ///
    /// # Errors
    /// A value outside its range; the message should name both.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// The weights from other data that training starts from. Default: `None`, random weights.
    fn pretrained(&self) -> Option<Pretrained> {
        None
    }

    /// Whether a parameter belongs to the pretrained layers, which train at
    /// [`crate::train::Recipe::backbone_rate`]. Default: `false`.
    fn is_backbone(&self, _parameter: &str) -> bool {
        false
    }

    /// Creates the parameters and the layers that use them.
    ///
    /// # Errors
    /// Parameters that can't be allocated.
    fn build(&self, params: &Params) -> Result<Box<dyn Network>>;
}

/// Published weights that were trained on other data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pretrained {
    /// Name of their file in `models/pretrained/`, without `.safetensors`.
    pub name: String,
    /// Their origin.
    pub origin: String,
    /// Their license.
    pub licence: String,
    /// Their training data.
    pub data: String,
}

/// Called with each layer's name and output during a forward pass.
pub type Tap<'a> = &'a mut dyn FnMut(&str, &Tensor) -> Result<()>;

/// The layers of a network.
pub trait Network: fmt::Debug + Send {
    /// Logits `[n, outputs]`, f32, of normalized images `[n, 3, side, side]`, f32 (or bf16 if
    /// [`Network::is_mixed_precision`]). Each layer may pass its name and output to `tap`, for
    /// summaries and visualizations.
    ///
    /// # Errors
    /// Images of a shape that the layers can't take, or the device failing.
    fn forward(&self, x: &Tensor, train: bool, tap: Tap) -> Result<Tensor>;

    /// Whether the layers compute in the precision of their input, as [`Conv`] and [`Norm`] do;
    /// other networks are trained and run in f32.
    fn is_mixed_precision(&self) -> bool {
        false
    }

    /// Every [`Conv`], with the normalization directly after it if there is one: they are folded
    /// for inference.
    fn convolutions(&mut self) -> Vec<(&mut Conv, Option<&mut Norm>)> {
        vec![]
    }
}
