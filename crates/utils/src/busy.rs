//! How many threads libtorch uses beside other busy processes.
//!
//! Threads that share every operation wait for the slowest of them. Where another process takes a
//! part of a core, fewer threads can be faster than one per core.

use std::fs;
use std::time::{Duration, Instant};

use tch::Device;

/// How long other processes are observed before a decision.
const WATCHED: Duration = Duration::from_secs(1);
/// Steps before a decision: the first ones allocate memory.
const WARM_UP: usize = 3;
/// Cores that other processes keep busy, from which on fewer threads are tried.
const BUSY: f64 = 0.5;
/// Timed steps with each number of threads.
const TRIED: usize = 4;
/// Fewer threads are used if their steps take less than this share of the time.
const FASTER: f64 = 0.9;

/// Chooses the number of libtorch's threads for steps of the same kind: the current one, unless other
/// processes are busy and a few timed steps show that fewer are faster. Where `OMP_NUM_THREADS` is set,
/// and on a GPU, it stays. Dropping this restores it.
///
/// More or fewer threads sum in another order, which changes the last digits of results.
///
/// ```
/// use utils::busy::ThreadChoice;
///
/// let mut threads = ThreadChoice::new(tch::Device::Cpu);
/// for _epoch in 0..2 {
///     threads.begin();
///     for _step in 0..10 {
///         threads.step();
///         // the work
///     }
/// }
/// ```
pub struct ThreadChoice {
    all: i32,
    is_fixed: bool,
    state: State,
    started: Option<Instant>,
}

enum State {
    /// Other processes are observed, and so many steps were taken.
    Watching(Load, usize),
    Trying(Trial),
    Settled,
}

impl ThreadChoice {
    /// Starts with the current number.
    pub fn new(device: Device) -> Self {
        let all = tch::get_num_threads();
        let is_set = std::env::var_os("OMP_NUM_THREADS").is_some();
        let is_fixed = is_set || all < 2 || device.is_cuda();
        Self { all, is_fixed, state: State::Settled, started: None }
    }

    /// Decides anew, because the load may have changed.
    pub fn begin(&mut self) {
        if let Some(load) = Load::now().filter(|_| !self.is_fixed) {
            self.state = State::Watching(load, 0);
            self.started = None;
        }
    }

    /// Whether the number will not change until [`ThreadChoice::begin`].
    pub fn is_settled(&self) -> bool {
        matches!(self.state, State::Settled)
    }

    /// Sets the number of threads for the step that follows. The time between two calls is taken for
    /// that of a step.
    pub fn step(&mut self) {
        if self.is_settled() {
            return;
        }
        let now = Instant::now();
        let before = self.started.replace(now);
        let (state, threads) = match std::mem::replace(&mut self.state, State::Settled) {
            State::Watching(load, steps) if steps < WARM_UP || load.since.elapsed() < WATCHED => {
                (State::Watching(load, steps + 1), None)
            }
            State::Watching(load, _) => match Trial::new(self.all, load.others()) {
                Some(trial) => (State::Trying(trial), Some(self.all)),
                None => (State::Settled, Some(self.all)), // fewer may have been chosen before
            },
            State::Trying(mut trial) => {
                let seconds = before.map_or(0.0, |before| (now - before).as_secs_f64());
                match trial.add(seconds) {
                    Some(threads) => (State::Settled, Some(threads)),
                    None => {
                        let threads = trial.threads[trial.next()];
                        (State::Trying(trial), Some(threads))
                    }
                }
            }
            State::Settled => (State::Settled, None),
        };
        self.state = state;
        if let Some(threads) = threads {
            tch::set_num_threads(threads);
        }
    }
}

impl Drop for ThreadChoice {
    fn drop(&mut self) {
        if !self.is_fixed {
            tch::set_num_threads(self.all);
        }
    }
}

/// Times all threads and fewer in turn.
struct Trial {
    threads: [i32; 2],
    seconds: [Vec<f64>; 2],
}

impl Trial {
    /// Fewer are as many as other processes leave cores, and at least half: on a large machine, steps
    /// with one thread would take too long. `None` where there is a core for all threads.
    fn new(all: i32, others: f64) -> Option<Self> {
        let fewer = (all - others.round() as i32).max(all / 2).max(1);
        (others > BUSY && fewer < all)
            .then(|| Self { threads: [all, fewer], seconds: [vec![], vec![]] })
    }

    /// Which of the two the next step uses.
    fn next(&self) -> usize {
        usize::from(self.seconds[1].len() < self.seconds[0].len())
    }

    /// Adds the time of a step. Returns the faster number after the last one.
    fn add(&mut self, seconds: f64) -> Option<i32> {
        let next = self.next();
        self.seconds[next].push(seconds);
        if self.seconds[1].len() < TRIED {
            return None;
        }
        let [all, fewer] = self.seconds.each_mut().map(|seconds| {
            seconds.sort_by(f64::total_cmp);
            (seconds[(TRIED - 1) / 2] + seconds[TRIED / 2]) / 2.0
        });
        Some(self.threads[usize::from(fewer < FASTER * all)])
    }
}

/// The processor time of the machine and of this process, at some time.
struct Load {
    since: Instant,
    /// Seconds that other processes used.
    seconds: f64,
}

impl Load {
    /// `None` where the system does not say.
    fn now() -> Option<Self> {
        let all = fs::read_to_string("/proc/stat").ok()?;
        let own = fs::read_to_string("/proc/self/stat").ok()?;
        Some(Self { since: Instant::now(), seconds: of_others(&all, &own)? })
    }

    /// How many cores other processes have kept busy since then.
    fn others(&self) -> f64 {
        Self::now().map_or(0.0, |now| {
            (now.seconds - self.seconds) / (now.since - self.since).as_secs_f64()
        })
    }
}

/// Seconds in /proc/stat that are not in this process's own file.
fn of_others(all: &str, own: &str) -> Option<f64> {
    // user, nice, system, idle, iowait, irq, softirq, steal
    let all: Vec<u64> =
        all.lines().next()?.split_whitespace().skip(1).flat_map(str::parse).collect();
    let busy: u64 = [0, 1, 2, 5, 6, 7].into_iter().map(|i| all.get(i)).sum::<Option<u64>>()?;
    // Behind the name in brackets, which may have spaces: user and system time.
    let (_, own) = own.rsplit_once(')')?;
    let own = own.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let own: u64 = own.sum::<Result<_, _>>().ok()?;
    // The kernel shows hundredths of a second on all common machines.
    Some(busy.saturating_sub(own) as f64 / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number chosen where a step takes so many seconds.
    fn chosen(all: i32, others: f64, seconds: impl Fn(i32) -> f64) -> i32 {
        let Some(mut trial) = Trial::new(all, others) else { return all };
        let mut steps = 0..2 * TRIED;
        let chosen = steps.find_map(|_| trial.add(seconds(trial.threads[trial.next()])));
        chosen.expect("the trial does not end")
    }

    #[test]
    fn fewer_threads_are_used_where_they_are_faster() {
        let shared = |threads: i32| 1.0 / f64::from(threads);
        // A thread that has no core of its own takes twice as long, and all wait for it.
        let waits = |free: i32| move |n: i32| if n > free { 3.0 } else { 1.0 } / f64::from(n);
        assert_eq!(chosen(2, 1.0, waits(1)), 1);
        assert_eq!(chosen(2, 1.0, waits(2)), 2);
        assert_eq!(chosen(16, 1.2, waits(15)), 15);
        assert_eq!(chosen(16, 12.0, waits(8)), 8, "half, however busy others are");
        assert_eq!(chosen(2, 1.0, shared), 2);
        assert_eq!(chosen(2, 0.1, |_| panic!("nothing is timed on a quiet machine")), 2);
    }

    #[test]
    fn one_slow_step_decides_nothing() {
        let seconds = [9.0, 1.5, 1.0, 1.6, 1.0, 1.5, 1.0, 1.4];
        let mut trial = Trial::new(2, 1.0).unwrap();
        let decided: Vec<i32> = seconds.into_iter().filter_map(|step| trial.add(step)).collect();
        assert_eq!(decided, [2]);
    }

    #[test]
    fn the_time_of_others_is_read() {
        let all = "cpu  100 20 30 9999 5 3 2 1 7 8\ncpu0 1 2\n";
        let own = "12 (a) b) R 1 2 3 4 5 6 7 8 9 10 40 15 0 0\n";
        assert_eq!(of_others(all, own), Some(1.01));
        assert_eq!(of_others("cpu 1", own), None);
        #[cfg(target_os = "linux")]
        assert!(Load::now().is_some());
    }
}
