//! Calibration: whether confidence matches accuracy.

use serde::{Deserialize, Serialize};

use super::predictions::most_likely;
use super::{Interval, LabelledPredictions};

/// Number of confidence bins, of equal width.
const BINS: usize = 15;

/// Predictions whose confidence lies in one range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Number of images.
    pub pictures: usize,
    /// Mean confidence: the probability of the predicted class, 0 to 1.
    pub confidence: f64,
    /// Share of correct predictions, 0 to 1.
    pub accuracy: f64,
}

/// Expected calibration error (Guo et al., arXiv 1706.04599, section 2) with its interval, and the
/// bins that are not empty.
pub(super) fn calibration(labelled: &LabelledPredictions) -> (Interval, Vec<Bin>) {
    let each: Vec<(usize, f64, bool)> = labelled
        .predictions
        .probabilities
        .iter()
        .zip(&labelled.truth)
        .map(|(p, truth)| {
            let class = most_likely(p);
            let bin = ((p[class] * BINS as f64) as usize).min(BINS - 1);
            (bin, p[class], class == *truth)
        })
        .collect();
    let bins = |drawn: &[usize]| {
        let mut sums = [(0usize, 0.0, 0usize); BINS];
        for &i in drawn {
            let (bin, confidence, right) = each[i];
            let sum = &mut sums[bin];
            *sum = (sum.0 + 1, sum.1 + confidence, sum.2 + usize::from(right));
        }
        sums
    };
    let ece = Interval::bootstrap(each.len(), |drawn| {
        let off = |(_, confidence, right): (usize, f64, usize)| (confidence - right as f64).abs();
        bins(drawn).map(off).iter().sum::<f64>() / drawn.len() as f64
    });
    let all: Vec<usize> = (0..each.len()).collect();
    let bins = bins(&all)
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
