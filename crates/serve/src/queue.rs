//! Images that wait for an inference thread.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::body::Bytes;
use tokio::sync::oneshot;

use crate::budget::Held;
use crate::counts::Outcome;

/// The answer for one image.
#[derive(Debug)]
pub struct Answer {
    /// What became of the image.
    pub outcome: Outcome,
    /// One JSON object, as `predict --json` prints it.
    pub json: String,
}

/// An image that waits.
pub struct Job {
    /// Its name, which its answer repeats.
    pub path: String,
    /// The file's bytes.
    pub image: Bytes,
    /// Whether it is an aligned crop, not a photo.
    pub aligned: bool,
    /// When it was accepted.
    pub since: Instant,
    /// Takes the answer. It is closed when nobody waits for it any more.
    pub reply: oneshot::Sender<Answer>,
    /// The bytes of its request, held until all of its images are answered.
    pub held: Arc<Held>,
}

/// A queue of at most `most` images.
pub struct Queue {
    most: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Queue {
    /// Creates an empty queue.
    pub fn of(most: usize) -> Self {
        Self { most, state: Mutex::default(), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the images of one request, all or none: false means that there is no room for them.
    pub fn put(&self, jobs: Vec<Job>) -> bool {
        let mut state = self.state();
        let fits = !state.closed && state.jobs.len() + jobs.len() <= self.most;
        if fits {
            state.jobs.extend(jobs);
            self.changed.notify_all();
        }
        fits
    }

    /// Waits for images and returns the oldest: a photo, or this thread's share of the aligned crops
    /// that are next, at most `most`. Returns `None` once the queue is closed and empty.
    pub fn take(&self, most: usize, threads: usize) -> Option<Vec<Job>> {
        let idle = |state: &mut State| state.jobs.is_empty() && !state.closed;
        let state = self.changed.wait_while(self.state(), idle);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        let crops = state.jobs.iter().take_while(|job| job.aligned).count();
        let share = crops.div_ceil(threads).min(most).max(1).min(state.jobs.len());
        let jobs: Vec<Job> = state.jobs.drain(..share).collect();
        (!jobs.is_empty()).then_some(jobs)
    }

    /// Returns how many images wait.
    pub fn len(&self) -> usize {
        self.state().jobs.len()
    }

    /// Takes no more images; those that wait are still handed out.
    pub fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;

    /// A job per letter; capital ones are photos.
    fn jobs(names: &str) -> Vec<Job> {
        let held = Arc::new(Budget::of(1).hold());
        let one = |name: char| Job {
            path: name.to_string(),
            image: Bytes::new(),
            aligned: name.is_lowercase(),
            since: Instant::now(),
            reply: oneshot::channel().0,
            held: Arc::clone(&held),
        };
        names.chars().map(one).collect()
    }

    #[test]
    fn requests_enter_whole_and_leave_in_order_photos_alone() {
        let queue = Queue::of(8);
        assert!(queue.put(jobs("abcPQ")));
        assert!(!queue.put(jobs("defg")) && queue.len() == 5);
        assert!(queue.put(jobs("def")));
        let take = |most, threads| {
            let jobs = queue.take(most, threads)?;
            Some(jobs.into_iter().map(|job| job.path).collect::<String>())
        };
        for (most, threads, names) in [(8, 2, "ab"), (8, 2, "c"), (8, 2, "P"), (8, 1, "Q")] {
            assert_eq!(take(most, threads).as_deref(), Some(names));
        }
        queue.close();
        assert!(!queue.put(jobs("g")));
        assert_eq!(take(2, 1).as_deref(), Some("de"));
        assert_eq!(take(2, 1).as_deref(), Some("f"));
        assert_eq!(take(2, 1), None);
    }
}
