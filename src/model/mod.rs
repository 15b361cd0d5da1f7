//! The nets: residual networks of residual networks (RoR), the original's Keras baseline, and
//! the traits by which one's own net joins them.

mod config;
mod inference;
mod keras_baseline;
mod layers;
mod net;
mod network;
mod ror;
mod summary;

pub use config::{NetConfig, register};
pub(crate) use inference::{Inference, batch, logits_of};
pub use keras_baseline::KerasBaselineConfig;
pub use layers::{Conv, Linear, Norm};
pub use net::Net;
pub(crate) use net::{LEVEL_MEAN, LEVEL_SCALE};
pub use network::{Architecture, Network, Params, Tap};
pub use ror::RorConfig;
pub use summary::{Layer, Summary};
