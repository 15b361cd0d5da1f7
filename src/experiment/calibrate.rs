//! Temperatures that fit a network's probabilities to the validation set.

use anyhow::Result;
use tch::Kind;

use crate::metrics::{Evaluation, LabelledPredictions, Predictions};
use crate::model::Net;
use crate::train::fit::Fit;

/// Temperatures fitted on the validation part, and its metrics with them.
pub(super) fn calibrate(net: &Net, fit: Fit) -> Result<(Vec<f64>, Evaluation)> {
    let labels = fit.faces.labels(fit.validation)?;
    let logits = fit.logits(net, Kind::Float, fit.validation, net.config().input())?;
    let temperatures = crate::metrics::fit_temperatures(fit.task, &logits, &labels)?;
    let labelled = Predictions::from_logits(fit.task, &temperatures, &logits)?
        .into_iter()
        .map(|head| LabelledPredictions::new(head, labels.clone()))
        .collect();
    Ok((temperatures, Evaluation::of(labelled)))
}
