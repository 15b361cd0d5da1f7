//! Training: recipes, the loop (`fit.rs` is the page to read), and its parts.

mod adamw;
mod augment;
mod average;
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
mod weights;

pub use augment::{Augment, Augmentation};
#[doc(hidden)]
pub use checkpoint::look_at_checkpoint;
pub use history::{Epoch, History};
pub use loss::Loss;
pub(crate) use loss::RecipeLoss;
pub use recipe::{Recipe, Stage};
pub use schedule::Schedule;
pub use targets::Targets;
pub(crate) use teachers::{TAUGHT, Teacher};
pub(crate) use watch::{Watch, show};

/// The version of everything here that decides what a training gives beyond its settings: part
/// of a run's key, so that another version trains anew. Count it up with every such change; where it
/// changes nets with teachers alone, the text of `TAUGHT` changes instead.
pub const VERSION: u32 = 1;
