//! Training: recipes, the training loop (start reading in `fit.rs`), and its parts.

mod batches;
pub(crate) mod checkpoint;
mod early_stopping;
pub(crate) mod fit;
mod history;
pub(crate) mod job;
mod log;
mod loss;
mod mixup;
pub(crate) mod monitor;
mod recipe;
mod schedule;
mod state;
pub(crate) mod step;
mod targets;
mod teachers;
mod watch;

#[cfg(fuzzing)]
pub use checkpoint::look_at_checkpoint;
pub use history::{Epoch, History};
pub use layers::{Augment, Augmentation};
pub use loss::Loss;
pub(crate) use loss::RecipeLoss;
pub use recipe::{Recipe, Stage};
pub use schedule::Schedule;
pub use targets::Targets;
pub(crate) use teachers::{TAUGHT, Teacher};
pub(crate) use watch::{Watch, show};

/// Version of the training code. It is part of a run's key, so that another version trains again.
/// Increase it with every change of results; if only networks with teachers change, change
/// the text of `TAUGHT` instead.
pub const VERSION: u32 = 1;
