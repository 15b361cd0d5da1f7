//! How good a net is, on pictures it has not seen: each number with its 95 % interval.

mod answers;
mod calibration;
mod evaluation;
mod interval;
mod metrics;
mod slices;

pub use answers::{Answers, Estimate};
pub(crate) use answers::{estimates, fit_temperatures, logits_of, mean_estimate, most_likely};
pub use calibration::Bin;
use calibration::calibration;
pub use evaluation::{Evaluation, Measured};
pub use interval::Interval;
pub use metrics::{Baseline, Metrics};
pub use slices::Slice;
use slices::slices;
