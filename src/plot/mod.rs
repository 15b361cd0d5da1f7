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

mod axis;
mod chart;
mod column;
mod curves;
mod encoded;
mod faces;
mod figure;
mod layout;
mod maps;
mod marks;
mod photo;
mod pictures;
mod presets;
mod render;
mod results;
mod shapes;
mod stats;
mod style;

pub use chart::{Chart, chart};
pub use curves::{compare, curves};
pub use faces::{faces, predictions};
pub use figure::{Figure, draw, grid};
pub use maps::{confusion, score_map};
pub use photo::photo;
#[doc(hidden)]
pub use pictures::{enlarged, small_jpeg};
pub use pictures::{picture, picture_grid};
pub use presets::{
    ages, ages_before_after, ages_by_gender, bars, breakdown, genders, histogram, intervals,
    probabilities, reliability, scatter,
};
