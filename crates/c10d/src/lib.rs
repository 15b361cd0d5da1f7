//! Process groups of PyTorch's [c10d](https://pytorch.org/docs/stable/distributed.html) for `tch`:
//! several processes that sum and share tensors, by Gloo on CPUs and NCCL on GPUs.
//!
//! It is the very library that `torch.distributed` calls, so processes that `torchrun` started meet
//! at its store. All processes of a group call the same functions in the same order.
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
// Its libraries are linked with this crate.
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
    fn ror_c10d_store_set(store: *mut c_void, key: *const c_char) -> *mut c_char;
    fn ror_c10d_store_has(store: *mut c_void, key: *const c_char, out: *mut bool) -> *mut c_char;
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

/// The error that the shim returned, if it did.
fn check(error: *mut c_char) -> Result<()> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: not null, so a C string that the shim allocated for us and that nobody else frees.
    let text = unsafe {
        let text = CStr::from_ptr(error).to_string_lossy().into_owned();
        ror_c10d_free(error);
        text
    };
    // The first line says what happened; the rest is where in torch's sources.
    bail!("{}", text.lines().next().unwrap_or("an unknown error"))
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Where the processes of a group find each other: a `TCPStore`.
pub struct Store {
    store: *mut c_void,
    port: u16,
}

// SAFETY: a TCPStore locks itself, and may be used from any thread.
unsafe impl Send for Store {}
// SAFETY: as above.
unsafe impl Sync for Store {}

impl Store {
    /// Hosts a store for as long as this lives, at `port`, or at any free one where that is 0.
    ///
    /// # Errors
    /// A port that is taken, or a name that is none of this machine's.
    pub fn serve(host: &str, port: u16, timeout: Duration) -> Result<Self> {
        Self::new(host, port, true, timeout)
    }

    /// Connects to the store at `host` and `port`, and waits for it if need be.
    ///
    /// # Errors
    /// No store there within `timeout`.
    pub fn connect(host: &str, port: u16, timeout: Duration) -> Result<Self> {
        Self::new(host, port, false, timeout)
    }

    fn new(host: &str, port: u16, serves: bool, timeout: Duration) -> Result<Self> {
        let host = CString::new(host)?;
        let (mut store, mut at) = (null_mut(), 0);
        // SAFETY: `host` is a C string, and both results are ours to write to.
        check(unsafe {
            ror_c10d_store(host.as_ptr(), port, serves, millis(timeout), &mut store, &mut at)
        })?;
        Ok(Self { store, port: at })
    }

    /// The port it is at.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Puts a key into it.
    ///
    /// # Errors
    /// The process that hosts it has ended.
    pub fn set(&self, key: &str) -> Result<()> {
        let key = CString::new(key)?;
        // SAFETY: the store lives as long as `self`, and `key` is a C string.
        check(unsafe { ror_c10d_store_set(self.store, key.as_ptr()) })
    }

    /// Whether a key is in it.
    ///
    /// # Errors
    /// The process that hosts it has ended.
    pub fn has(&self, key: &str) -> Result<bool> {
        let key = CString::new(key)?;
        let mut found = false;
        // SAFETY: the store lives as long as `self`, `key` is a C string, and the result ours.
        check(unsafe { ror_c10d_store_has(self.store, key.as_ptr(), &mut found) })?;
        Ok(found)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: it is ours and not used again; groups hold a reference of their own.
        unsafe { ror_c10d_store_free(self.store) }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("port", &self.port).finish_non_exhaustive()
    }
}

/// Several processes that compute together.
pub struct Group {
    group: *mut c_void,
    rank: usize,
    size: usize,
}

// SAFETY: a group may move between threads; it is not Sync, since calls of two threads at once
// would meet the other processes' calls in any order.
unsafe impl Send for Group {}

impl Group {
    /// Joins the group `name` of `size` processes as number `rank`, and waits until all are there.
    /// Tensors are on `device`: by Gloo on the CPU, by NCCL on a GPU.
    ///
    /// `host` is a name or address by which the others reach this machine by Gloo; where it is empty,
    /// Gloo is reached as `torch.distributed` has it: by the interfaces that `GLOO_SOCKET_IFNAME` names,
    /// or by the machine's own name.
    ///
    /// `timeout` is that of each call by Gloo. NCCL's calls have none of their own, here and in what
    /// follows: where another process has ended they wait, until whoever started this one ends it, as
    /// torchrun does.
    ///
    /// # Errors
    /// The others do not come within `timeout`, they can't be reached, or there is no NCCL.
    pub fn new(
        store: &Store,
        name: &str,
        rank: usize,
        size: usize,
        device: Device,
        host: &str,
        timeout: Duration,
    ) -> Result<Self> {
        ensure!(rank < size, "rank {rank} of {size}: ranks count from 0");
        let gpu = match device {
            Device::Cpu => -1,
            Device::Cuda(number) => c_int::try_from(number)?,
            other => bail!("no process group on {other:?}: only on CPUs and CUDA's GPUs"),
        };
        let (name, host) = (CString::new(name)?, CString::new(host)?);
        let (own, all) = (c_int::try_from(rank)?, c_int::try_from(size)?);
        let mut group = null_mut();
        // SAFETY: the store lives, both strings are C strings, and the result is ours to write to.
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

    /// This process's number, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many processes there are.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Puts into `tensor`, which is contiguous, the sum over all processes: an all-reduce.
    ///
    /// # Errors
    /// Another process has ended, or the shapes differ; by NCCL see [`Group::new`].
    pub fn sum(&self, tensor: &mut Tensor) -> Result<()> {
        // SAFETY: both live through the call, and the tensor is ours to write to.
        check(unsafe { ror_c10d_sum(self.group, tensor.as_mut_ptr().cast()) })
    }

    /// Puts into `tensor`, which is contiguous, that of process `root`.
    ///
    /// # Errors
    /// Another process has ended, or the shapes differ; by NCCL see [`Group::new`].
    pub fn broadcast(&self, tensor: &mut Tensor, root: usize) -> Result<()> {
        let root = c_int::try_from(root)?;
        // SAFETY: both live through the call, and the tensor is ours to write to.
        check(unsafe { ror_c10d_broadcast(self.group, tensor.as_mut_ptr().cast(), root) })
    }

    /// The sum over all processes, through which gradients pass back to each: what
    /// `torch.distributed.nn.functional.all_reduce` is.
    ///
    /// # Errors
    /// Another process has ended, or the shapes differ; by NCCL see [`Group::new`].
    pub fn sum_with_gradient(&self, tensor: &Tensor) -> Result<Tensor> {
        let mut sum = null_mut();
        // SAFETY: both live through the call; the result is a new tensor, of which tch becomes the
        // only owner.
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
        // SAFETY: it is ours and not used again; a graph of gradients holds its own reference.
        unsafe { ror_c10d_group_free(self.group) }
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} of {}", self.rank, self.size)
    }
}

/// NCCL's version, such as 22809 for 2.28.9: it is loaded and answers, which needs no GPU.
///
/// # Errors
/// PyTorch came without it, or it is not where the loader looks.
pub fn nccl_version() -> Result<i32> {
    let mut version = 0;
    // SAFETY: the result is ours to write to.
    check(unsafe { ror_c10d_nccl_version(&mut version) })?;
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use tch::Kind;

    const WAIT: Duration = Duration::from_secs(60);

    /// Runs `f` as each of `size` processes, here threads, and gives what they return.
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

    /// Against one process that has both ranks' numbers: y = (a + b)^2 and (a + b)^3, whose sum is
    /// the loss.
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
        // One that leaves: the other's next sum fails, and does not wait.
        let failed = together(2, |group| {
            let mut tensor = Tensor::from_slice(&[1f32]);
            group.sum(&mut tensor).unwrap();
            (group.rank() == 0).then(|| group.sum(&mut tensor).unwrap_err().to_string())
        });
        let gone = |error: &String| error.contains("closed") || error.contains("reset");
        assert!(failed[0].as_ref().is_some_and(gone), "{failed:?}");
        // Tensors that aren't one piece of memory.
        together(1, |group| {
            let mut turned = Tensor::zeros([2, 3], (Kind::Float, Device::Cpu)).tr();
            assert!(group.sum(&mut turned).unwrap_err().to_string().contains("contiguous"));
        });
    }

    #[test]
    fn a_store_knows_its_keys() {
        let store = Store::serve("127.0.0.1", 0, WAIT).unwrap();
        let other = Store::connect("127.0.0.1", store.port(), WAIT).unwrap();
        assert!(!store.has("here").unwrap());
        other.set("here").unwrap();
        // It is on its way.
        let arrived = (0..500).any(|_| {
            thread::sleep(Duration::from_millis(10));
            store.has("here").unwrap()
        });
        assert!(arrived);
    }
}
