//! Work on every core, and what makes libtorch fast there.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Result, anyhow};
use tch::Device;

/// Has glibc keep what is freed instead of giving it back to the system: libtorch allocates a
/// layer's output anew at each step, and the system would clear every page of it each time.
pub(crate) fn keep_memory() {
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
pub(crate) fn on_every_core<W: Send, T: Send>(
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
pub(crate) fn in_threads<W: Send, T: Send>(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_done_once_and_come_back_in_order() {
        let _turn = crate::support::random::turn();
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
