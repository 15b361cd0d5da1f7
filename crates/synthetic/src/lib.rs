//! Synthetic faces that stand in for the UTKFace data set.
//!
//! They let notebooks and tests run without it. [`population`] invents people whose ages, genders
//! and races are distributed like UTKFace's, duplicates and wrong labels included;
//! [`Person::draw`] draws their faces. Gender and age show in a face only on average, so that a
//! small net learns them well but not perfectly. Numbers measured on synthetic faces say nothing
//! about real ones.
//!
//! Names and labels are the same on every machine. Pixels are the same on machines of one kind;
//! between kinds of CPU a few may differ by one.
//!
//! ```
//! let people = synthetic::population(100, 0);
//! assert_eq!(people[3].draw(64)?.dimensions(), (64, 64));
//! assert!(people[3].file_name().ends_with(".jpg.chip.jpg"));
//! # Ok::<(), anyhow::Error>(())
//! ```

mod canvas;
mod draw;
mod face;
mod person;
mod random;

pub use person::{Person, SIZE, population, write_folder};
