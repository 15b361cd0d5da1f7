//! Temperatures that fit a network's probabilities to the validation set.

use anyhow::Result;
use tch::Kind;

use crate::metrics::{Evaluation, Predictions};
use crate::model::Net;
use crate::train::job::Job;

/// Temperatures fitted on the validation set, and its metrics with them.
pub(super) fn calibrate(net: &Net, job: Job) -> Result<(Vec<f64>, Evaluation)> {
    let labels = job.faces.labels(job.validation)?;
    let logits = job.logits(net, Kind::Float, job.validation, net.config().input())?;
    let temperatures = crate::metrics::fit_temperatures(job.task, &logits, &labels)?;
    let predicted = Predictions::from_logits(job.task, &temperatures, &logits)?;
    Ok((temperatures, Evaluation::new(predicted, &labels)))
}
