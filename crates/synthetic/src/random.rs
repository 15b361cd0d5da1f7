//! A small random generator (splitmix64; Steele, Lea and Flood 2014). Published crates do not
//! guarantee that their distributions stay the same between versions.

/// A stream of random numbers that is the same on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns an integer in `0..bound`, or 0 if the bound is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// Returns an index into `weights`, chosen in proportion to them.
    pub(crate) fn weighted(&mut self, weights: &[u64]) -> usize {
        let mut left = self.below(weights.iter().sum());
        let chosen = weights.iter().position(|&weight| {
            let here = left < weight;
            left = left.saturating_sub(weight);
            here
        });
        chosen.unwrap_or(0)
    }

    /// Returns a uniform number in `low..high`.
    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (self.next() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// Returns true with the given probability.
    pub(crate) fn chance(&mut self, probability: f32) -> bool {
        self.between(0.0, 1.0) < probability
    }

    /// Returns an approximately normal number with mean 0 and standard deviation 1. It is a sum of
    /// four uniform numbers, because a logarithm may differ between machines.
    pub(crate) fn normal(&mut self) -> f32 {
        (0..4).map(|_| self.between(-1.0, 1.0)).sum::<f32>() * 0.866_025_4
    }

    /// Returns a muted color; red, green and blue are 0 to 255.
    pub(crate) fn colour(&mut self) -> [f32; 3] {
        let grey = self.between(50.0, 210.0);
        [(); 3].map(|()| 0.55 * grey + 0.45 * self.between(30.0, 230.0))
    }
}
