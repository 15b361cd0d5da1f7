//! Process groups of PyTorch's [c10d](https://pytorch.org/docs/stable/distributed.html) for `tch`:
//! several processes sum and broadcast tensors with Gloo on CPUs and NCCL on GPUs.
//!
//! This is the library behind `torch.distributed`, so processes started by `torchrun` can use
//! torchrun's store. All processes of a group must call the same functions in the same order.
//!
//! ```
//! use std::time::Duration;
//! use c10d::{Group, Store};
//! use tch::{Device, Tensor};
//!
//! # fn main() -> anyhow::Result<()> {
//! let wait = Duration::from_secs(60);
//! let store = Store::serve("127.0.0.1", 0, wait)?;
//! let port = store.port();
//! let other = std::thread::spawn(move || -> anyhow::Result<f64> {
//!     let store = Store::connect("127.0.0.1", port, wait)?;
//!     let group = Group::new(&store, "example", 1, 2, Device::Cpu, "127.0.0.1", wait)?;
//!     let mut sum = Tensor::from_slice(&[2f32]);
//!     group.sum(&mut sum)?;
//!     Ok(sum.double_value(&[0]))
//! });
//! let group = Group::new(&store, "example", 0, 2, Device::Cpu, "127.0.0.1", wait)?;
//! let mut sum = Tensor::from_slice(&[1f32]);
//! group.sum(&mut sum)?;
//! assert_eq!(sum.double_value(&[0]), 3.0);
//! assert_eq!(other.join().unwrap()?, 3.0);
//! # Ok(())
//! # }
//! ```

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::ptr::null_mut;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use tch::{Device, Tensor};
// Links libtorch.
use torch_sys as _;

unsafe extern "C" {
    fn ror_c10d_store(
        host: *const c_char,
        port: u16,
        serves: bool,
        millis: i64,
        out: *mut *mut c_void,
        at: *mut u16,
    ) -> *mut c_char;
    fn ror_c10d_store_set(
        store: *mut c_void,
        key: *const c_char,
        value: *const c_char,
    ) -> *mut c_char;
    fn ror_c10d_store_get(
        store: *mut c_void,
        key: *const c_char,
        out: *mut *mut c_char,
    ) -> *mut c_char;
    fn ror_c10d_store_free(store: *mut c_void);
    fn ror_c10d_group(
        store: *mut c_void,
        prefix: *const c_char,
        rank: c_int,
        size: c_int,
        gpu: c_int,
        host: *const c_char,
        millis: i64,
        out: *mut *mut c_void,
    ) -> *mut c_char;
    fn ror_c10d_group_free(group: *mut c_void);
    fn ror_c10d_group_calls(group: *mut c_void, out: *mut *mut c_void) -> *mut c_char;
    fn ror_c10d_calls(calls: *const c_void) -> u64;
    fn ror_c10d_calls_free(calls: *mut c_void);
    fn ror_c10d_sum(group: *mut c_void, tensor: *mut c_void) -> *mut c_char;
    fn ror_c10d_broadcast(group: *mut c_void, tensor: *mut c_void, root: c_int) -> *mut c_char;
    fn ror_c10d_sum_with_gradient(
        group: *mut c_void,
        tensor: *mut c_void,
        out: *mut *mut c_void,
    ) -> *mut c_char;
    fn ror_c10d_nccl_version(out: *mut c_int) -> *mut c_char;
    fn ror_c10d_free(text: *mut c_char);
}

/// Takes a text that the shim returned: null, or a C string that it allocated and only we free.
fn taken(text: *mut c_char) -> Option<String> {
    // SAFETY: it is not null, so it is such a C string.
    (!text.is_null()).then(|| unsafe {
        let taken = CStr::from_ptr(text).to_string_lossy().into_owned();
        ror_c10d_free(text);
        taken
    })
}

/// Converts the shim's return value: null or an error text.
fn check(error: *mut c_char) -> Result<()> {
    match taken(error) {
        None => Ok(()),
        // The first line is the message; the rest is the location in torch's sources.
        Some(text) => bail!("{}", text.lines().next().unwrap_or("unknown error")),
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// A `TCPStore`, through which the processes of a group find each other.
pub struct Store {
    store: *mut c_void,
    port: u16,
}

// SAFETY: a TCPStore has its own locks and may be used from any thread.
unsafe impl Send for Store {}
// SAFETY: as above.
unsafe impl Sync for Store {}

impl Store {
    /// Hosts a store until it is dropped, at `port`, or at any free port if `port` is 0. It has no
    /// password; if `host` is the loopback (`127.0.0.1`, `localhost`), only this machine reaches it.
    ///
    /// # Errors
    /// The port is taken, or `host` is not a name of this machine.
    pub fn serve(host: &str, port: u16, timeout: Duration) -> Result<Self> {
        Self::new(host, port, true, timeout)
    }

    /// Connects to the store at `host` and `port`. Waits up to `timeout` for it.
    ///
    /// # Errors
    /// There is no store after `timeout`.
    pub fn connect(host: &str, port: u16, timeout: Duration) -> Result<Self> {
        Self::new(host, port, false, timeout)
    }

    fn new(host: &str, port: u16, serves: bool, timeout: Duration) -> Result<Self> {
        let host = CString::new(host)?;
        let (mut store, mut at) = (null_mut(), 0);
        // SAFETY: `host` is a C string, and both out-pointers are valid.
        check(unsafe {
            ror_c10d_store(host.as_ptr(), port, serves, millis(timeout), &mut store, &mut at)
        })?;
        Ok(Self { store, port: at })
    }

    /// The store's port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sets a key to a text.
    ///
    /// # Errors
    /// The process that hosts the store has ended.
    pub fn set(&self, key: &str, value: &str) -> Result<()> {
        let (key, value) = (CString::new(key)?, CString::new(value)?);
        // SAFETY: the store lives as long as `self`, and both are C strings.
        check(unsafe { ror_c10d_store_set(self.store, key.as_ptr(), value.as_ptr()) })
    }

    /// Returns the text of a key, or `None` if it is not set. Does not wait for it.
    ///
    /// # Errors
    /// The process that hosts the store has ended.
    pub fn get(&self, key: &str) -> Result<Option<String>> {
        let key = CString::new(key)?;
        let mut found = null_mut();
        // SAFETY: the store lives as long as `self`, `key` is a C string, the out-pointer is valid.
        check(unsafe { ror_c10d_store_get(self.store, key.as_ptr(), &mut found) })?;
        Ok(taken(found))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: it is not used again; groups hold their own reference.
        unsafe { ror_c10d_store_free(self.store) }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("port", &self.port).finish_non_exhaustive()
    }
}

/// A group of processes that sum and broadcast tensors.
pub struct Group {
    group: *mut c_void,
    rank: usize,
    size: usize,
}

// SAFETY: a group may move between threads. It is not Sync, because concurrent calls of two threads
// could be matched with the other processes' calls in the wrong order.
unsafe impl Send for Group {}

impl Group {
    /// Joins the group `name` of `size` processes as `rank`, and waits for the others. Tensors must
    /// be on `device`: the CPU (Gloo) or a GPU (NCCL).
    ///
    /// `host` is the name or address at which other processes reach this one with Gloo. If it is
    /// empty, Gloo uses the interfaces in `GLOO_SOCKET_IFNAME` or the machine's own name, like
    /// `torch.distributed`.
    ///
    /// `timeout` applies to each Gloo call. NCCL calls have no timeout: if another process has
    /// ended, they wait until the launcher, such as torchrun, ends this process.
    ///
    /// # Errors
    /// The other processes do not join within `timeout` or can't be reached, or NCCL is missing.
    pub fn new(
        store: &Store,
        name: &str,
        rank: usize,
        size: usize,
        device: Device,
        host: &str,
        timeout: Duration,
    ) -> Result<Self> {
        ensure!(rank < size, "rank {rank} of {size} is out of range: ranks are numbered from 0");
        let gpu = match device {
            Device::Cpu => -1,
            Device::Cuda(number) => c_int::try_from(number)?,
            other => bail!("process groups do not support {other:?}: use the CPU or a CUDA GPU"),
        };
        let (name, host) = (CString::new(name)?, CString::new(host)?);
        let (own, all) = (c_int::try_from(rank)?, c_int::try_from(size)?);
        let mut group = null_mut();
        // SAFETY: the store lives, both strings are C strings, and the out-pointer is valid.
        check(unsafe {
            ror_c10d_group(
                store.store,
                name.as_ptr(),
                own,
                all,
                gpu,
                host.as_ptr(),
                millis(timeout),
                &mut group,
            )
        })?;
        Ok(Self { group, rank, size })
    }

    /// This process's rank, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The number of processes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The number of this group's calls, for another thread.
    ///
    /// # Errors
    /// There is no memory.
    pub fn calls(&self) -> Result<Calls> {
        let mut calls = null_mut();
        // SAFETY: the group lives as long as `self`, and the out-pointer is valid.
        check(unsafe { ror_c10d_group_calls(self.group, &mut calls) })?;
        Ok(Calls(calls))
    }

    /// Replaces `tensor` by the sum over all processes (all-reduce).
    ///
    /// # Errors
    /// The tensor is not contiguous, the shapes differ, or another process has ended (Gloo only,
    /// see [`Group::new`]).
    pub fn sum(&self, tensor: &mut Tensor) -> Result<()> {
        // SAFETY: both live through the call, and the tensor is borrowed mutably.
        check(unsafe { ror_c10d_sum(self.group, tensor.as_mut_ptr().cast()) })
    }

    /// Replaces `tensor` by the tensor of rank `root`.
    ///
    /// # Errors
    /// The tensor is not contiguous, the shapes differ, or another process has ended (Gloo only,
    /// see [`Group::new`]).
    pub fn broadcast(&self, tensor: &mut Tensor, root: usize) -> Result<()> {
        let root = c_int::try_from(root)?;
        // SAFETY: both live through the call, and the tensor is borrowed mutably.
        check(unsafe { ror_c10d_broadcast(self.group, tensor.as_mut_ptr().cast(), root) })
    }

    /// Returns the sum over all processes, through which gradients flow back to each process, like
    /// `torch.distributed.nn.functional.all_reduce`.
    ///
    /// # Errors
    /// The shapes differ, or another process has ended (Gloo only, see [`Group::new`]).
    pub fn sum_with_gradient(&self, tensor: &Tensor) -> Result<Tensor> {
        let mut sum = null_mut();
        // SAFETY: both live through the call; the result is a new tensor that only tch owns.
        unsafe {
            check(ror_c10d_sum_with_gradient(
                self.group,
                tensor.as_ptr().cast_mut().cast(),
                &mut sum,
            ))?;
            Ok(Tensor::from_ptr(sum.cast()))
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // SAFETY: it is not used again; an autograd graph holds its own reference.
        unsafe { ror_c10d_group_free(self.group) }
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} of {}", self.rank, self.size)
    }
}

/// The number of a group's Gloo calls, which another thread may read while one of them waits. Calls
/// with NCCL do not wait, and are not counted.
pub struct Calls(*mut c_void);

// SAFETY: the shim shares an atomic number, of which this is a reference of its own.
unsafe impl Send for Calls {}

impl Calls {
    /// Returns the number of the call that is running now, from 1, or `None` between calls.
    pub fn running(&self) -> Option<u64> {
        // SAFETY: it lives until `self` is dropped.
        let changes = unsafe { ror_c10d_calls(self.0) };
        (changes % 2 == 1).then_some(changes / 2 + 1)
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        // SAFETY: it is not used again.
        unsafe { ror_c10d_calls_free(self.0) }
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Calls").field(&self.running()).finish()
    }
}

/// Loads NCCL and returns its version, such as 22809 for 2.28.9. Does not need a GPU.
///
/// # Errors
/// PyTorch was installed without NCCL, or the loader does not find it.
pub fn nccl_version() -> Result<i32> {
    let mut version = 0;
    // SAFETY: the out-pointer is valid.
    check(unsafe { ror_c10d_nccl_version(&mut version) })?;
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use tch::Kind;

    const WAIT: Duration = Duration::from_secs(60);

    /// Runs `f` as each of `size` ranks, in threads, and returns the results.
    fn together<T: Send>(size: usize, f: impl Fn(Group) -> T + Sync) -> Vec<T> {
        let store = Store::serve("127.0.0.1", 0, WAIT).unwrap();
        let port = store.port();
        thread::scope(|scope| {
            let ranks = (0..size).map(|rank| {
                let f = &f;
                scope.spawn(move || {
                    let store = Store::connect("127.0.0.1", port, WAIT).unwrap();
                    f(Group::new(&store, "test", rank, size, Device::Cpu, "127.0.0.1", WAIT)
                        .unwrap())
                })
            });
            let ranks: Vec<_> = ranks.collect();
            ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
        })
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn only_this_machine_reaches_a_store_on_the_loopback() {
        for host in ["127.0.0.1", "localhost"] {
            let store = Store::serve(host, 0, WAIT).unwrap();
            let port = format!(":{:04X}", store.port());
            let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(std::fs::read_to_string);
            let tables = tables.into_iter().flatten().collect::<String>();
            let listening = tables.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            let listening: Vec<String> = listening
                .filter(|row| row[1].ends_with(&port) && row[3] == "0A")
                .map(|row| row[1].to_owned())
                .collect();
            assert_eq!(listening, [format!("0100007F{port}")]);
        }
        let taken = Store::serve("127.0.0.1", 0, WAIT).unwrap();
        assert!(Store::serve("127.0.0.1", taken.port(), Duration::from_millis(300)).is_err());
    }

    #[test]
    fn all_ranks_have_the_sum_and_what_the_root_had() {
        let found = together(3, |group| {
            let rank = group.rank() as f64;
            let mut sum = Tensor::full([5], rank + 1.0, (Kind::Float, Device::Cpu));
            group.sum(&mut sum).unwrap();
            let mut sent = Tensor::full([2], rank, (Kind::Double, Device::Cpu));
            group.broadcast(&mut sent, 2).unwrap();
            (sum.double_value(&[4]), sent.double_value(&[1]))
        });
        assert_eq!(found, [(6.0, 2.0); 3]);
    }

    /// In PyTorch 2.11 the first calls of two groups at the same moment could end the process.
    #[test]
    fn groups_of_one_process_start_at_once() {
        let store = Store::serve("127.0.0.1", 0, WAIT).unwrap();
        let start = std::sync::Barrier::new(4);
        let first_calls = &|thread: usize| {
            for i in 0..50 {
                let name = format!("{thread}-{i}");
                let group =
                    Group::new(&store, &name, 0, 1, Device::Cpu, "127.0.0.1", WAIT).unwrap();
                let mut sum = Tensor::from_slice(&[1.0]);
                start.wait();
                group.sum(&mut sum).unwrap();
            }
        };
        thread::scope(|scope| (0..4).for_each(|i| drop(scope.spawn(move || first_calls(i)))));
    }

    /// Compares with one process that has both ranks' numbers; the loss is (a + b)^2 + (a + b)^3.
    #[test]
    fn gradients_pass_through_a_sum() {
        let found = together(2, |group| {
            let own = Tensor::from_slice(&[[2.0, 5.0][group.rank()]]).set_requires_grad(true);
            let sum = group.sum_with_gradient(&own).unwrap();
            let loss = if group.rank() == 0 { &sum * &sum } else { &sum * &sum * &sum };
            loss.sum(Kind::Double).backward();
            (sum.double_value(&[0]), own.grad().double_value(&[0]))
        });
        let expected = 2.0 * 7.0 + 3.0 * 49.0;
        assert_eq!(found, [(7.0, expected); 2]);
    }

    #[test]
    fn what_goes_wrong_is_an_error() {
        let short = Duration::from_millis(300);
        let store = Store::serve("127.0.0.1", 0, short).unwrap();
        let taken = Store::serve("127.0.0.1", store.port(), short).unwrap_err().to_string();
        assert!(taken.contains("address already in use") || taken.contains("listen"), "{taken}");
        let alone = Group::new(&store, "alone", 0, 2, Device::Cpu, "127.0.0.1", short).unwrap_err();
        assert!(alone.to_string().to_lowercase().contains("time"), "{alone}");
        assert!(Group::new(&store, "x", 2, 2, Device::Cpu, "", short).is_err());
        // If one rank leaves, the other's next sum fails instead of waiting.
        let failed = together(2, |group| {
            let mut tensor = Tensor::from_slice(&[1f32]);
            group.sum(&mut tensor).unwrap();
            (group.rank() == 0).then(|| group.sum(&mut tensor).unwrap_err().to_string())
        });
        let gone = |error: &String| error.contains("closed") || error.contains("reset");
        assert!(failed[0].as_ref().is_some_and(gone), "{failed:?}");
        // A tensor that is not contiguous.
        together(1, |group| {
            let mut turned = Tensor::zeros([2, 3], (Kind::Float, Device::Cpu)).tr();
            assert!(group.sum(&mut turned).unwrap_err().to_string().contains("contiguous"));
        });
    }

    #[test]
    fn a_store_knows_its_keys() {
        let store = Store::serve("127.0.0.1", 0, WAIT).unwrap();
        let other = Store::connect("127.0.0.1", store.port(), WAIT).unwrap();
        assert_eq!(store.get("here").unwrap(), None);
        other.set("here", "a text").unwrap();
        // The key may still be on its way.
        let arrived = (0..500).find_map(|_| {
            thread::sleep(Duration::from_millis(10));
            store.get("here").unwrap()
        });
        assert_eq!(arrived.unwrap(), "a text");
    }

    /// Also the sum in a backward pass, which autograd calls.
    #[test]
    fn another_thread_sees_which_call_waits() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let receiver = std::sync::Mutex::new(receiver);
        together(2, |group| {
            let own = Tensor::from_slice(&[1.0]).set_requires_grad(true);
            let sum = group.sum_with_gradient(&own).unwrap().sum(Kind::Double);
            let calls = group.calls().unwrap();
            assert_eq!(calls.running(), None);
            if group.rank() == 0 {
                sender.send(calls).unwrap();
                return sum.backward();
            }
            let waits = receiver.lock().unwrap().recv().unwrap();
            while waits.running() != Some(2) {
                thread::yield_now();
            }
            sum.backward();
            while waits.running().is_some() {
                thread::yield_now();
            }
        });
    }
}
