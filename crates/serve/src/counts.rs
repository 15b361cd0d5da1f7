//! What the server counts, as Prometheus reads it. Nothing else is kept of a request.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper limits of the durations that are counted apart, in seconds.
const LIMITS: [f64; 9] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What became of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was predicted.
    Predicted,
    /// It can't be read.
    Unread,
    /// It waited too long, or the device failed.
    Failed,
}

/// Counts since the start.
#[derive(Default)]
pub struct Counts {
    /// Answers by HTTP status.
    answers: Mutex<BTreeMap<u16, u64>>,
    /// Images by outcome.
    images: [AtomicU64; 3],
    faces: AtomicU64,
    batches: AtomicU64,
    /// Answers of `/v1/predict` up to each limit and beyond, not cumulated.
    durations: [AtomicU64; LIMITS.len() + 1],
    microseconds: AtomicU64,
}

fn add(to: &AtomicU64, n: u64) {
    to.fetch_add(n, Ordering::Relaxed);
}

impl Counts {
    /// Counts an answer by its HTTP status.
    pub fn answer(&self, status: u16) {
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() +=
            1;
    }

    /// Counts an image with the number of its faces.
    pub fn image(&self, outcome: Outcome, faces: usize) {
        add(&self.images[outcome as usize], 1);
        add(&self.faces, faces as u64);
    }

    /// Counts a group of images that were predicted together.
    pub fn batch(&self) {
        add(&self.batches, 1);
    }

    /// Counts how long an answer of `/v1/predict` took.
    pub fn duration(&self, taken: Duration) {
        let at = LIMITS.partition_point(|limit| *limit < taken.as_secs_f64());
        add(&self.durations[at], 1);
        add(&self.microseconds, taken.as_micros() as u64);
    }

    /// Writes the counts, and how many images wait and bytes are held now, in Prometheus' format.
    pub fn text(&self, waiting: usize, bytes: u64) -> String {
        let get = |from: &AtomicU64| from.load(Ordering::Relaxed);
        let mut text = String::new();
        let mut metric = |name: &str, kind: &str, help: &str, lines: &[(String, String)]| {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in lines {
                let _ = writeln!(text, "{name}{labels} {value}");
            }
        };
        let one = |value: u64| [(String::new(), value.to_string())];
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let answers =
            answers.iter().map(|(status, n)| (format!("{{status=\"{status}\"}}"), n.to_string()));
        metric(
            "ror_answers_total",
            "counter",
            "Answers by HTTP status.",
            &answers.collect::<Vec<_>>(),
        );
        let names = ["predicted", "unread", "failed"].iter().zip(&self.images);
        let images = names.map(|(name, n)| (format!("{{outcome=\"{name}\"}}"), get(n).to_string()));
        metric(
            "ror_images_total",
            "counter",
            "Images by what became of them.",
            &images.collect::<Vec<_>>(),
        );
        metric("ror_faces_total", "counter", "Faces that were predicted.", &one(get(&self.faces)));
        metric(
            "ror_batches_total",
            "counter",
            "Groups of images predicted together.",
            &one(get(&self.batches)),
        );
        metric(
            "ror_waiting_images",
            "gauge",
            "Images that wait for a thread.",
            &one(waiting as u64),
        );
        metric("ror_held_bytes", "gauge", "Bytes of images in memory.", &one(bytes));
        let name = "ror_predict_seconds";
        let _ = writeln!(
            text,
            "# HELP {name} Duration of answers of /v1/predict.\n# TYPE {name} histogram"
        );
        let mut sum = 0;
        for (limit, n) in
            LIMITS.iter().map(f64::to_string).chain(["+Inf".to_owned()]).zip(&self.durations)
        {
            sum += get(n);
            let _ = writeln!(text, "{name}_bucket{{le=\"{limit}\"}} {sum}");
        }
        let seconds = get(&self.microseconds) as f64 / 1e6;
        let _ = writeln!(text, "{name}_sum {seconds}\n{name}_count {sum}");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_cumulated_and_counts_are_by_label() {
        let counts = Counts::default();
        for milliseconds in [10, 25, 26, 60_000] {
            counts.duration(Duration::from_millis(milliseconds));
        }
        [200, 429, 200].into_iter().for_each(|status| counts.answer(status));
        counts.image(Outcome::Predicted, 3);
        counts.image(Outcome::Unread, 0);
        let text = counts.text(5, 1000);
        for line in [
            "ror_predict_seconds_bucket{le=\"0.025\"} 2",
            "ror_predict_seconds_bucket{le=\"10\"} 3",
            "ror_predict_seconds_bucket{le=\"+Inf\"} 4",
            "ror_predict_seconds_sum 60.061",
            "ror_answers_total{status=\"200\"} 2",
            "ror_images_total{outcome=\"unread\"} 1",
            "ror_faces_total 3",
            "ror_waiting_images 5",
        ] {
            assert!(text.lines().any(|own| own == line), "{line} is not in\n{text}");
        }
    }
}
