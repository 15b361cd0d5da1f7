//! How good a net is, on pictures it has not seen: each number with its 95 % interval.

mod interval;
mod metrics;

pub use interval::Interval;
pub use metrics::{Answers, Evaluation, Metrics, answers, evaluate};
pub(crate) use metrics::{answers_in, most_likely};
