//! Analysis of trained networks: published results and comparisons, ablations, robustness,
//! explanations and visualizations, and exports for Python.

mod ablation;
mod comparison;
mod corruption;
mod explain;
pub mod export;
mod layer;
mod published;
mod remeasure;
mod rivals;
mod robustness;
mod visualize;

pub use ablation::{Ablation, Difference, Differences, Trial, Trials};
pub use comparison::{Compared, Comparison};
pub use corruption::Corruption;
pub use explain::{Explain, Explanation};
pub use published::{PublishedResults, Row, trained_on};
pub use remeasure::Remeasure;
pub use rivals::{Rival, rivals};
pub use robustness::{Corrupted, Robustness};
pub use visualize::{
    Activation, activations, exciting_faces, filter_patterns, layer_files, save_activations,
};
