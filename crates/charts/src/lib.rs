//! A small grammar of charts over polars tables, drawn with plotters, and figures of images.
//!
//! [`chart`] says what of a table goes on the axes and how its rows are drawn. [`Chart::save`] writes
//! it as SVG or PNG, and [`Chart::figure`] draws it.
//!
//! ```
//! # fn main() -> anyhow::Result<()> {
//! let table = polars::df!["age" => [31u32, 8, 42], "gender" => ["male", "female", "male"]]?;
//! let ages = charts::chart(&table).x("age").color("gender").histogram().title("Ages by gender");
//! assert!(ages.figure()?.svg().contains("Ages by gender"));
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

mod axis;
mod bars;
mod boxes;
mod chart;
mod column;
mod confusion;
mod encoded;
mod figure;
pub mod format;
mod layout;
mod marks;
mod pictures;
mod render;
mod shapes;
mod stats;
mod style;

pub use bars::{intervals, probabilities};
pub use boxes::{Boxed, boxes};
pub use chart::{Chart, chart};
pub use confusion::confusion;
pub use figure::{Figure, draw, grid};
pub use pictures::{Captioned, captioned, enlarged, picture, picture_grid, small_jpeg};
