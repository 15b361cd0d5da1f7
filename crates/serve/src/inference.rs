//! Threads that answer the images in a queue.

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Error, Result, anyhow};
use image::RgbImage;
use imaging::without_panic;
use ror::data::decode;
use ror::predict::{Detector, Predictor, Seen, Worker, crop_json, unread_json};
use utils::device::device;
use utils::escape;
use utils::threads::{Room, in_threads, keep_memory};

use archive::room_for;

use crate::counts::{Counts, Outcome};
use crate::queue::{Answer, Job, Queue};

/// How many aligned crops a thread predicts together.
const TOGETHER: usize = 32;
/// How long an image may wait.
const MOST_WAITED: Duration = Duration::from_secs(60);

/// An image's JSON and number of faces, or why it has none.
type Answered = Result<(String, usize), (Outcome, Error)>;

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

impl Thread<'_> {
    /// Answers images, a photo or several crops, and counts them.
    fn answer(&self, jobs: Vec<Job>) {
        // Nobody waits for the others any more.
        let jobs: Vec<Job> = jobs.into_iter().filter(|job| !job.reply.is_closed()).collect();
        let (late, jobs): (Vec<Job>, _) =
            jobs.into_iter().partition(|job| job.since.elapsed() > MOST_WAITED);
        for job in late {
            self.send(job, Err((Outcome::Failed, late_error())));
        }
        let (crops, photos): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(|job| job.aligned);
        for job in photos {
            let answer = self.photo(&job);
            self.send(job, answer);
        }
        if !crops.is_empty() {
            let answers = self.crops(&crops);
            crops.into_iter().zip(answers).for_each(|(job, answer)| self.send(job, answer));
        }
    }

    fn send(&self, job: Job, answer: Answered) {
        let (outcome, json, faces) = match answer {
            Ok((json, faces)) => (Outcome::Predicted, json, faces),
            Err((outcome, error)) => (outcome, unread_json(&job.path, &error), 0),
        };
        self.counts.image(outcome, faces);
        // Freed before the answer is sent, so that the next request finds room.
        drop(job.held);
        let _ = job.reply.send(Answer { outcome, json }); // who waited may be gone
    }

    /// Predicts the faces in a photo, and no others with them: what is predicted together changes the
    /// eighth digit, and the answer is to be that of the command line.
    fn photo(&self, job: &Job) -> Answered {
        self.counts.batch();
        let seen = self.decoded(job).and_then(|picture| {
            without_panic(|| {
                let mut seen = Seen::new(&self.detector, &picture)?;
                let chips = std::mem::take(&mut seen.chips);
                Ok((seen, chips))
            })
        });
        let (seen, chips) = seen.map_err(|error| (Outcome::Unread, error))?;
        let faces = without_panic(|| self.networks.predict(&chips));
        let json = faces.and_then(|faces| escape::to_json(&seen.with(Path::new(&job.path), faces)));
        Ok((json.map_err(|error| (Outcome::Failed, error))?, chips.len()))
    }

    /// Predicts aligned crops together.
    fn crops(&self, jobs: &[Job]) -> Vec<Answered> {
        self.counts.batch();
        let inputs = jobs.iter().map(|job| self.networks.inputs(&self.decoded(job)?)).collect();
        let faces = match without_panic(|| self.networks.predict_decoded(inputs)) {
            Ok(faces) => faces,
            Err(error) => {
                let error = || anyhow!("{error:#}");
                return jobs.iter().map(|_| Err((Outcome::Failed, error()))).collect();
            }
        };
        let answers = jobs.iter().zip(faces).map(|(job, face)| {
            let face = face.map_err(|error| (Outcome::Unread, error))?;
            let json = crop_json(&job.path, &face);
            Ok((json.map_err(|error| (Outcome::Failed, error))?, 1))
        });
        answers.collect()
    }

    fn decoded(&self, job: &Job) -> Result<RgbImage> {
        let _taken = room_for(self.room, &job.image)?;
        decode(&job.image)
    }
}

fn late_error() -> Error {
    let seconds = MOST_WAITED.as_secs();
    anyhow!("the image waited for more than {seconds} seconds: try again later")
}
