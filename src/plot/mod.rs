//! Figures for notebooks and reports.
//!
//! Every plot is a function that returns a [`Figure`], which a notebook displays as the last
//! expression of a cell and [`Figure::save`] writes as SVG or PNG.
//!
//! ```
//! # fn main() -> anyhow::Result<()> {
//! let bars = [("0-12".to_string(), 0.15), ("13-25".to_string(), 0.85)];
//! let figure = ror::plot::probabilities("Age group", &bars, Some(1))?;
//! assert!(figure.svg().contains("85.0%"));
//! # Ok(())
//! # }
//! ```

mod bars;
mod curves;
mod distribution;
mod faces;
mod figure;
mod heat_map;
mod intervals;
mod photo;
mod pictures;
mod probabilities;
mod reliability;
mod results;
mod scatter;
pub(crate) mod style;

pub use bars::bars;
pub use curves::curves;
pub use distribution::{ages, ages_before_after, ages_by_gender, genders, histogram};
pub use faces::{faces, predictions};
pub use figure::{Figure, draw};
pub use heat_map::{confusion, score_map};
pub use intervals::{breakdown, intervals};
pub use photo::photo;
#[doc(hidden)]
pub use pictures::{enlarged, small_jpeg};
pub use pictures::{picture, picture_grid};
pub use probabilities::probabilities;
pub use reliability::reliability;
pub use scatter::scatter;
