//! Face age-group and gender estimation with residual networks of residual networks (RoR),
//! driven from Jupyter notebooks.
//!
//! The whole story in one example, on faces drawn on the spot; on UTKFace it is the same:
//!
//! ```no_run
//! use ror::prelude::*;
//!
//! # fn main() -> anyhow::Result<()> {
//! let faces = Faces::open()?; // data/, $ROR_DATA, or drawings
//! plot::ages(faces.records())?.save("ages.png")?;
//!
//! let split = faces.split(faces.records(), &faces.plan(Task::Gender))?;
//! let gender = Training::new(&faces, &split).run()?; // or loads what was trained before
//! println!("{}", gender.evaluate(&faces, &split)?);
//!
//! println!("{}", pred_gender_age_group(23_000)?);
//! # Ok(())
//! # }
//! ```
//!
//! Data goes one way through the crate: names, records, balanced records ([`dataset`]), split,
//! pictures, batches and logits ([`train`], [`model`]), metrics ([`evaluate`]), plots
//! ([`plot`]). Every error is a value that says what was wrong, where, and what to do.

#![warn(missing_docs)]

pub mod dataset;
mod device;
pub mod evaluate;
pub mod files;
mod hash;
pub mod model;
pub mod notebook;
pub mod plot;
mod predict;
mod progress;
mod random;
pub mod results;
mod task;
mod threads;
pub mod train;
pub mod visualize;

pub use device::{device, device_named, hardware, today};
pub use hash::sha256;
pub use predict::{
    Answer, DEFAULT_MODEL, Fit, Prediction, Predictor, Report, default_split,
    pred_gender_age_group, pred_gender_age_group_with,
};
pub use progress::Progress;
pub use task::{MAX_AGE, OLDEST, Task};

// What cells use beside this crate, in the versions this crate is built with.
pub use anyhow;
pub use plotters;
pub use polars;
pub use tch;

/// What a notebook uses: `use ror::prelude::*;`
pub mod prelude {
    pub use crate::dataset::{
        Balance, Copies, Faces, Gender, Part, Plan, Protocol, Records, Split,
    };
    pub use crate::evaluate::{Evaluation, Interval, Metrics};
    pub use crate::model::{Net, NetConfig};
    pub use crate::notebook::Table;
    pub use crate::plot::{self, Figure};
    pub use crate::results::{self, against};
    pub use crate::train::{
        Experiment, Recipe, Schedule, Training, difference_table, differences, named,
        plot_differences, search, shipped, trials,
    };
    pub use crate::visualize;
    pub use crate::{
        DEFAULT_MODEL, Fit, Predictor, Task, default_split, device, pred_gender_age_group,
        pred_gender_age_group_with,
    };
    pub use anyhow::{Context, Result};
    pub use polars::prelude::DataFrame;
}
