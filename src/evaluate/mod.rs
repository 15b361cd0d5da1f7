//! How good a net is, on pictures it has not seen: each number with its 95 % interval.

mod interval;
mod metrics;

pub use interval::Interval;
pub(crate) use metrics::most_likely;
pub use metrics::{Answers, Evaluation, Metrics, answers, evaluate};
