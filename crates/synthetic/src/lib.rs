//! Synthetic faces, so that notebooks and tests run without the UTKFace data set.
//!
//! [`population`] generates people whose ages, genders and races are distributed like UTKFace's,
//! including duplicates and wrong labels. [`Person::draw`] draws their faces. Gender and age are
//! visible only on average, so a small network learns them well but not perfectly. Results on
//! synthetic faces say nothing about real faces.
//!
//! Names and labels are the same on every machine. Pixels may differ by one between CPU types.
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
