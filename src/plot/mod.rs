//! Charts of tables, and figures of images, for notebooks and reports.
//!
//! [`chart`] says what of a table goes on the axes and how its rows are drawn; [`ages`], [`curves`]
//! and the like are such charts, and can be changed further. A notebook displays a [`Chart`] or
//! [`Figure`] that is the last expression of a cell, and `save` writes it as SVG or PNG.
//!
//! ```
//! # fn main() -> anyhow::Result<()> {
//! use ror::prelude::*;
//!
//! let faces = Faces::synthetic(100, 0)?;
//! let ages = plot::ages(faces.records())?.color("gender").bins(20).title("Ages by gender");
//! assert!(ages.figure()?.svg().contains("Ages by gender"));
//! # Ok(())
//! # }
//! ```

mod curves;
mod faces;
mod photo;
mod presets;
mod results;

pub use charts::{
    Chart, Figure, chart, confusion, draw, grid, intervals, picture, picture_grid, probabilities,
};
pub use curves::{compare, curves};
pub use faces::{PHOTOGRAPHS, captioned_faces, faces, predictions};
pub use photo::photo;
pub use presets::{ages, ages_before_after, ages_by_gender, breakdown, genders, reliability};
