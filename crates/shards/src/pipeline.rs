//! Reads, decodes, detects and predicts a shard in parallel on every core.
//!
//! One thread reads the shard and groups its images into jobs. One worker per core answers jobs.
//! One thread collects the rows in order. Jobs, and therefore answers, depend only on the shard.
//! Only a few jobs are in progress at a time, so memory does not grow with the shard.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use anyhow::{Result, anyhow};
use image::RgbImage;
use imaging::without_panic;

use archive::room_for;
use ror::data::decode;
use ror::model::batch;
use ror::predict::{Detector, FacePrediction, Photo, Predictor, Seen};
use utils::device::device;
use utils::live::keep_going;
use utils::progress::Progress;
use utils::threads::{Room, Taken, in_threads, keep_memory};

use crate::rows::{Answers, Rows};
use crate::shard::{Member, Shard};

/// Maximum number of bytes of a job's images, unless it is a single image.
const JOB_BYTES: usize = 16 << 20;
/// Bytes of image files that may be in memory per worker: its current job and the next one.
const READ_BYTES: u64 = 2 * JOB_BYTES as u64;

/// Thread seconds by activity.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    /// Reading the shard, including tar and gzip.
    pub read: f64,
    /// Decoding images.
    pub decode: f64,
    /// Detecting faces and making aligned crops.
    pub detect: f64,
    /// Running the networks for gender and age.
    pub net: f64,
    /// Making rows and writing them.
    pub write: f64,
}

impl Times {
    /// Returns each activity's name and seconds.
    pub fn parts(&self) -> [(&'static str, f64); 5] {
        let Self { read, decode, detect, net, write } = *self;
        [("read", read), ("decode", decode), ("detect", detect), ("net", net), ("write", write)]
    }

    fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.decode += other.decode;
        self.detect += other.detect;
        self.net += other.net;
        self.write += other.write;
    }
}

/// Runs `work` and adds its duration to `seconds`.
pub(super) fn timed<T>(seconds: &mut f64, work: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let done = work();
    *seconds += begin.elapsed().as_secs_f64();
    done
}

/// Answers shards one after the other.
pub(super) struct Pipeline {
    workers: Vec<Worker>,
    /// Memory for decoding images.
    room: Room,
    /// Memory for image files. It is separate because a worker that holds some of it waits for
    /// `room`.
    files: Room,
    pub(super) times: Times,
}

/// The detector and networks of one thread.
struct Worker {
    /// `None` if the images are aligned crops.
    detector: Option<Detector>,
    networks: ror::predict::Worker,
    times: Times,
}

/// Images that one thread answers together.
struct Job<'a> {
    number: usize,
    /// The number of its first image in the shard.
    first: usize,
    members: Vec<Member>,
    /// The reservation for its bytes, held until it is answered.
    _taken: Taken<'a>,
}

impl Pipeline {
    pub(super) fn new(predictor: &Predictor, detector: Option<&Detector>) -> Result<Self> {
        keep_memory();
        let workers = (0..tch::get_num_threads().max(1)).map(|_| {
            let (detector, networks) = (detector.map(Detector::share), predictor.worker()?);
            Ok(Worker { detector, networks, times: Times::default() })
        });
        let workers = workers.collect::<Result<Vec<_>>>()?;
        let room = Room::for_threads();
        let files = Room::of(READ_BYTES * workers.len() as u64);
        Ok(Self { workers, room, files, times: Times::default() })
    }

    /// Answers a shard, calls `take` with its rows in order, and returns the hash of what was read
    /// (see [`Shard::content`]). The inner error is an error of the shard.
    ///
    /// # Errors
    /// An error of `take` or of the device.
    pub(super) fn run(
        &mut self,
        shard: &Shard,
        progress: &Progress,
        take: impl FnMut(Rows) -> Result<()> + Send,
    ) -> Result<Result<String>> {
        let (jobs, to_answer) = sync_channel::<Job>(self.workers.len());
        let (rows, to_take) = sync_channel(2 * self.workers.len());
        let to_answer = Arc::new(Mutex::new(to_answer));
        let workers = self.workers.drain(..);
        let own: Vec<_> =
            workers.map(|worker| (worker, Arc::clone(&to_answer), rows.clone())).collect();
        // A channel closes when all its users are gone, so this thread must not keep it open.
        drop((to_answer, rows));
        let (mut reading, mut taking) = (0.0, 0.0);
        let (workers, read, taken) = thread::scope(|scope| {
            let reader = scope.spawn(|| read(shard, progress, &self.files, jobs, &mut reading));
            let taker = scope.spawn(|| in_order(to_take, take, &mut taking));
            let workers = in_threads(own, |(mut worker, jobs, rows)| {
                // The waiting thread holds the lock and gets the next job.
                let next = || jobs.lock().ok().and_then(|jobs| jobs.recv().ok());
                while let Some(job) = next() {
                    keep_going()?;
                    let number = job.number;
                    let done = worker.answer(&self.room, shard.name(), job)?;
                    if rows.send((number, done)).is_err() {
                        break; // the taker has failed and returns its error
                    }
                }
                Ok(worker)
            });
            (workers, reader.join(), taker.join())
        });
        self.workers = workers?;
        let panicked = |_| anyhow!("a worker thread panicked");
        taken.map_err(panicked)??;
        self.times.read += reading;
        self.times.write += taking;
        for worker in &mut self.workers {
            self.times.add(&std::mem::take(&mut worker.times));
        }
        read.map_err(panicked)
    }
}

/// Reads a shard and sends its jobs. Returns the hash of what was read.
fn read<'a>(
    shard: &Shard,
    progress: &Progress,
    room: &'a Room,
    jobs: SyncSender<Job<'a>>,
    seconds: &mut f64,
) -> Result<String> {
    let (begin, mut waited) = (Instant::now(), 0.0);
    let most = batch(device());
    let (mut number, mut first, mut bytes) = (0, 0, 0);
    let mut send = |members: Vec<Member>, bytes: usize| {
        timed(&mut waited, || {
            // Only jobs that were sent hold reservations, so this wait ends.
            let job = Job { number, first, members, _taken: room.take(bytes as u64) };
            number += 1;
            first += job.members.len();
            // The workers have failed and return their error.
            jobs.send(job).map_err(|_| anyhow!("the worker threads have stopped"))
        })
    };
    let mut members: Vec<Member> = vec![];
    let read = shard.each(progress, |member| {
        let own = member.bytes.as_ref().map_or(0, Vec::len);
        if !members.is_empty() && (members.len() == most || bytes + own > JOB_BYTES) {
            send(std::mem::take(&mut members), std::mem::take(&mut bytes))?;
        }
        bytes += own;
        members.push(member);
        // Do not hold a large image while the next one is read.
        match bytes < JOB_BYTES {
            true => Ok(()),
            false => send(std::mem::take(&mut members), std::mem::take(&mut bytes)),
        }
    });
    let read = match read {
        Ok(content) if !members.is_empty() => send(members, bytes).map(|()| content),
        read => read,
    };
    *seconds += begin.elapsed().as_secs_f64() - waited;
    read
}

/// Passes rows to `take` in the order of their jobs.
fn in_order(
    rows: Receiver<(usize, Rows)>,
    mut take: impl FnMut(Rows) -> Result<()>,
    seconds: &mut f64,
) -> Result<()> {
    let (mut next, mut early) = (0, BTreeMap::new());
    for (number, some) in rows {
        early.insert(number, some);
        while let Some(some) = early.remove(&next) {
            timed(seconds, || take(some))?;
            next += 1;
        }
    }
    Ok(())
}

impl Worker {
    fn answer(&mut self, room: &Room, shard: &str, job: Job) -> Result<Rows> {
        let Job { first, members, .. } = job;
        let Self { detector, networks, times } = self;
        match detector {
            Some(detector) => {
                let photos = photos(detector, networks, room, members, times)?;
                timed(&mut times.write, || Rows::of_photos(shard, first, photos))
            }
            None => {
                let faces = chips(networks, room, members, times)?;
                timed(&mut times.write, || Rows::of_faces(shard, first, faces))
            }
        }
    }
}

/// Answers photos: detects faces photo by photo and predicts them in batches.
fn photos(
    detector: &Detector,
    networks: &ror::predict::Worker,
    room: &Room,
    members: Vec<Member>,
    times: &mut Times,
) -> Result<Answers<Photo>> {
    let some = batch(device());
    let (mut seen, mut chips, mut predicted) = (vec![], vec![], vec![]);
    for Member { name, bytes } in members {
        let decoded = || {
            let bytes = bytes?;
            let taken = room_for(room, &bytes)?;
            Ok((decode(&bytes)?, taken))
        };
        let picture = timed(&mut times.decode, decoded);
        let looked_at = || {
            picture.and_then(|(picture, _taken)| without_panic(|| Seen::new(detector, &picture)))
        };
        let mut own = timed(&mut times.detect, looked_at);
        if let Ok(own) = &mut own {
            chips.append(&mut own.chips);
        }
        seen.push((name, own));
        while chips.len() >= some {
            let now: Vec<RgbImage> = chips.drain(..some).collect();
            predicted.extend(timed(&mut times.net, || networks.predict(&now))?);
        }
    }
    predicted.extend(timed(&mut times.net, || networks.predict(&chips))?);
    let mut predicted = predicted.into_iter();
    let photos = seen.into_iter().map(|(name, own)| {
        let photo = own.map(|own| own.with(Path::new(&name), predicted.by_ref()));
        (name, photo)
    });
    Ok(photos.collect())
}

/// Answers aligned crops in one batch.
fn chips(
    networks: &ror::predict::Worker,
    room: &Room,
    members: Vec<Member>,
    times: &mut Times,
) -> Result<Answers<FacePrediction>> {
    let decoded = members.into_iter().map(|Member { name, bytes }| {
        let inputs = bytes.and_then(|bytes| {
            let _taken = room_for(room, &bytes)?;
            networks.inputs(&decode(&bytes)?)
        });
        (name, inputs)
    });
    let (names, decoded): (Vec<String>, Vec<_>) = timed(&mut times.decode, || decoded.unzip());
    let faces = timed(&mut times.net, || networks.predict_decoded(decoded))?;
    Ok(names.into_iter().zip(faces).collect())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::mpsc::RecvTimeoutError::Timeout;
    use std::time::Duration;

    use super::*;

    /// Uses sparse files: two of them fit into the room, and one is larger than the room.
    #[test]
    fn files_are_not_read_before_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        for (number, mib) in [12, 12, 12, 40, 12].into_iter().enumerate() {
            let file = File::create(folder.path().join(format!("{number}.png"))).unwrap();
            file.set_len(mib << 20).unwrap();
        }
        let shards = Shard::find(&[folder.path()], false).unwrap();
        let room = Room::of(32 << 20);
        thread::scope(|scope| {
            let (jobs, to_answer) = sync_channel(10);
            let progress = Progress::new("reading", 0);
            let (shard, room) = (&shards[0], &room);
            scope.spawn(move || read(shard, &progress, room, jobs, &mut 0.0).unwrap());
            let next = || to_answer.recv_timeout(Duration::from_secs(60)).unwrap();
            let none = || to_answer.recv_timeout(Duration::from_millis(300)).err() == Some(Timeout);
            let (first, second) = (next(), next());
            assert!(none(), "a third is read");
            drop(first);
            let third = next();
            assert!(none(), "the large one is read beside two");
            drop(second);
            assert!(none(), "the large one is read beside another");
            drop(third);
            let large = next();
            assert_eq!(large.members[0].bytes.as_ref().unwrap().len(), 40 << 20);
            assert!(none(), "one is read beside the large one");
            drop(large);
            assert_eq!(next().first, 4);
            assert!(to_answer.recv().is_err(), "there is more than was read");
        });
    }
}
