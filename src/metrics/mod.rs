//! Metrics of predictions, each with its 95 % interval.

mod calibration;
mod evaluation;
mod labelled;
#[allow(clippy::module_inception)]
mod metrics;
mod predictions;
mod slices;
mod temperature;

pub use evaluation::{Evaluation, HeadEvaluation};
pub(crate) use labelled::LabelledPredictions;
pub use metrics::{Metric, Metrics};
pub use predictions::Predictions;
pub(crate) use predictions::{check_temperature, distributions, is_finite};
pub use slices::Slice;
pub(crate) use temperature::fit_temperatures;
pub use utils::interval::Interval;
