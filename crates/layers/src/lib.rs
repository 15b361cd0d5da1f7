//! Parts of networks and trainings over tch: layers with parameters under PyTorch's names, AdamW over
//! flat parameters, augmentation of batches, and the processes that share a training.

#![warn(missing_docs)]

mod adamw;
mod augment;
mod flat;
mod layer;
mod params;
mod ranks;

pub use adamw::AdamW;
pub use augment::{Augment, Augmentation};
pub use flat::{FlatNet, Group, Weights};
pub use layer::{Conv, Linear, Norm, add, average_pool, drop_path};
pub use params::{First, Params};
pub use ranks::{ProcessGroup, Ranks, synchronised};
