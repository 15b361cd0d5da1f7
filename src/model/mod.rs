//! The nets: residual networks of residual networks, and the original's coded variant.

mod coded;
mod config;
mod inference;
mod layers;
mod net;
mod ror;
mod summary;

pub use coded::Coded;
pub use config::{Architecture, NetConfig};
pub(crate) use inference::{Inference, batch};
pub use net::Net;
pub use ror::Ror;
pub use summary::{Layer, Summary};
