//! Percentile bootstrap intervals, implemented here so that no dependency can change them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// A number with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The number.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Number of bootstrap resamples.
const RESAMPLES: usize = 2_000;

impl Interval {
    /// The mean of one value per image, with its percentile bootstrap interval (Efron and
    /// Tibshirani 1993, chapter 13).
    ///
    /// ```
    /// use utils::interval::Interval;
    ///
    /// let right: Vec<f64> = (0..1000).map(|i| if i % 10 == 0 { 0.0 } else { 1.0 }).collect();
    /// let accuracy = Interval::of_mean(&right);
    /// assert_eq!(accuracy.value, 0.9);
    /// assert!((accuracy.low - 0.881).abs() < 0.004 && (accuracy.high - 0.918).abs() < 0.004);
    /// ```
    pub fn of_mean(values: &[f64]) -> Self {
        let n = values.len();
        if n == 0 {
            return Self { value: f64::NAN, low: f64::NAN, high: f64::NAN };
        }
        // A fixed seed, so that intervals are reproducible.
        let mut random = Random::new(0);
        let value = values.iter().sum::<f64>() / n as f64;
        let mut resample =
            || (0..n).map(|_| values[random.below(n as u64) as usize]).sum::<f64>() / n as f64;
        let mut resampled: Vec<f64> = (0..RESAMPLES).map(|_| resample()).collect();
        resampled.sort_by(f64::total_cmp);
        let at = |share: f64| resampled[((RESAMPLES - 1) as f64 * share).round() as usize];
        Self { value, low: at(0.025), high: at(0.975) }
    }

    /// As percentages: `90.7 % (90.0 to 91.4)`.
    pub fn percent(&self) -> String {
        format!("{:.1} % ({:.1} to {:.1})", self.value * 100.0, self.low * 100.0, self.high * 100.0)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} ({:.3} to {:.3})", self.value, self.low, self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bootstrap of a mean is known: a normal distribution with the mean's standard error.
    #[test]
    fn the_interval_of_a_mean_is_the_normal_one() {
        let values: Vec<f64> = (0..2_000).map(|i| f64::from(i % 100)).collect();
        let found = Interval::of_mean(&values);
        let deviation = ((100f64 * 100.0 - 1.0) / 12.0).sqrt();
        let reach = 1.96 * deviation / (2_000f64).sqrt();
        assert_eq!(found.value, 49.5);
        assert!((found.low - (49.5 - reach)).abs() < 0.12, "{found}");
        assert!((found.high - (49.5 + reach)).abs() < 0.12, "{found}");
        assert_eq!(found, Interval::of_mean(&values), "a fixed seed");
    }

    #[test]
    fn one_value_is_its_own_interval_and_none_has_no_mean() {
        let one = Interval::of_mean(&[0.3]);
        assert_eq!((one.value, one.low, one.high), (0.3, 0.3, 0.3));
        assert!(Interval::of_mean(&[]).value.is_nan());
    }
}
