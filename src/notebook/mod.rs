//! How things show themselves in a notebook cell.
//!
//! The evcxr kernel shows a cell's last expression by its method `evcxr_display`, where it has
//! one. Those of this crate's types are here, and nowhere else does the crate know of notebooks
//! (but for where progress is printed).

mod display;
mod table;

pub use table::Table;
