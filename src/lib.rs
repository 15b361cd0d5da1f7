//! Face age-group and gender estimation with residual networks of residual networks (RoR),
//! driven from Jupyter notebooks.
//!
//! The whole story in one example, on synthetic faces; on UTKFace it is the same with
//! [`Faces::open`](data::Faces::open) and [`Protocol::OriginalGender`](data::Protocol):
//!
//! ```
//! use ror::prelude::*;
//!
//! # fn main() -> anyhow::Result<()> {
//! # let place = std::env::temp_dir().join("ror-doc");
//! # unsafe { std::env::set_var("ROR_MODELS", &place); std::env::set_var("ROR_CACHE", &place); }
//! let faces = Faces::synthetic(400, 0)?;
//! plot::ages(faces.records())?.save(std::env::temp_dir().join("ages.png"))?;
//!
//! let sizes = SplitSizes { train: 200, validation: 50, test: Some(50), seed: 0 };
//! let split = Split::new(&faces, faces.records(), &sizes)?;
//! let gender = Training::new(&faces, &split, Task::Gender).epochs(1).train_or_load()?; // or loads it
//! println!("{}", gender.evaluate(&faces, &split)?); // accuracy with its 95 % interval, ...
//! # std::fs::remove_dir_all(place)?;
//! # Ok(())
//! # }
//! ```
//!
//! The modules, each of which uses only those before it: [`data`] has labels, images and splits;
//! [`model`] the networks; [`metrics`] accuracy, errors and their intervals; [`train`] recipes and the
//! training loop; [`store`] trained networks with their cards; [`experiment`] trainings as users run
//! them; [`predict`] single faces and photographs; [`plot`] figures.
//!
//! A custom network is an [`Architecture`](model::Architecture), a custom loss a
//! [`Loss`](train::Loss), a custom augmentation an [`Augmentation`](train::Augmentation), and your own
//! images are a folder with a `labels.csv` or a [`Source`](data::Source). Every error is a value that
//! says what went wrong, where, and what to do.

#![warn(missing_docs)]

pub mod data;
pub mod experiment;
pub mod metrics;
pub mod model;
#[cfg(feature = "plots")]
pub mod plot;
pub mod predict;
pub mod store;
mod task;
pub mod train;

pub use layers::{ProcessGroup, Ranks};
pub use task::{Gender, Label, MAX_AGE, OLDEST, RACES, Task};
pub use utils::device::{Precision, device, device_named, hardware};
pub use utils::live::keep_going;
pub use utils::progress::{Progress, show_progress};

// What cells use beside this crate, in the versions this crate is built with.
pub use anyhow;
pub use image;
#[cfg(feature = "plots")]
pub use plotters;
#[cfg(feature = "tables")]
pub use polars;
pub use tch;

/// What most programs use: `use ror::prelude::*;`
///
/// In notebooks it also has what tables take: polars' `col`, `lit` and the like.
pub mod prelude {
    pub use crate::data::{Duplicates, Faces, Protocol, Split, SplitSizes};
    #[cfg(feature = "tables")]
    pub use crate::data::{Frame as _, Records as _, Values as _};
    #[cfg(feature = "tables")]
    pub use crate::experiment::Experiment;
    pub use crate::experiment::Training;
    pub use crate::metrics::Evaluation;
    pub use crate::model::{Net, PretrainedRorConfig, RorConfig};
    #[cfg(feature = "plots")]
    pub use crate::plot::{self, Chart, Figure};
    pub use crate::predict::{Photo, Predictor, detector};
    #[cfg(feature = "tables")]
    pub use crate::predict::{pred_gender_age_group, pred_gender_age_group_with};
    pub use crate::store::{ModelStore, Trained};
    pub use crate::train::{Augment, Recipe};
    pub use crate::{Gender, Task, device};
    pub use anyhow::Result;
}
