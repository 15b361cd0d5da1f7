//! Trainings as users run them: one, from a file, a search, an ablation.

mod calibrate;
#[allow(clippy::module_inception)]
mod experiment;
mod search;
mod training;

pub use experiment::Experiment;
#[doc(hidden)]
pub use search::SearchSoFar;
pub use search::{Search, SearchTrial};
pub use training::Training;
