//! Tables and figures of results: of evaluations, trainings and searches, of the published
//! numbers beside others', and of what a net sees.

mod explain;
mod figures;
mod gallery;
mod layer;
mod published;
mod remeasure;
mod rivals;
mod robustness;
mod visualize;

pub use explain::Explanation;
pub use gallery::Gallery;
pub use published::{PublishedResults, Row};
pub use rivals::{Rival, rivals};
pub use robustness::{Corrupted, Robustness};
pub use visualize::{Activation, activations, exciting_faces, filter_patterns, save_activations};
