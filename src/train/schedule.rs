//! Learning rate schedules.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// A learning rate schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Constant.
    Constant,
    /// Up to the learning rate for the share [`super::Recipe::warm_up`] of the steps, then down to
    /// 0, both along a cosine (Smith and Topin, arXiv 1708.07120).
    OneCycle,
}

impl Schedule {
    /// The learning rate at the fraction `at` of a training, 0 to 1; its maximum is `top`.
    pub(super) fn rate(self, top: f64, warm_up: f64, at: f64) -> f64 {
        let cosine = |from: f64, to: f64, at: f64| to + (from - to) * (1.0 + (PI * at).cos()) / 2.0;
        match self {
            Schedule::Constant => top,
            Schedule::OneCycle if at < warm_up => cosine(top / 25.0, top, at / warm_up),
            Schedule::OneCycle => cosine(top, top / 1e5, (at - warm_up) / (1.0 - warm_up)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cycle_rises_then_falls_to_nothing() {
        let top = 2e-3;
        let rates: Vec<f64> = (0..1000)
            .map(|step| Schedule::OneCycle.rate(top, 0.3, f64::from(step) / 1000.0))
            .collect();
        assert!((rates[300] - top).abs() < 1e-9);
        assert!((rates[0] - top / 25.0).abs() < 1e-12 && rates[999] < top / 1000.0);
        assert!(rates[..300].is_sorted() && rates[300..].iter().rev().is_sorted());
        assert!((rates[150] - (top / 25.0 + top) / 2.0).abs() < 1e-9, "half way up");
        assert_eq!(Schedule::Constant.rate(1e-4, 0.3, 0.7), 1e-4);
        assert_eq!(Schedule::OneCycle.rate(top, 0.0, 0.0), top, "no warm-up");
    }
}
