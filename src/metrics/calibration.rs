//! Calibration: whether confidence matches accuracy.

use serde::{Deserialize, Serialize};

use super::LabelledPredictions;
use super::predictions::most_likely;

/// Number of confidence bins, of equal width.
const BINS: usize = 15;

/// Predictions whose confidence lies in one range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bin {
    /// Number of images.
    pub pictures: usize,
    /// Mean confidence: the probability of the predicted class, 0 to 1.
    pub confidence: f64,
    /// Share of correct predictions, 0 to 1.
    pub accuracy: f64,
}

/// Expected calibration error (Guo et al., arXiv 1706.04599, section 2; NaN without images), and the
/// bins that are not empty. It has no interval, because it is biased upward in a resample.
pub(super) fn calibration(labelled: &LabelledPredictions) -> (f64, Vec<Bin>) {
    let mut sums = [(0usize, 0.0, 0usize); BINS];
    for (p, truth) in labelled.predictions.probabilities.iter().zip(&labelled.truth) {
        let class = most_likely(p);
        let sum = &mut sums[((p[class] * BINS as f64) as usize).min(BINS - 1)];
        *sum = (sum.0 + 1, sum.1 + p[class], sum.2 + usize::from(class == *truth));
    }
    let off = sums.map(|(_, confidence, right)| (confidence - right as f64).abs());
    let ece = off.iter().sum::<f64>() / labelled.len() as f64;
    let bins = sums
        .into_iter()
        .filter(|(pictures, ..)| *pictures > 0)
        .map(|(pictures, confidence, right)| Bin {
            pictures,
            confidence: confidence / pictures as f64,
            accuracy: right as f64 / pictures as f64,
        })
        .collect();
    (ece, bins)
}
