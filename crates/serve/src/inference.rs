//! Threads that answer the images in a queue.

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Error, Result, anyhow};
use image::RgbImage;
use imaging::without_panic;
use ror::data::decode;
use ror::predict::{Detector, FacePrediction, Predictor, Seen, Worker};
use serde::Serialize;
use utils::device::device;
use utils::escape;
use utils::threads::{Room, in_threads, keep_memory};

use archive::room_for;

use crate::counts::{Counts, Outcome};
use crate::queue::{Answer, Job, Queue};

/// How many images a thread predicts together.
const TOGETHER: usize = 8;
/// How long an image may wait.
const MOST_WAITED: Duration = Duration::from_secs(60);

/// A line of `predict --json` for an aligned crop.
#[derive(Serialize)]
struct Line<'a> {
    path: &'a str,
    #[serde(flatten)]
    face: &'a FacePrediction,
}

/// A line of `predict --json` for an image that could not be read.
#[derive(Serialize)]
struct Unread<'a> {
    path: &'a str,
    error: String,
}

fn json(value: &impl Serialize) -> Result<String> {
    Ok(escape::json(&serde_json::to_string(value)?))
}

/// The answer for an image without predictions.
fn failed(outcome: Outcome, path: &str, error: &Error) -> Answer {
    let error = format!("{error:#}");
    // Two strings always have a JSON.
    let json = json(&Unread { path, error }).unwrap_or_default();
    Answer { outcome, json }
}

/// Starts a thread per core, or one for a GPU. They end when the queue is closed and empty.
///
/// # Errors
/// No memory for the copies of the networks.
pub fn start(
    predictor: &Predictor,
    detector: &Detector,
    queue: Arc<Queue>,
    counts: Arc<Counts>,
) -> Result<JoinHandle<Result<()>>> {
    keep_memory();
    let threads = if device().is_cuda() { 1 } else { tch::get_num_threads().max(1) as usize };
    let copies = (0..threads).map(|_| Ok((detector.share(), predictor.worker()?)));
    let copies = copies.collect::<Result<Vec<_>>>()?;
    let room = Room::for_threads();
    Ok(thread::spawn(move || {
        let work = |(detector, networks)| {
            let thread = Thread { detector, networks, room: &room, counts: &counts };
            while let Some(jobs) = queue.take(TOGETHER, threads) {
                thread.answer(jobs);
            }
            Ok(())
        };
        in_threads(copies, work).map(|_| ())
    }))
}

/// What one thread works with.
struct Thread<'a> {
    detector: Detector,
    networks: Worker,
    /// Memory for decoding images.
    room: &'a Room,
    counts: &'a Counts,
}

/// An image whose faces are not predicted yet.
enum Found {
    Photo(Seen),
    Crop,
}

impl Thread<'_> {
    /// Answers images, whose faces the networks predict together.
    fn answer(&self, jobs: Vec<Job>) {
        let (mut inputs, mut found) = (vec![], vec![]);
        // Nobody waits for what is closed.
        let jobs: Vec<Job> = jobs.into_iter().filter(|job| !job.reply.is_closed()).collect();
        for job in &jobs {
            let own = match job.since.elapsed() > MOST_WAITED {
                true => Err((Outcome::Failed, late())),
                false => self.find(job).map_err(|error| (Outcome::Unread, error)),
            };
            found.push(own.map(|(found, own)| {
                let n = own.len();
                inputs.extend(own.into_iter().map(Ok));
                (found, n)
            }));
        }
        self.counts.batch();
        let predicted = without_panic(|| self.networks.predict_decoded(inputs));
        let mut predicted = predicted.map(Vec::into_iter);
        for (job, found) in jobs.into_iter().zip(found) {
            let path = &job.path;
            let (answer, faces) = match (found, &mut predicted) {
                (Err((outcome, error)), _) => (failed(outcome, path, &error), 0),
                (Ok(_), Err(error)) => (failed(Outcome::Failed, path, error), 0),
                (Ok((found, n)), Ok(predicted)) => {
                    let faces = predicted.by_ref().take(n).collect::<Result<Vec<_>>>();
                    match faces.and_then(|faces| written(path, found, faces)) {
                        Ok(json) => (Answer { outcome: Outcome::Predicted, json }, n),
                        Err(error) => (failed(Outcome::Failed, path, &error), 0),
                    }
                }
            };
            self.counts.image(answer.outcome, faces);
            // Freed before the answer is sent, so that the next request finds room.
            drop(job.held);
            let _ = job.reply.send(answer); // who waited may be gone
        }
    }

    /// Decodes an image and finds its faces. Returns the networks' inputs, one per face.
    fn find(&self, job: &Job) -> Result<(Found, Vec<Vec<RgbImage>>)> {
        let _taken = room_for(self.room, &job.image)?;
        let picture = decode(&job.image)?;
        if job.aligned {
            return Ok((Found::Crop, vec![self.networks.inputs(&picture)?]));
        }
        let mut seen = without_panic(|| Seen::new(&self.detector, &picture))?;
        let chips = std::mem::take(&mut seen.chips);
        let inputs = chips.iter().map(|chip| self.networks.inputs(chip));
        Ok((Found::Photo(seen), inputs.collect::<Result<_>>()?))
    }
}

fn late() -> Error {
    let seconds = MOST_WAITED.as_secs();
    anyhow!("the image waited for more than {seconds} seconds: try again later")
}

/// Writes an answer as `predict --json` does.
fn written(path: &str, found: Found, faces: Vec<FacePrediction>) -> Result<String> {
    match found {
        Found::Photo(seen) => json(&seen.with(Path::new(path), faces)),
        Found::Crop => {
            let face = faces.first().ok_or_else(|| anyhow!("no prediction for the image"))?;
            json(&Line { path, face })
        }
    }
}
