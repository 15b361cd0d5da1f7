//! Distributed training: with torchrun, on any number of machines and GPUs, or with worker
//! processes on this machine.
//!
//! The processes communicate through PyTorch's process groups (crates/c10d), which implement
//! [`ror::ProcessGroup`].

mod group;
mod meeting;
mod patience;
mod watch;
mod workers;

pub use group::ranks;
pub use workers::{train, train_or_load, worker};
