//! Where the ranks of a training meet: they announce themselves in a store, and wait for the others.

use std::thread;
use std::time::{Duration, Instant};
use std::{fmt, fs, process};

use anyhow::{Context, Result, bail, ensure};
use c10d::Store;

use crate::patience::{Due, Say, listed, time};

/// How long a rank waits for the others, the same as `torch.distributed` with Gloo.
pub(crate) const WAIT: Duration = Duration::from_secs(30 * 60);

/// How long a rank waits before it says so.
pub(crate) const SILENT: Duration = Duration::from_secs(10);

/// One rank among those that meet at a store.
#[derive(Clone)]
pub(crate) struct Meeting {
    pub(crate) rank: usize,
    pub(crate) size: usize,
    pub(crate) address: String,
    pub(crate) port: u16,
    /// Whether this process hosts the store.
    pub(crate) serves: bool,
    /// Number of the attempt, because keys of failed attempts stay in the store.
    pub(crate) attempt: String,
    /// How long to wait before saying so: [`SILENT`].
    pub(crate) silent: Duration,
    pub(crate) say: Say,
}

/// What a rank announces.
struct Announced {
    size: usize,
    /// Its process and host.
    place: String,
}

impl Announced {
    fn parse(text: &str) -> Result<Self> {
        let (size, place) = text.split_once(' ').context("a rank's announcement is malformed")?;
        Ok(Self { size: size.parse()?, place: place.to_owned() })
    }
}

impl fmt::Display for Meeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.address, self.port)
    }
}

impl Meeting {
    pub(crate) fn key(&self, what: &str, rank: usize) -> String {
        format!("ror/{}/{what}/{rank}", self.attempt)
    }

    fn announced(&self, store: &Store, rank: usize) -> Result<Option<Announced>> {
        let text = store.get(&self.key("ready", rank)).with_context(|| {
            format!(
                "lost the store at {self}: the process that hosts it, usually rank 0, has ended"
            )
        })?;
        text.map(|text| Announced::parse(&text)).transpose()
    }

    /// Names a rank, with its process and host if it has announced them.
    pub(crate) fn named(&self, store: &Store, rank: usize) -> Result<String> {
        let place = self.announced(store, rank)?.map(|found| format!(" ({})", found.place));
        Ok(format!("{rank}{}", place.unwrap_or_default()))
    }

    /// Announces this rank and waits for the others. `advice` says what to check when some do not
    /// arrive, and `meanwhile` runs several times a second.
    ///
    /// # Errors
    /// A rank has another world size, the others do not arrive within [`WAIT`], the store is lost,
    /// or `meanwhile` fails.
    pub(crate) fn gather(
        &self,
        store: &Store,
        advice: impl Fn(&[usize]) -> String,
        mut meanwhile: impl FnMut() -> Result<()>,
    ) -> Result<()> {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = if host.is_empty() { String::new() } else { format!(" on {}", host.trim()) };
        let own = format!("{} process {}{host}", self.size, process::id());
        store.set(&self.key("ready", self.rank), &own)?;
        let (start, mut due, mut spoke) = (Instant::now(), Due::after(self.silent), false);
        let mut missing: Vec<usize> = (0..self.size).collect();
        loop {
            let waited = start.elapsed();
            let is_due = due.is_now(waited);
            let mut absent = vec![];
            for (i, rank) in missing.iter().enumerate() {
                match self.announced(store, *rank)? {
                    Some(found) => self.agrees(*rank, &found)?,
                    None => absent.push(*rank),
                }
                // One that is missing is enough to know, until all of them are to be named.
                if !absent.is_empty() && !is_due {
                    absent.extend(&missing[i + 1..]);
                    break;
                }
            }
            missing = absent;
            if missing.is_empty() {
                break;
            }
            meanwhile()?;
            let words = || {
                let (own, who, time) = (self.rank, listed(&missing), time(waited));
                let words =
                    format!("rank {own} has waited {time} at {self} for {who} of {}", self.size);
                format!("{words}. {}", advice(&missing))
            };
            ensure!(waited < WAIT, "{}", words());
            // The first of those that are here speaks.
            if is_due && (0..self.rank).all(|rank| missing.contains(&rank)) {
                (self.say)(&words());
                spoke = true;
            }
            thread::sleep(
                Duration::from_millis(20).max(waited / 20).min(Duration::from_millis(500)),
            );
        }
        if spoke {
            (self.say)(&format!(
                "all {} ranks have arrived, after {}",
                self.size,
                time(start.elapsed())
            ));
        }
        Ok(())
    }

    /// Checks that a rank has this one's world size.
    fn agrees(&self, rank: usize, found: &Announced) -> Result<()> {
        if found.size == self.size {
            return Ok(());
        }
        if self.serves {
            // Until the other has read what this one announced: the store ends with this process.
            thread::sleep(Duration::from_secs(1));
        }
        let Announced { size, place } = found;
        bail!(
            "WORLD_SIZE is {} for rank {} but {size} for rank {rank} ({place}): start all ranks with \
             the same WORLD_SIZE",
            self.size,
            self.rank
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    fn meeting(store: &Store, rank: usize, size: usize, say: Say) -> Meeting {
        Meeting {
            rank,
            size,
            address: "127.0.0.1".to_owned(),
            port: store.port(),
            serves: rank == 0,
            attempt: "0".to_owned(),
            silent: Duration::from_millis(50),
            say,
        }
    }

    fn gather(meeting: &Meeting) -> Result<()> {
        let store = Store::connect(&meeting.address, meeting.port, WAIT)?;
        meeting.gather(&store, |missing| format!("Check {missing:?}."), || Ok(()))
    }

    #[test]
    fn who_has_not_arrived_is_said_by_the_first_who_has() {
        let store = Store::serve("127.0.0.1", 0, WAIT).unwrap();
        let (sender, said) = channel();
        let say: Say = Arc::new(move |line| sender.send(line.to_owned()).unwrap());
        let silent: Say = Arc::new(|line| panic!("{line}"));
        thread::scope(|scope| {
            let start = |rank, say: &Say| {
                let meeting = meeting(&store, rank, 4, say.clone());
                scope.spawn(move || gather(&meeting).unwrap());
            };
            start(1, &say);
            let at = format!("at 127.0.0.1:{} for", store.port());
            let line = said.recv().unwrap();
            let who = line.split_once(&at).unwrap_or_else(|| panic!("{line}")).1;
            assert_eq!(who, " ranks 0, 2 and 3 of 4. Check [0, 2, 3].");
            start(3, &silent);
            while !said.recv().unwrap().ends_with("for ranks 0 and 2 of 4. Check [0, 2].") {}
            start(0, &silent);
            start(2, &silent);
        });
        assert!(
            said.iter().next().is_some_and(|line| line.starts_with("all 4 ranks have arrived"))
        );
    }

    #[test]
    fn another_world_size_is_an_error_at_once() {
        let store = Store::serve("127.0.0.1", 0, WAIT).unwrap();
        let errors = thread::scope(|scope| {
            let ranks = [(0, 2), (1, 3)].map(|(rank, size)| {
                let meeting = meeting(&store, rank, size, Arc::new(|_| {}));
                scope.spawn(move || gather(&meeting).unwrap_err().to_string())
            });
            ranks.map(|rank| rank.join().unwrap())
        });
        assert!(errors[0].starts_with("WORLD_SIZE is 2 for rank 0 but 3 for rank 1 (process "));
        assert!(errors[1].starts_with("WORLD_SIZE is 3 for rank 1 but 2 for rank 0 (process "));
    }
}
