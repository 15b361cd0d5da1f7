//! When a rank that waits speaks, and its words.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Prints a line for the user.
pub(crate) type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// When to speak: after a while, then each time that the wait has doubled.
#[derive(Clone, Copy)]
pub(crate) struct Due(Duration);

impl Due {
    pub(crate) fn after(wait: Duration) -> Self {
        Self(wait)
    }

    pub(crate) fn is_now(&mut self, waited: Duration) -> bool {
        let is_now = waited >= self.0;
        if is_now {
            self.0 = waited * 2;
        }
        is_now
    }
}

/// Runs `f`, and speaks while it takes long. `words` gets the time so far.
pub(crate) fn patiently<T>(
    after: Duration,
    say: &Say,
    words: impl Fn(&str) -> String + Send,
    f: impl FnOnce() -> T,
) -> T {
    thread::scope(|scope| {
        let (done, running) = channel::<()>();
        scope.spawn(move || {
            let (start, mut next) = (Instant::now(), after);
            while running.recv_timeout(next) == Err(RecvTimeoutError::Timeout) {
                let waited = start.elapsed();
                say(&words(&time(waited)));
                next = waited;
            }
        });
        let result = f();
        drop(done);
        result
    })
}

/// Formats a time in seconds or, from ten minutes, in minutes.
pub(crate) fn time(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 600.0 => format!("{seconds:.0} s"),
        seconds => format!("{:.0} min", seconds / 60.0),
    }
}

/// Lists a few ranks: `rank 3`, `ranks 1, 3 and 4`, `ranks 1, 2, 3, 4, 5, 6 and 994 others`.
pub(crate) fn listed<T: ToString>(ranks: &[T]) -> String {
    const MOST: usize = 6;
    let mut words: Vec<String> = ranks.iter().take(MOST).map(ToString::to_string).collect();
    match ranks.len() - words.len() {
        0 => {}
        1 => words.push(ranks[MOST].to_string()),
        more => words.push(format!("{more} others")),
    }
    match words.split_last() {
        Some((last, [])) => format!("rank {last}"),
        Some((last, rest)) => format!("ranks {} and {last}", rest.join(", ")),
        None => "no rank".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_and_times_are_worded() {
        assert_eq!(listed(&[3]), "rank 3");
        assert_eq!(listed(&[1, 3, 4]), "ranks 1, 3 and 4");
        assert_eq!(listed(&Vec::from_iter(1..8)), "ranks 1, 2, 3, 4, 5, 6 and 7");
        assert_eq!(listed(&Vec::from_iter(1..1001)), "ranks 1, 2, 3, 4, 5, 6 and 994 others");
        assert_eq!(time(Duration::from_millis(10_400)), "10 s");
        assert_eq!(time(Duration::from_secs(1_290)), "22 min");
        let (mut due, second) = (Due::after(Duration::from_secs(10)), Duration::from_secs(1));
        let spoken: Vec<u32> = (1..100).filter(|n| due.is_now(second * *n)).collect();
        assert_eq!(spoken, [10, 20, 40, 80]);
    }

    #[test]
    fn what_takes_long_is_said_until_it_is_done() {
        let (sender, said) = channel();
        let say: Say = Arc::new(move |line| sender.send(line.to_owned()).unwrap());
        let words = |time: &str| format!("waited {time}");
        let two = patiently(Duration::from_millis(1), &say, words, || {
            (said.recv().unwrap(), said.recv().unwrap())
        });
        assert_eq!(two, ("waited 0 s".to_owned(), "waited 0 s".to_owned()));
        assert_eq!(patiently(Duration::from_secs(600), &say, words, || 7), 7);
    }
}
