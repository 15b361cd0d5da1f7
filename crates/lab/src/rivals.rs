//! Results reported by others, for comparison.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::PublishedResults;
use ror::Task;
use ror::data::Protocol;
use ror::metrics::{Interval, Metric};
use ror::plot::{self, Chart};

/// A result as reported by its authors. Unless stated otherwise, they split by file, so duplicates
/// may be in both the training set and the test set.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Rival {
    /// The protocol under which it is compared.
    pub protocol: Protocol,
    /// `gender`, `age` (in groups) or `years`.
    pub task: String,
    /// The metric.
    pub metric: Metric,
    /// The value: a share of 0 to 1, or years.
    pub value: f64,
    /// The system.
    pub system: String,
    /// The data it was trained on, including pretraining.
    pub training: String,
}

/// Reads the results to compare with (`rivals.csv`, which is compiled in).
///
/// # Errors
/// The file is malformed, which the tests exclude.
pub fn rivals() -> Result<Vec<Rival>> {
    let mut rows = csv::Reader::from_reader(include_str!("rivals.csv").as_bytes());
    let rivals: Result<_, _> = rows.deserialize().collect();
    rivals.context("crates/lab/src/rivals.csv is malformed")
}

impl PublishedResults {
    /// Plots the shipped models, with their intervals, above the results reported by others under
    /// the same protocol.
    ///
    /// # Errors
    /// No shipped model has this metric.
    pub fn against(&self, protocol: Protocol, task: Task, metric: Metric) -> Result<Chart> {
        let name = task.name();
        let scale = if metric == Metric::Mae { 1.0 } else { 100.0 };
        let ours = self
            .rows()
            .iter()
            .filter(|row| row.protocol == protocol && row.task == name && row.metric == metric);
        let mut bars: Vec<(String, f64, f64, f64)> = ours
            .map(|row| {
                let Interval { value, low, high } = row.interval();
                (
                    format!("ror: {} ({})", row.model, row.trained_on),
                    value * scale,
                    low * scale,
                    high * scale,
                )
            })
            .collect();
        ensure!(
            !bars.is_empty(),
            "no shipped model has {} for {task} under {protocol}",
            metric.name()
        );
        let theirs = rivals()?.into_iter().filter(|rival| {
            rival.protocol == protocol && rival.task == name && rival.metric == metric
        });
        bars.extend(theirs.map(|rival| {
            let value = rival.value * scale;
            let label = match rival.training.as_str() {
                "UTKFace only" => format!("{} (UTKFace)", rival.system),
                other => format!("{} ({other})", rival.system),
            };
            (label, value, value, value)
        }));
        let axis = match metric {
            Metric::Mae => "Mean absolute error (years), lower is better".to_owned(),
            _ => format!("{} (%)", metric.name()),
        };
        plot::intervals(&format!("{protocol}: {task}, {}", metric.name()), &axis, &bars)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rivals_file_is_read_whole() {
        let rivals = rivals().unwrap();
        assert_eq!(rivals.len(), 19);
        let best = rivals
            .iter()
            .filter(|r| r.protocol == Protocol::Random && r.metric == Metric::Mae)
            .map(|r| r.value)
            .fold(f64::INFINITY, f64::min);
        assert_eq!(best, 4.58);
    }
}
