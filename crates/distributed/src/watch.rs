//! A thread that says for whom a rank waits when a sum or broadcast takes long.
//!
//! All ranks make the same calls in the same order. One that waits for a second writes the number of
//! its call to the store; the others have not reached it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use c10d::{Calls, Store};

use crate::meeting::Meeting;
use crate::patience::{Due, listed, time};

/// Watches a group's calls until the sender is dropped.
///
/// # Errors
/// The system cannot start a thread.
pub(crate) fn watch(calls: Calls, meeting: Meeting) -> Result<Sender<()>> {
    let (sender, ended) = channel();
    thread::Builder::new()
        .name("watch".to_owned())
        .spawn(move || Watcher { meeting, calls, waits: None }.run(&ended))
        .context("cannot start a thread")?;
    Ok(sender)
}

/// A call that has been running since the last look.
struct Waits {
    call: u64,
    looks: u32,
    due: Due,
    /// What the store says about it, when that has come, and at which look it was asked.
    answer: Option<(Receiver<Option<String>>, u32)>,
    spoke: bool,
}

struct Watcher {
    meeting: Meeting,
    calls: Calls,
    waits: Option<Waits>,
}

impl Watcher {
    fn run(mut self, ended: &Receiver<()>) {
        let period = self.meeting.silent / 10;
        let (step, mut passed) = (period / 20, Duration::ZERO);
        while ended.recv_timeout(step) == Err(RecvTimeoutError::Timeout) {
            passed += step;
            if passed >= period || self.is_over() {
                self.look(period);
                passed = Duration::ZERO;
            }
        }
    }

    /// Whether a call has ended that users were told about: the group may end soon after it.
    fn is_over(&self) -> bool {
        self.waits
            .as_ref()
            .is_some_and(|waits| waits.spoke && self.calls.running() != Some(waits.call))
    }

    fn look(&mut self, period: Duration) {
        let (meeting, call) = (&self.meeting, self.calls.running());
        // Looks are counted, because a process that was stopped has not waited.
        let waited = |waits: &Waits| period * waits.looks;
        let Some(waits) = self.waits.as_mut().filter(|waits| call == Some(waits.call)) else {
            if let Some(waits) = self.waits.take().filter(|waits| waits.spoke) {
                (meeting.say)(&format!(
                    "rank {} goes on, after {}",
                    meeting.rank,
                    time(waited(&waits))
                ));
            }
            let due = Due::after(meeting.silent);
            self.waits = call.map(|call| Waits { call, looks: 0, due, answer: None, spoke: false });
            return;
        };
        waits.looks += 1;
        if waits.looks == 1 {
            ask(meeting, waits.call); // to be counted among those that wait
        }
        // The answer is there at the next look.
        if waits.due.is_now(waited(waits) + period) {
            waits.answer = Some((ask(meeting, waits.call), waits.looks));
        }
        let Some((answer, asked)) = &waits.answer else { return };
        let who = match answer.try_recv() {
            Ok(who) => who,
            Err(TryRecvError::Empty) if waits.looks < asked + 3 => return,
            Err(_) => Some(format!(
                "other ranks, and the store at {meeting} does not answer. Check the process that hosts \
                 it, usually rank 0: it may be stopped or unreachable"
            )),
        };
        waits.answer = None;
        if let Some(who) = who {
            let time = time(waited(waits));
            (meeting.say)(&format!("rank {} has waited {time} for {who}.", meeting.rank));
            waits.spoke = true;
        }
    }
}

/// Notes in the store that this rank waits in a call, and asks which others have not reached it, in
/// another thread: the process that hosts the store may be the one that hangs. Then no answer comes,
/// or the receiver is disconnected.
fn ask(meeting: &Meeting, call: u64) -> Receiver<Option<String>> {
    let (meeting, (sender, receiver)) = (meeting.clone(), channel());
    thread::spawn(move || {
        if let Ok(who) = missing(&meeting, call) {
            let _ = sender.send(who);
        }
    });
    receiver
}

/// Returns whom this rank waits for and what to check; `None` if a lower rank says so.
fn missing(meeting: &Meeting, call: u64) -> Result<Option<String>> {
    let store = Store::connect(&meeting.address, meeting.port, meeting.silent / 2)?;
    let key = |rank| meeting.key("waits", rank);
    store.set(&key(meeting.rank), &call.to_string())?;
    let mut behind = vec![];
    for rank in 0..meeting.size {
        let reached = store.get(&key(rank))?.and_then(|call| call.parse::<u64>().ok());
        if reached.is_none_or(|reached| reached < call) {
            behind.push(meeting.named(&store, rank)?);
        } else if rank < meeting.rank {
            return Ok(None);
        }
    }
    let size = meeting.size;
    Ok(Some(match &behind[..] {
        [] => format!(
            "tensors of the other ranks, which all wait too. Check the network between the {size}"
        ),
        _ => format!(
            "{} of {size}. Check whether it is stopped, busy or out of memory",
            listed(&behind)
        ),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patience::Say;
    use c10d::Group;
    use std::sync::Arc;
    use tch::{Device, Tensor};

    const WAIT: Duration = Duration::from_secs(600);

    #[test]
    fn whom_a_call_waits_for_is_said_by_the_first_who_waits() {
        let store = Store::serve("127.0.0.1", 0, WAIT).unwrap();
        let port = store.port();
        let (sender, said) = channel::<String>();
        let join = |rank, say: Say| {
            let meeting = Meeting {
                rank,
                size: 3,
                address: "127.0.0.1".to_owned(),
                port,
                serves: false,
                attempt: "0".to_owned(),
                silent: Duration::from_secs(2),
                say,
            };
            let store = Store::connect("127.0.0.1", port, WAIT).unwrap();
            meeting.gather(&store, |_| String::new(), || Ok(())).unwrap();
            let group =
                Group::new(&store, "test", rank, 3, Device::Cpu, "127.0.0.1", WAIT).unwrap();
            let watch = watch(group.calls().unwrap(), meeting).unwrap();
            (group, watch)
        };
        let sum = |group: &Group| group.sum(&mut Tensor::from_slice(&[1f32])).unwrap();
        thread::scope(|scope| {
            for rank in [1, 2] {
                let sender = sender.clone();
                let (join, sum) = (&join, &sum);
                scope.spawn(move || {
                    let say: Say = Arc::new(move |line| sender.send(line.to_owned()).unwrap());
                    let (group, _watch) = join(rank, say);
                    (0..3).for_each(|_| sum(&group));
                });
            }
            let (group, _watch) = join(0, Arc::new(|_| {}));
            sum(&group);
            // Not before it has been missed.
            let line = said.recv().unwrap();
            assert!(line.starts_with("rank 1 has waited 2 s for rank 0 (process "), "{line}");
            assert!(line.contains(" of 3. Check whether it is stopped"), "{line}");
            sum(&group);
            // It may have spoken again meanwhile.
            let line = said.iter().find(|line| !line.starts_with("rank 1 has waited")).unwrap();
            assert!(line.starts_with("rank 1 goes on, after "), "{line}");
            sum(&group);
        });
    }
}
