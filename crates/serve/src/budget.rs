//! The bytes of images that are in memory, bounded over all requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many bytes may be held at once.
pub struct Budget {
    most: u64,
    used: AtomicU64,
}

/// What one request holds of a [`Budget`], given back when dropped.
pub struct Held {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Budget {
    /// Creates a budget of `most` bytes.
    pub fn of(most: u64) -> Arc<Self> {
        Arc::new(Self { most, used: AtomicU64::new(0) })
    }

    /// Returns an empty holding.
    pub fn hold(self: &Arc<Self>) -> Held {
        Held { budget: Arc::clone(self), bytes: 0 }
    }

    /// Returns how many bytes are held.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

impl Held {
    /// Takes `bytes` more, or returns false when they are not free.
    pub fn grow(&mut self, bytes: u64) -> bool {
        let more = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.budget.most);
        let taken = self.budget.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        self.bytes += if taken.is_ok() { bytes } else { 0 };
        taken.is_ok()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_never_exceeded_and_comes_back() {
        let budget = Budget::of(100);
        let (mut one, mut other) = (budget.hold(), budget.hold());
        assert!(one.grow(60) && other.grow(40) && !other.grow(1) && !one.grow(u64::MAX));
        drop(one);
        assert_eq!(budget.used(), 40);
        assert!(other.grow(60));
        drop(other);
        assert_eq!(budget.used(), 0);
    }
}
