//! The published numbers: what they are, beside others' numbers, and measured again.
//!
//! They stand in the cards of the models that ship ([`crate::train::Card::tests`]);
//! `models/results.csv` and the README's table are made from there.

mod again;
mod rivals;
mod rows;

pub use again::again;
pub use rivals::{RIVALS, Rival, against};
pub(crate) use rows::in_words;
pub use rows::{Published, Row, csv, csv_path, published, rows, table, with_table, write_csv};
