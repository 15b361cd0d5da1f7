//! How things show themselves in a notebook cell.
//!
//! The evcxr kernel shows a cell's last expression by its method `evcxr_display`, where it has
//! one. All of them are here: nothing else in the crate knows of notebooks, but for where progress
//! is printed.

mod display;
mod table;

pub use display::{Show, short_panics};
pub use table::Table;
