//! Layers over tch with parameters under PyTorch's names, and the processes that share a training.

#![warn(missing_docs)]

mod layer;
mod params;
mod ranks;

pub use layer::{Conv, Linear, Norm, add, average_pool, drop_path};
pub use params::{First, Params};
pub use ranks::{ProcessGroup, Ranks, synchronised};
