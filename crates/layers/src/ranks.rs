//! The processes of one training, called ranks as in PyTorch: they sum gradients, and divide the rest
//! of the work among themselves.
//!
//! How they reach each other is a [`ProcessGroup`]'s business; the library itself has one process.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Error, Result, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::{Device, Kind, Tensor, no_grad};

/// What carries tensors between the processes of a training. The defaults are those of one process.
///
/// All processes call the same methods in the same order. Tensors are contiguous and on the device
/// that the group was made for.
pub trait ProcessGroup: fmt::Debug + Send + Sync {
    /// The number of this process, from 0.
    fn rank(&self) -> usize {
        0
    }

    /// The number of processes.
    fn size(&self) -> usize {
        1
    }

    /// Replaces a tensor by its sum over all processes.
    ///
    /// # Errors
    /// Another process has ended or can't be reached.
    fn sum(&self, _tensor: &mut Tensor) -> Result<()> {
        Ok(())
    }

    /// Replaces a tensor by that of rank 0, which has the same shape.
    ///
    /// # Errors
    /// Another process has ended or can't be reached.
    fn broadcast(&self, _tensor: &mut Tensor) -> Result<()> {
        Ok(())
    }

    /// Returns the sum over all processes; gradients pass through it.
    ///
    /// # Errors
    /// Another process has ended or can't be reached.
    fn sum_with_gradient(&self, tensor: &Tensor) -> Result<Tensor> {
        Ok(tensor.shallow_clone())
    }
}

/// A single process.
#[derive(Debug)]
struct Alone;

impl ProcessGroup for Alone {}

/// This process among those of a training. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ranks {
    group: Arc<dyn ProcessGroup>,
    device: Device,
}

/// The error of a rank whose work with the others failed.
#[derive(Debug)]
struct Lost {
    number: usize,
    size: usize,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, size } = self;
        write!(f, "rank {number} of {size} has lost another, which ended or can't be reached")
    }
}

thread_local! {
    /// Those whose batches are normalised together, while a step of theirs runs on this thread.
    static SYNCHRONISED: RefCell<Option<Ranks>> = const { RefCell::new(None) };
}

impl Ranks {
    /// One process.
    pub fn alone(device: Device) -> Self {
        Self { group: Arc::new(Alone), device }
    }

    /// The processes of a group, which carries tensors on `device`.
    pub fn new(group: impl ProcessGroup + 'static, device: Device) -> Self {
        Self { group: Arc::new(group), device }
    }

    /// The device that tensors are carried on.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Whether this one speaks, and writes, for all.
    pub fn is_first(&self) -> bool {
        self.number() == 0
    }

    /// This one's number, from 0.
    pub fn number(&self) -> usize {
        self.group.rank()
    }

    /// What of a batch of so many images is this rank's share, 0 to 1.
    pub fn weight(&self, batch: i64) -> f64 {
        self.share(batch.max(0) as usize).len() as f64 / batch.max(1) as f64
    }

    /// How many ranks there are.
    pub fn size(&self) -> usize {
        self.group.size()
    }

    /// Which of `n` things are this rank's: all have one each before one has two.
    pub fn share(&self, n: usize) -> Range<usize> {
        n * self.number() / self.size()..n * (self.number() + 1) / self.size()
    }

    /// Runs `f` on a tensor that the group can carry, and copies the result back.
    fn sent(&self, tensor: &mut Tensor, f: impl Fn(&mut Tensor) -> Result<()>) -> Result<()> {
        if self.size() == 1 {
            return Ok(());
        }
        if tensor.device() == self.device && tensor.is_contiguous() {
            return f(tensor).map_err(|error| self.lost(error));
        }
        let mut copy = tensor.f_detach()?.f_to_device(self.device)?.f_contiguous()?;
        f(&mut copy).map_err(|error| self.lost(error))?;
        Ok(no_grad(|| tensor.f_copy_(&copy))?)
    }

    /// Whether an error says that another rank has ended or can't be reached.
    pub fn is_lost(error: &Error) -> bool {
        error.is::<Lost>()
    }

    /// Adds to an error of work with the other ranks that one of them is lost. There may be none.
    pub fn lost(&self, error: Error) -> Error {
        match self.size() {
            1 => error,
            size => error.context(Lost { number: self.number(), size }),
        }
    }

    /// Puts the sum over all ranks into a tensor.
    pub fn sum(&self, tensor: &mut Tensor) -> Result<()> {
        self.sent(tensor, |tensor| self.group.sum(tensor))
    }

    /// The sum over all ranks, through which gradients pass; an error of theirs is for
    /// [`Ranks::lost`].
    pub fn sum_with_gradient(&self, tensor: &Tensor) -> Result<Tensor> {
        self.group.sum_with_gradient(tensor).map_err(|error| self.lost(error))
    }

    /// Puts the mean over all ranks into a tensor.
    pub fn mean(&self, tensor: &mut Tensor) -> Result<()> {
        if self.size() > 1 {
            self.sum(tensor)?;
            let _ = no_grad(|| tensor.f_div_scalar_(self.size() as f64))?;
        }
        Ok(())
    }

    /// Puts the first rank's numbers into a tensor, which has its shape.
    pub fn follow(&self, tensor: &mut Tensor) -> Result<()> {
        self.sent(tensor, |tensor| self.group.broadcast(tensor))
    }

    /// What the first rank says; others give any value.
    pub fn first_says<T: Serialize + DeserializeOwned>(&self, value: T) -> Result<T> {
        if self.size() == 1 {
            return Ok(value);
        }
        let own = match self.is_first() {
            true => serde_json::to_vec(&value)?,
            false => vec![],
        };
        let mut length = Tensor::f_from_slice(&[own.len() as i64])?;
        self.follow(&mut length)?;
        let length = length.f_int64_value(&[0])?;
        let mut bytes = match self.is_first() {
            true => Tensor::f_from_slice(&own)?,
            false => Tensor::f_zeros([length], (Kind::Uint8, Device::Cpu))?,
        };
        self.follow(&mut bytes)?;
        Ok(serde_json::from_slice(&Vec::<u8>::try_from(bytes)?)?)
    }

    /// Does work on `n` things in shares, of each of which `work` makes one of `n` along
    /// `dimension`, and gives all ranks the whole.
    pub fn gathered(
        &self,
        n: usize,
        dimension: i64,
        work: impl FnOnce(Range<usize>) -> Result<Tensor>,
    ) -> Result<Tensor> {
        if self.size() == 1 {
            return work(0..n);
        }
        ensure!(n >= self.size(), "{n} images cannot be split across {} ranks", self.size());
        let own = self.share(n);
        let part = work(own.clone())?;
        let mut shape = part.size();
        let at = usize::try_from(dimension)?;
        ensure!(shape.get(at) == Some(&(own.len() as i64)), "a share of shape {shape:?}");
        shape[at] = n as i64;
        let mut whole = Tensor::f_zeros(&shape, (part.kind(), part.device()))?;
        whole.f_narrow(dimension, own.start as i64, own.len() as i64)?.f_copy_(&part)?;
        self.sum(&mut whole)?;
        Ok(whole)
    }

    /// Normalises the batches of all ranks together while `step` runs.
    pub fn synchronised<T>(&self, step: impl FnOnce() -> Result<T>) -> Result<T> {
        let before = SYNCHRONISED.replace((self.size() > 1).then(|| self.clone()));
        let done = step();
        SYNCHRONISED.set(before);
        done
    }
}

/// The ranks whose batches are normalised together here; none where each normalises its own.
pub fn synchronised() -> Option<Ranks> {
    SYNCHRONISED.with_borrow(Clone::clone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Numbered(usize, usize);

    impl ProcessGroup for Numbered {
        fn rank(&self) -> usize {
            self.0
        }

        fn size(&self) -> usize {
            self.1
        }
    }

    #[test]
    fn shares_are_everything_once() {
        for (n, size) in [(7, 3), (4, 4), (128, 2), (2, 3)] {
            let share = |number| Ranks::new(Numbered(number, size), Device::Cpu).share(n);
            let all: Vec<usize> = (0..size).flat_map(share).collect();
            assert_eq!(all, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn one_process_works_alone() {
        let alone = Ranks::alone(Device::Cpu);
        assert_eq!(alone.first_says(3).unwrap(), 3);
        assert!(synchronised().is_none());
        assert!(alone.synchronised(|| Ok(synchronised().is_none())).unwrap());
        assert!(!alone.lost(anyhow::anyhow!("no memory")).is::<Lost>());
    }
}
