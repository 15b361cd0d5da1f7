//! Joining the processes started by torchrun or by a training, through a shared store.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, anyhow, ensure};
use c10d::{Group, Store};
use ror::{ProcessGroup, Ranks};
use tch::{Device, Tensor};
use utils::launcher::{RANK, numbered, variable};
use utils::progress::{say, to_stderr};

use crate::meeting::{Meeting, SILENT, WAIT};
use crate::patience::{Say, patiently};
use crate::watch::watch;

/// The loopback address.
pub(crate) const LOCAL: &str = "127.0.0.1";

/// A group of PyTorch's c10d, used by one thread at a time.
#[derive(Debug)]
struct C10d {
    group: Mutex<Group>,
    /// Ends the thread that watches the group.
    _watch: Option<Sender<()>>,
}

impl C10d {
    fn group(&self) -> MutexGuard<'_, Group> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn meeting(self, say: Say) -> Meeting {
        let Self { rank, size, address, port, serves, attempt, .. } = self;
        Meeting { rank, size, address, port, serves, attempt, silent: SILENT, say }
    }
}

/// Returns the ranks started by torchrun and joins them at the first call. Without torchrun,
/// returns this process alone.
///
/// A rank that waits longer than ten seconds prints for which others, and what to check.
///
/// # Errors
/// The environment variables contradict each other or another rank's, or other ranks do not join or
/// can't be reached.
pub fn ranks(device: Device) -> Result<Ranks> {
    // The others' progress is off: only the first prints that.
    joined(device, |rank| Arc::new(if rank == 0 { say } else { to_stderr }))
}

/// [`ranks`], which print what they wait for with what `voice` returns for their number.
pub(crate) fn joined(device: Device, voice: impl Fn(usize) -> Say) -> Result<Ranks> {
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
    let host = if said.local { LOCAL } else { "" };
    let say = voice(said.rank);
    let ranks = meet(&said.meeting(say), device, host)?;
    Ok(joined.insert(ranks).clone())
}

/// Reaches the store, waits until all ranks are there, and joins them.
fn meet(meeting: &Meeting, device: Device, host: &str) -> Result<Ranks> {
    let own = meeting.rank;
    let words = |time: &str| {
        format!(
            "rank {own} has waited {time} for the store at {meeting}. Check that rank 0, which usually \
             hosts it, is started, that MASTER_ADDR and MASTER_PORT are the same on all machines, and \
             that no firewall blocks the port."
        )
    };
    let store = patiently(meeting.silent, &meeting.say, words, || match meeting.serves {
        true => Store::serve(&meeting.address, meeting.port, WAIT),
        false => Store::connect(&meeting.address, meeting.port, WAIT),
    });
    let store = store.with_context(|| format!("cannot reach the store at {meeting}"))?;
    let advice = |missing: &[usize]| {
        let they = if missing.len() == 1 { "it is" } else { "they are" };
        format!(
            "Check that {they} started, that WORLD_SIZE, MASTER_ADDR and MASTER_PORT are the same on \
             all machines, and that no firewall blocks the port."
        )
    };
    meeting.gather(&store, advice, || Ok(()))?;
    join(&store, meeting, device, host)
}

/// Joins the ranks, which have all announced themselves at a store.
pub(crate) fn join(store: &Store, meeting: &Meeting, device: Device, host: &str) -> Result<Ranks> {
    let Meeting { rank, size, .. } = *meeting;
    let words = |time: &str| {
        format!(
            "rank {rank} has waited {time} for connections to the other ranks, which have all started. \
             Check that no firewall is between the machines and, if they have several networks, set \
             GLOO_SOCKET_IFNAME or NCCL_SOCKET_IFNAME."
        )
    };
    let name = format!("ror/{}", meeting.attempt);
    let group = patiently(meeting.silent, &meeting.say, words, || {
        Group::new(store, &name, rank, size, device, host, WAIT)
    });
    let group =
        group.with_context(|| format!("rank {rank} of {size} cannot reach the other ranks"))?;
    // With NCCL, calls return at once.
    let _watch = match device {
        Device::Cpu => Some(watch(group.calls()?, meeting.clone())?),
        _ => None,
    };
    Ok(Ranks::new(C10d { group: Mutex::new(group), _watch }, device))
}

/// Hosts a store for the ranks on this machine.
pub(crate) fn local_store() -> Result<Store> {
    Store::serve(LOCAL, 0, WAIT)
        .map_err(|error| anyhow!("cannot host a store for the ranks: {error:#}"))
}

/// The meeting of the ranks on this machine at the store of [`local_store`].
pub(crate) fn local_meeting(store: &Store, rank: usize, size: usize, say: Say) -> Meeting {
    let (address, attempt) = (LOCAL.to_owned(), "0".to_owned());
    let (port, serves) = (store.port(), rank == 0);
    Meeting { rank, size, address, port, serves, attempt, silent: SILENT, say }
}

/// Runs `f` as two ranks, in threads, and returns the results.
#[cfg(test)]
pub(crate) fn two<T: Send>(f: impl Fn(Ranks) -> T + Sync) -> Vec<T> {
    let store = local_store().unwrap();
    std::thread::scope(|scope| {
        let ranks = [0, 1].map(|number| {
            let (f, store) = (&f, &store);
            scope.spawn(move || {
                let meeting = local_meeting(store, number, 2, Arc::new(|_| {}));
                let store = Store::connect(LOCAL, meeting.port, WAIT).unwrap();
                f(join(&store, &meeting, Device::Cpu, LOCAL).unwrap())
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
