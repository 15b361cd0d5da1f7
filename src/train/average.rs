//! The exponential moving average (EMA) of the weights, which is validated and kept.

/// How far the average moves towards the weights at step `steps` (from 1), for a decay per step;
/// all the way for a decay of 0.
///
/// At first the average follows quickly, as in TensorFlow, so that the initial weights do not
/// dominate it.
pub(super) fn share(decay: f64, steps: i64) -> f64 {
    if decay <= 0.0 {
        return 1.0;
    }
    let steps = steps as f64;
    1.0 - decay.min((1.0 + steps) / (10.0 + steps))
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn the_average_follows_quickly_at_first() {
        assert!((share(0.995, 1) - 9.0 / 11.0).abs() < 1e-12);
        assert!((share(0.995, 100_000) - 0.005).abs() < 1e-12);
        assert_eq!(share(0.0, 5), 1.0);
    }
}
