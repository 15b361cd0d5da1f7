//! Joining the processes started by torchrun or by a training, through a shared store.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use c10d::{Group, Store};
use ror::{ProcessGroup, Ranks};
use tch::{Device, Tensor};
use utils::launcher::{RANK, numbered, variable};

/// How long a rank waits for the others, the same as `torch.distributed` with Gloo.
const WAIT: Duration = Duration::from_secs(30 * 60);

/// The loopback address.
pub(crate) const LOCAL: &str = "127.0.0.1";

/// A group of PyTorch's c10d, used by one thread at a time.
#[derive(Debug)]
struct C10d(Mutex<Group>);

impl C10d {
    fn group(&self) -> MutexGuard<'_, Group> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProcessGroup for C10d {
    fn rank(&self) -> usize {
        self.group().rank()
    }

    fn size(&self) -> usize {
        self.group().size()
    }

    fn sum(&self, tensor: &mut Tensor) -> Result<()> {
        self.group().sum(tensor)
    }

    fn broadcast(&self, tensor: &mut Tensor) -> Result<()> {
        self.group().broadcast(tensor, 0)
    }

    fn sum_with_gradient(&self, tensor: &Tensor) -> Result<Tensor> {
        self.group().sum_with_gradient(tensor)
    }
}

/// The environment of a rank, set by torchrun or by a training that starts workers.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    rank: usize,
    size: usize,
    address: String,
    port: u16,
    /// Whether this process hosts the store. Usually torchrun's agent does.
    serves: bool,
    /// Whether all ranks are on this machine.
    local: bool,
    /// Number of the attempt, because keys of failed attempts stay in the store.
    attempt: String,
}

impl Said {
    fn by(get: impl Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        let Some((rank, size @ 2..)) = numbered(&get, RANK)? else {
            return Ok(None);
        };
        ensure!(rank < size, "RANK is {rank} but WORLD_SIZE is {size}: ranks are numbered from 0");
        let needed = |name: &str| {
            get(name).with_context(|| {
                format!(
                    "WORLD_SIZE is {size} but {name} is not set: start the program with torchrun, or \
                     unset WORLD_SIZE to train with one process"
                )
            })
        };
        let port = needed("MASTER_PORT")?;
        let port =
            port.parse().with_context(|| format!("MASTER_PORT is {port}, which is not a port"))?;
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

/// Returns the ranks started by torchrun and joins them at the first call. Without torchrun,
/// returns this process alone.
///
/// # Errors
/// The environment variables contradict each other, or other ranks do not join or can't be reached.
pub fn ranks(device: Device) -> Result<Ranks> {
    static JOINED: Mutex<Option<Ranks>> = Mutex::new(None);
    let Some(said) = Said::by(variable)? else {
        return Ok(Ranks::alone(device));
    };
    let mut joined = JOINED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(ranks) = &*joined {
        ensure!(
            ranks.device() == device,
            "the ranks have joined on {:?}, so {device:?} can't be used",
            ranks.device()
        );
        return Ok(ranks.clone());
    }
    let (address, port) = (&said.address, said.port);
    let store = match said.serves {
        true => Store::serve(address, port, WAIT),
        false => Store::connect(address, port, WAIT),
    };
    let store = store.with_context(|| format!("cannot reach the store at {address}:{port}"))?;
    store.set(&ready(said.rank))?;
    let host = if said.local { LOCAL } else { "" };
    let ranks = join(&store, &said.attempt, said.rank, said.size, device, host)?;
    Ok(joined.insert(ranks).clone())
}

/// Returns the key that a rank sets when it has started.
pub(crate) fn ready(rank: usize) -> String {
    format!("ready/{rank}")
}

/// Joins the ranks at a store and waits for them.
pub(crate) fn join(
    store: &Store,
    attempt: &str,
    number: usize,
    size: usize,
    device: Device,
    host: &str,
) -> Result<Ranks> {
    let name = format!("ror/{attempt}");
    let group = Group::new(store, &name, number, size, device, host, WAIT)
        .with_context(|| format!("rank {number} of {size} cannot reach the other ranks"))?;
    Ok(Ranks::new(C10d(Mutex::new(group)), device))
}

/// Hosts a store for the ranks on this machine.
pub(crate) fn local_store() -> Result<Store> {
    Store::serve(LOCAL, 0, WAIT)
        .map_err(|error| anyhow!("cannot host a store for the ranks: {error:#}"))
}

/// Runs `f` as two ranks, in threads, and returns the results.
#[cfg(test)]
pub(crate) fn two<T: Send>(f: impl Fn(Ranks) -> T + Sync) -> Vec<T> {
    let store = local_store().unwrap();
    let port = store.port();
    std::thread::scope(|scope| {
        let ranks = [0, 1].map(|number| {
            let f = &f;
            scope.spawn(move || {
                let store = Store::connect(LOCAL, port, WAIT).unwrap();
                f(join(&store, "0", number, 2, Device::Cpu, LOCAL).unwrap())
            })
        });
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ror::Ranks;
    use tch::Kind;

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
            (&SAID[..3], "MASTER_PORT is not set"),
            (&SAID[..1], "WORLD_SIZE is not"),
            (&[("RANK", "2"), SAID[1], SAID[2], SAID[3]], "numbered from 0"),
            (&[("RANK", "x"), SAID[1], SAID[2], SAID[3]], "RANK is x"),
            (&[SAID[0], SAID[1], SAID[2], ("MASTER_PORT", "no")], "not a port"),
        ] {
            let error = format!("{:#}", by(wrong).unwrap_err());
            assert!(error.contains(says), "{error}");
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
                (Tensor::ones([2, 3], (Kind::Float, Device::Cpu)) * (ranks.number() as f64)).tr();
            ranks.mean(&mut turned).unwrap();
            (Vec::<f32>::try_from(whole.view([-1])).unwrap(), said, turned.double_value(&[2, 1]))
        });
        let expected = (vec![0.0, 1.0, 2.0, 3.0, 4.0], Some("from the first".to_owned()), 0.5);
        assert_eq!(found, [expected.clone(), expected]);
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
                Ranks::is_lost(error) && format!("{error:#}").starts_with("rank 0 of 2"),
                "{error:#}"
            );
        }
    }

    /// The CUDA libraries also load without a GPU, except with a CPU-only PyTorch.
    #[test]
    fn the_cuda_half_of_pytorch_loads_and_nccl_answers() {
        match utils::device::load_cuda() {
            Ok(()) => assert!(c10d::nccl_version().unwrap() > 22_000),
            Err(error) => assert!(format!("{error:#}").contains("libtorch_cuda"), "{error:#}"),
        }
    }
}
