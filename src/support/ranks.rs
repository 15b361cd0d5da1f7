//! The processes of one training, called ranks as torchrun calls them: they sum gradients, and share
//! what can be shared.

use std::cell::RefCell;
use std::env;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, ensure};
use c10d::{Group, Store};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::{Device, Kind, Tensor, no_grad};

/// How long a rank waits for the others: as long as `torch.distributed` does with Gloo.
const WAIT: Duration = Duration::from_secs(30 * 60);

/// This process among those of a training; alone, where there are no others. All ranks call the
/// same methods in the same order. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Ranks {
    group: Option<Arc<Mutex<Group>>>,
    number: usize,
    size: usize,
    device: Device,
}

/// What torchrun says of a rank, and who starts workers too.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    rank: usize,
    size: usize,
    address: String,
    port: u16,
    /// Whether this process hosts the store; torchrun's agent does as a rule.
    serves: bool,
    /// All ranks are on this machine.
    local: bool,
    /// Keys of an attempt that failed stay in the store.
    attempt: String,
}

/// The error of a rank whose work with the others failed.
#[derive(Debug)]
pub(crate) struct Lost {
    number: usize,
    size: usize,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, size } = self;
        write!(f, "rank {number} of {size} has lost another, which ended or can't be reached")
    }
}

/// A variable of the environment.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.is_empty())
}

/// The number that a variable says; none where `get` knows none.
pub(crate) fn number(get: impl Fn(&str) -> Option<String>, name: &str) -> Result<Option<usize>> {
    let parsed = |text: String| -> Result<usize> {
        text.parse().with_context(|| format!("{name} is {text}, no number"))
    };
    get(name).map(parsed).transpose()
}

/// This process's number, from 0, and how many there are, as a launcher says them by two variables;
/// none where the first is not set.
pub(crate) fn numbered(
    get: impl Fn(&str) -> Option<String>,
    [own, all]: [&str; 2],
) -> Result<Option<(usize, usize)>> {
    let Some(rank) = number(&get, own)? else {
        return Ok(None);
    };
    let size = number(&get, all)?
        .with_context(|| format!("{own} is set, and {all} is not: set both, or neither"))?;
    Ok(Some((rank, size)))
}

/// What torchrun sets.
pub(crate) const RANK: [&str; 2] = ["RANK", "WORLD_SIZE"];

/// This process's rank in a training of several processes, as torchrun says it; 0 alone. Rank 0
/// speaks for all.
pub fn rank() -> usize {
    match numbered(variable, RANK) {
        Ok(Some((rank, 2..))) => rank,
        _ => 0,
    }
}

impl Said {
    fn by(get: impl Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        let Some((rank, size @ 2..)) = numbered(&get, RANK)? else {
            return Ok(None);
        };
        ensure!(rank < size, "RANK is {rank} and WORLD_SIZE {size}: ranks count from 0");
        let needed = |name: &str| {
            get(name).with_context(|| {
                format!(
                    "WORLD_SIZE is {size}, and {name}, where the ranks meet, is not set: start them by \
                     torchrun, or unset WORLD_SIZE to train alone"
                )
            })
        };
        let port = needed("MASTER_PORT")?;
        let port = port.parse().with_context(|| format!("MASTER_PORT is {port}, no port"))?;
        Ok(Some(Self {
            rank,
            size,
            address: needed("MASTER_ADDR")?,
            port,
            serves: rank == 0 && get("TORCHELASTIC_USE_AGENT_STORE").as_deref() != Some("True"),
            local: get("LOCAL_WORLD_SIZE").is_some_and(|local| local == size.to_string()),
            attempt: get("TORCHELASTIC_RESTART_COUNT").unwrap_or_else(|| "0".to_owned()),
        }))
    }
}

/// The group that this process has joined: once for all its trainings.
static JOINED: Mutex<Option<Ranks>> = Mutex::new(None);

thread_local! {
    /// Those whose batches are normalised together, while a step of theirs runs on this thread.
    static SYNCHRONISED: RefCell<Option<Ranks>> = const { RefCell::new(None) };
}

impl Ranks {
    /// One process.
    pub(crate) fn alone(device: Device) -> Self {
        Self { group: None, number: 0, size: 1, device }
    }

    /// The ranks that torchrun started, which meet when this is first called; alone without it.
    ///
    /// # Errors
    /// Variables that contradict each other, or ranks that do not come or can't be reached.
    pub(crate) fn here(device: Device) -> Result<Self> {
        let Some(said) = Said::by(variable)? else {
            return Ok(Self::alone(device));
        };
        let mut joined = JOINED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ranks) = &*joined {
            ensure!(
                ranks.device == device,
                "the ranks met to compute on {:?}, and now {device:?} is asked for",
                ranks.device
            );
            return Ok(ranks.clone());
        }
        let (address, port) = (&said.address, said.port);
        let store = match said.serves {
            true => Store::serve(address, port, WAIT),
            false => Store::connect(address, port, WAIT),
        };
        let store = store.with_context(|| format!("no store for the ranks at {address}:{port}"))?;
        store.set(&Self::ready(said.rank))?;
        let host = if said.local { LOCAL } else { "" };
        let ranks = Self::join(&store, &said.attempt, said.rank, said.size, device, host)?;
        Ok(joined.insert(ranks).clone())
    }

    /// The key by which a rank says that it is there.
    pub(crate) fn ready(rank: usize) -> String {
        format!("ready/{rank}")
    }

    /// Joins the ranks that meet at a store, and waits for them.
    pub(crate) fn join(
        store: &Store,
        attempt: &str,
        number: usize,
        size: usize,
        device: Device,
        host: &str,
    ) -> Result<Self> {
        let name = format!("ror/{attempt}");
        let group = Group::new(store, &name, number, size, device, host, WAIT)
            .with_context(|| format!("rank {number} of {size} can't reach the others"))?;
        Ok(Self { group: Some(Arc::new(Mutex::new(group))), number, size, device })
    }

    /// Whether this one speaks, and writes, for all.
    pub(crate) fn is_first(&self) -> bool {
        self.number == 0
    }

    /// This one's number, from 0.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// What of a batch of so many pictures is this rank's share, 0 to 1.
    pub(crate) fn weight(&self, batch: i64) -> f64 {
        self.share(batch.max(0) as usize).len() as f64 / batch.max(1) as f64
    }

    /// How many ranks there are.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Which of `n` things are this rank's: all have one each before one has two.
    pub(crate) fn share(&self, n: usize) -> Range<usize> {
        n * self.number / self.size..n * (self.number + 1) / self.size
    }

    fn group(&self) -> Option<MutexGuard<'_, Group>> {
        let group = self.group.as_ref()?;
        Some(group.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs `f` on a tensor that the group can send, and brings what it made of it back.
    fn sent(
        &self,
        tensor: &mut Tensor,
        f: impl Fn(&Group, &mut Tensor) -> Result<()>,
    ) -> Result<()> {
        let Some(group) = self.group() else {
            return Ok(());
        };
        if tensor.device() == self.device && tensor.is_contiguous() {
            return f(&group, tensor).map_err(|error| self.lost(error));
        }
        let mut copy = tensor.f_detach()?.f_to_device(self.device)?.f_contiguous()?;
        f(&group, &mut copy).map_err(|error| self.lost(error))?;
        Ok(no_grad(|| tensor.f_copy_(&copy))?)
    }

    /// What an error of work with the other ranks says: that one is [`Lost`]. There may be none.
    pub(crate) fn lost(&self, error: Error) -> Error {
        match self.group {
            Some(_) => error.context(Lost { number: self.number, size: self.size }),
            None => error,
        }
    }

    /// Puts the sum over all ranks into a tensor.
    pub(crate) fn sum(&self, tensor: &mut Tensor) -> Result<()> {
        self.sent(tensor, |group, tensor| group.sum(tensor))
    }

    /// The sum over all ranks, through which gradients pass; an error of theirs is for
    /// [`Ranks::lost`].
    pub(crate) fn sum_with_gradient(&self, tensor: &Tensor) -> Result<Tensor> {
        match self.group() {
            Some(group) => group.sum_with_gradient(tensor).map_err(|error| self.lost(error)),
            None => Ok(tensor.shallow_clone()),
        }
    }

    /// Puts the mean over all ranks into a tensor.
    pub(crate) fn mean(&self, tensor: &mut Tensor) -> Result<()> {
        if self.group.is_some() {
            self.sum(tensor)?;
            let _ = no_grad(|| tensor.f_div_scalar_(self.size as f64))?;
        }
        Ok(())
    }

    /// Puts the first rank's numbers into a tensor, which has its shape.
    pub(crate) fn follow(&self, tensor: &mut Tensor) -> Result<()> {
        self.sent(tensor, |group, tensor| group.broadcast(tensor, 0))
    }

    /// What the first rank says; others give any value.
    pub(crate) fn first_says<T: Serialize + DeserializeOwned>(&self, value: T) -> Result<T> {
        if self.group.is_none() {
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
    pub(crate) fn gathered(
        &self,
        n: usize,
        dimension: i64,
        work: impl FnOnce(Range<usize>) -> Result<Tensor>,
    ) -> Result<Tensor> {
        if self.group.is_none() {
            return work(0..n);
        }
        ensure!(n >= self.size, "{n} pictures do not share among {} ranks", self.size);
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
    pub(crate) fn synchronised<T>(&self, step: impl FnOnce() -> Result<T>) -> Result<T> {
        let before = SYNCHRONISED.replace(self.group.is_some().then(|| self.clone()));
        let done = step();
        SYNCHRONISED.set(before);
        done
    }
}

/// The ranks whose batches are normalised together here; none where each normalises its own.
pub(crate) fn synchronised() -> Option<Ranks> {
    SYNCHRONISED.with_borrow(Clone::clone)
}

/// This machine, to itself.
pub(crate) const LOCAL: &str = "127.0.0.1";

/// A store of this process, at which ranks of this machine meet.
pub(crate) fn local_store() -> Result<Store> {
    Store::serve(LOCAL, 0, WAIT).map_err(|error| anyhow!("no store for the ranks: {error:#}"))
}

/// What `f` gives as two ranks, here threads.
#[cfg(test)]
pub(crate) fn two<T: Send>(f: impl Fn(Ranks) -> T + Sync) -> Vec<T> {
    let store = local_store().unwrap();
    let port = store.port();
    std::thread::scope(|scope| {
        let ranks = [0, 1].map(|number| {
            let f = &f;
            scope.spawn(move || {
                let store = Store::connect(LOCAL, port, WAIT).unwrap();
                f(Ranks::join(&store, "0", number, 2, Device::Cpu, LOCAL).unwrap())
            })
        });
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(variables: &[(&str, &str)]) -> Result<Option<Said>> {
        let find = |name: &str| variables.iter().find(|(own, _)| *own == name);
        Said::by(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    const SAID: [(&str, &str); 4] =
        [("RANK", "0"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "host"), ("MASTER_PORT", "29500")];

    #[test]
    fn torchrun_says_where_ranks_meet() {
        assert_eq!(by(&[]).unwrap(), None);
        assert_eq!(by(&[("RANK", "0"), ("WORLD_SIZE", "1")]).unwrap(), None);
        let said = by(&SAID).unwrap().unwrap();
        assert!(said.serves && !said.local && said.attempt == "0", "{said:?}");
        let agent = [
            ("TORCHELASTIC_USE_AGENT_STORE", "True"),
            ("LOCAL_WORLD_SIZE", "2"),
            ("TORCHELASTIC_RESTART_COUNT", "3"),
        ];
        let said = by(&[&SAID[..], &agent].concat()).unwrap().unwrap();
        assert!(!said.serves && said.local && said.attempt == "3", "{said:?}");
        for (wrong, says) in [
            (&SAID[..3], "MASTER_PORT, where the ranks meet, is not set"),
            (&SAID[..1], "WORLD_SIZE is not"),
            (&[("RANK", "2"), SAID[1], SAID[2], SAID[3]], "count from 0"),
            (&[("RANK", "x"), SAID[1], SAID[2], SAID[3]], "RANK is x"),
            (&[SAID[0], SAID[1], SAID[2], ("MASTER_PORT", "no")], "no port"),
        ] {
            let error = format!("{:#}", by(wrong).unwrap_err());
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn shares_are_everything_once() {
        for (n, size) in [(7, 3), (4, 4), (128, 2), (2, 3)] {
            let shares = (0..size)
                .map(|number| Ranks { number, size, ..Ranks::alone(Device::Cpu) }.share(n));
            let all: Vec<usize> = shares.flatten().collect();
            assert_eq!(all, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn ranks_share_work_and_follow_the_first() {
        let found = two(|ranks| {
            let whole = ranks
                .gathered(5, 1, |range| {
                    let numbers: Vec<f32> = range.map(|i| i as f32).collect();
                    Ok(Tensor::f_from_slice(&numbers)?.f_unsqueeze(0)?)
                })
                .unwrap();
            let word: Option<String> = ranks.is_first().then(|| "from the first".to_owned());
            let said = ranks.first_says(word).unwrap();
            let mut turned =
                (Tensor::ones([2, 3], (Kind::Float, Device::Cpu)) * (ranks.number as f64)).tr();
            ranks.mean(&mut turned).unwrap();
            (Vec::<f32>::try_from(whole.view([-1])).unwrap(), said, turned.double_value(&[2, 1]))
        });
        let expected = (vec![0.0, 1.0, 2.0, 3.0, 4.0], Some("from the first".to_owned()), 0.5);
        assert_eq!(found, [expected.clone(), expected]);
        let alone = Ranks::alone(Device::Cpu);
        assert_eq!(alone.first_says(3).unwrap(), 3);
        assert!(synchronised().is_none());
        assert!(alone.synchronised(|| Ok(synchronised().is_none())).unwrap());
    }

    #[test]
    fn one_that_leaves_is_lost() {
        let found = two(|ranks| {
            let mut tensor = Tensor::from_slice(&[1f32]);
            let both = || [ranks.sum_with_gradient(&tensor).err(), ranks.sum(&mut tensor).err()];
            ranks.is_first().then(both)
        });
        for error in found[0].as_ref().unwrap() {
            let error = error.as_ref().unwrap();
            assert!(
                error.is::<Lost>() && format!("{error:#}").starts_with("rank 0 of 2"),
                "{error:#}"
            );
        }
        let own = Ranks::alone(Device::Cpu).lost(anyhow!("no memory"));
        assert!(!own.is::<Lost>());
    }
}
