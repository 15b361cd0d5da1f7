//! Trainings as users run them: one, from a file, a search, an ablation.

mod ablation;
#[allow(clippy::module_inception)]
mod experiment;
mod search;
mod training;
mod workers;

pub use ablation::{Ablation, Difference, Differences, Trial, Trials};
pub use experiment::Experiment;
pub(crate) use search::SearchSoFar;
pub use search::{Search, SearchTrial};
pub use training::Training;
pub use workers::worker;
