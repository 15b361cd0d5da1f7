//! Trainings on several processes: those of torchrun, on any number of machines and GPUs, or worker
//! processes of this machine.
//!
//! The processes meet through PyTorch's own process groups (crates/c10d), which plug into the library
//! by [`ror::ProcessGroup`].

mod group;
mod workers;

pub use group::ranks;
pub use workers::{train, train_or_load, worker};
