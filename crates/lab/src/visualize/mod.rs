//! Visualizing a network: the activations of every layer, and what maximizes its filters.

mod activations;
mod exciting_faces;
mod filter_patterns;
mod tiles;

pub use activations::{Activation, activations, layer_files, save_activations};
pub use exciting_faces::exciting_faces;
pub use filter_patterns::filter_patterns;
