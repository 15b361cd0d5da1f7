//! Trainings as users run them: one, from a file, a search, an ablation.

mod calibrate;
#[cfg(feature = "tables")]
#[allow(clippy::module_inception)]
mod experiment;
mod key;
mod run;
mod search;
mod training;

#[cfg(feature = "tables")]
pub use experiment::Experiment;
pub use search::{Search, SearchTrial};
pub use training::Training;
