//! Running work on every core alongside libtorch.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use anyhow::{Result, anyhow};
use tch::Device;

/// Makes glibc keep freed memory instead of returning it to the system. libtorch allocates each
/// layer's output again at every step, and the system would zero every page each time.
pub fn keep_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: both settings only control when memory is returned; glibc guards them with a lock.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}

/// Runs `jobs` jobs on every core and returns their results in order. Each worker has its own value
/// and runs libtorch on one thread. On a GPU there is a single worker.
///
/// # Errors
/// The first error of a job. The remaining jobs are then skipped.
pub fn on_every_core<W: Send, T: Send>(
    device: Device,
    worker: impl Fn() -> Result<W>,
    jobs: usize,
    job: impl Fn(&mut W, usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    keep_memory();
    let threads = tch::get_num_threads();
    let workers = if device.is_cuda() { 1 } else { threads.max(1) as usize };
    if workers.min(jobs) <= 1 {
        let mut own = worker()?;
        return (0..jobs).map(|number| job(&mut own, number)).collect();
    }
    // Tensors can be moved to a thread but not shared, hence one value per worker.
    let own: Vec<W> = (0..workers.min(jobs)).map(|_| worker()).collect::<Result<_>>()?;
    let next = AtomicUsize::new(0);
    let done = in_threads(own, |mut own| {
        let mut done = vec![];
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= jobs {
                return Ok(done);
            }
            let result =
                job(&mut own, number).inspect_err(|_| next.store(jobs, Ordering::Relaxed))?;
            done.push((number, result));
        }
    })?;
    let mut done: Vec<(usize, T)> = done.into_iter().flatten().collect();
    done.sort_unstable_by_key(|(number, _)| *number);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

/// Processes each value in its own thread and returns the results in order. libtorch's threads are
/// divided equally among them.
///
/// # Errors
/// The first error in that order.
pub fn in_threads<W: Send, T: Send>(
    values: Vec<W>,
    work: impl Fn(W) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let threads = tch::get_num_threads();
    let share = (threads / values.len().max(1) as i32).max(1);
    let work = |value: W| {
        tch::set_num_threads(share); // for this thread
        work(value)
    };
    let done = thread::scope(|scope| {
        let running: Vec<_> = values.into_iter().map(|value| scope.spawn(|| work(value))).collect();
        running
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("a worker thread panicked"))?)
            .collect()
    });
    // Restore it, because new threads inherit this number.
    tch::set_num_threads(threads);
    done
}

/// Bytes of decoded images per thread: enough to decode one image of 24 megapixels.
const BYTES: u64 = 160 << 20;

/// A memory budget that decoding threads share, so that one of them can decode a large image but
/// not all at once.
pub struct Room {
    all: u64,
    free: Mutex<u64>,
    freed: Condvar,
}

/// A reservation in a [`Room`], released when dropped.
pub struct Taken<'a>(&'a Room, u64);

impl Room {
    /// Creates a budget for as many threads as libtorch currently uses.
    pub fn for_threads() -> Self {
        Self::of(BYTES * tch::get_num_threads().max(1) as u64)
    }

    /// Creates a budget of `all` bytes.
    pub fn of(all: u64) -> Self {
        Self { all, free: Mutex::new(all), freed: Condvar::new() }
    }

    /// Waits until `bytes` bytes are free and reserves them. A request above the budget waits until
    /// everything is free. A thread that holds a reservation must not take another.
    pub fn take(&self, bytes: u64) -> Taken<'_> {
        let bytes = bytes.min(self.all);
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = self.freed.wait_while(free, |free| *free < bytes);
        *enough.unwrap_or_else(PoisonError::into_inner) -= bytes;
        Taken(self, bytes)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += self.1;
        self.0.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn a_room_is_never_overfull_and_the_largest_gets_it_alone() {
        let (room, now, most) = (Room::of(100), AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for worker in 0..4u64 {
                let (room, now, most) = (&room, &now, &most);
                scope.spawn(move || {
                    for turn in 0..200 {
                        // 500 exceeds the budget.
                        let bytes = [10, 35, 60, 500][((worker + turn) % 4) as usize];
                        let _own = room.take(bytes);
                        let bytes = bytes.min(100);
                        let sum = now.fetch_add(bytes, Ordering::SeqCst) + bytes;
                        most.fetch_max(sum, Ordering::SeqCst);
                        thread::yield_now();
                        now.fetch_sub(bytes, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 100);
        assert_eq!(*room.free.lock().unwrap(), 100);
    }

    #[test]
    fn jobs_are_done_once_and_come_back_in_order() {
        let _turn = crate::random::turn();
        let before = tch::get_num_threads();
        let squares = on_every_core(Device::Cpu, || Ok(()), 100, |(), i| Ok(i * i)).unwrap();
        assert_eq!(squares, (0..100).map(|i| i * i).collect::<Vec<_>>());
        let failed = on_every_core(
            Device::Cpu,
            || Ok(()),
            100,
            |(), i| {
                anyhow::ensure!(i != 7, "job 7 fails");
                Ok(i)
            },
        );
        assert!(failed.unwrap_err().to_string().contains("job 7"));
        let none = on_every_core(Device::Cpu, || Ok(()), 0, |(), i| Ok(i)).unwrap();
        assert!(none.is_empty());
        assert_eq!(tch::get_num_threads(), before);
    }
}
