//! The networks: residual networks of residual networks (RoR), one that starts from a
//! face-recognition network, the original's Keras baseline, and the traits for custom ones.

mod config;
mod inference;
mod keras_baseline;
mod net;
mod network;
mod pretrained_ror;
mod ror;
mod summary;

pub use config::{NetConfig, register};
pub use inference::batch;
pub(crate) use inference::{Inference, embeddings_of, logits_of};
pub use keras_baseline::KerasBaselineConfig;
pub use layers::{Conv, Linear, Norm, Params};
pub use net::Net;
pub use net::{LEVEL_MEAN, LEVEL_SCALE};
pub use network::{Architecture, Network, Pretrained, Tap};
pub use pretrained_ror::PretrainedRorConfig;
pub use ror::RorConfig;
pub use summary::Summary;
