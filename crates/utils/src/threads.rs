//! Work on every core, and what makes libtorch fast there.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use anyhow::{Result, anyhow};
use tch::Device;

/// Has glibc keep what is freed instead of giving it back to the system: libtorch allocates a
/// layer's output anew at each step, and the system would clear every page of it each time.
pub fn keep_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: both settings only steer when memory goes back; glibc guards them with a lock.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}

/// Does `jobs` jobs on every core, each worker with a value of its own and libtorch to itself on
/// one thread, and returns what they return in order. On a GPU one worker does all.
///
/// # Errors
/// The first error of a job; the others are then left.
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
    // Tensors can be given to a thread but not shared, hence one value each.
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

/// Gives each value to a thread of its own, with as large a share of libtorch's threads as the
/// others have, and returns what the threads return, in order.
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
        tch::set_num_threads(share); // of this thread
        work(value)
    };
    let done = thread::scope(|scope| {
        let running: Vec<_> = values.into_iter().map(|value| scope.spawn(|| work(value))).collect();
        running
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("a thread of this work panicked"))?)
            .collect()
    });
    // It is the number for threads to come, too.
    tch::set_num_threads(threads);
    done
}

/// Bytes of pictures that may be in memory for each thread: one of 24 megapixels, as it is decoded.
const BYTES: u64 = 160 << 20;

/// Room in memory for what threads decode: they share it, so that one of them may have a large picture
/// and not all at once.
pub struct Room {
    all: u64,
    free: Mutex<u64>,
    freed: Condvar,
}

/// Part of a [`Room`], until it is dropped.
pub struct Taken<'a>(&'a Room, u64);

impl Room {
    /// For as many threads as libtorch has now.
    pub fn for_threads() -> Self {
        Self::of(BYTES * tch::get_num_threads().max(1) as u64)
    }

    /// For so many bytes.
    pub fn of(all: u64) -> Self {
        Self { all, free: Mutex::new(all), freed: Condvar::new() }
    }

    /// Waits until there are so many bytes; for more than there are at all, until everything is free.
    /// Who has some must not wait for more.
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
                        // 500 are more than there is.
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
