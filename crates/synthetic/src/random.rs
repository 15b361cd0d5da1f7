//! Random choices for a face, from the generator that stays the same in every version.

use utils::random::Random;

/// What faces draw from a stream of random numbers.
pub(crate) trait Draw {
    /// Returns an index into `weights`, chosen in proportion to them.
    fn weighted(&mut self, weights: &[u64]) -> usize;
    /// Returns a uniform number in `low..high`.
    fn between(&mut self, low: f32, high: f32) -> f32;
    /// Returns true with the given probability.
    fn chance(&mut self, probability: f32) -> bool;
    /// Returns an approximately normal number with mean 0 and standard deviation 1. It is a sum of
    /// four uniform numbers, because a logarithm may differ between machines.
    fn normal32(&mut self) -> f32;
    /// Returns a muted color; red, green and blue are 0 to 255.
    fn colour(&mut self) -> [f32; 3];
}

impl Draw for Random {
    fn weighted(&mut self, weights: &[u64]) -> usize {
        let mut left = self.below(weights.iter().sum());
        let chosen = weights.iter().position(|&weight| {
            let here = left < weight;
            left = left.saturating_sub(weight);
            here
        });
        chosen.unwrap_or(0)
    }

    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (self.next_u64() >> 40) as f32 / (1u32 << 24) as f32
    }

    fn chance(&mut self, probability: f32) -> bool {
        self.between(0.0, 1.0) < probability
    }

    fn normal32(&mut self) -> f32 {
        (0..4).map(|_| self.between(-1.0, 1.0)).sum::<f32>() * 0.866_025_4
    }

    fn colour(&mut self) -> [f32; 3] {
        let grey = self.between(50.0, 210.0);
        [(); 3].map(|()| 0.55 * grey + 0.45 * self.between(30.0, 230.0))
    }
}
