//! What others report, and how ours compares.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::PublishedResults;
use ror::Task;
use ror::data::Protocol;
use ror::metrics::{Interval, Metric};
use ror::plot::{self, Figure};

/// A number that someone else reports, as its authors do: of splits by file, with duplicates on
/// both sides, but where it says otherwise.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Rival {
    /// The protocol it is compared by.
    pub protocol: Protocol,
    /// What of: `gender`, `age` (groups) or `years`.
    pub task: String,
    /// Which number.
    pub metric: Metric,
    /// A share, or years.
    pub value: f64,
    /// The system.
    pub system: String,
    /// What it was trained on before or besides.
    pub training: String,
}

/// The numbers to compare with (`src/report/rivals.csv`).
///
/// # Errors
/// None, as the tests see to it.
pub fn rivals() -> Result<Vec<Rival>> {
    let mut rows = csv::Reader::from_reader(include_str!("rivals.csv").as_bytes());
    let rivals: Result<_, _> = rows.deserialize().collect();
    rivals.context("src/report/rivals.csv")
}

impl PublishedResults {
    /// Our nets, with their intervals, above what others report by the same protocol.
    ///
    /// # Errors
    /// A number that no net that ships has.
    pub fn against(&self, protocol: Protocol, task: Task, metric: Metric) -> Result<Figure> {
        let name = task.name();
        let scale = if metric == Metric::Mae { 1.0 } else { 100.0 };
        let ours = self
            .rows()
            .iter()
            .filter(|row| row.protocol == protocol && row.task == name && row.metric == metric);
        let mut bars: Vec<(String, f64, f64, f64)> = ours
            .map(|row| {
                let Interval { value, low, high } = row.interval();
                (format!("ror: {}", row.model), value * scale, low * scale, high * scale)
            })
            .collect();
        ensure!(
            !bars.is_empty(),
            "no model that ships has {} of {task} by {protocol}",
            metric.name()
        );
        let theirs = rivals()?.into_iter().filter(|rival| {
            rival.protocol == protocol && rival.task == name && rival.metric == metric
        });
        bars.extend(theirs.map(|rival| {
            let value = rival.value * scale;
            let label = match rival.training.as_str() {
                "UTKFace alone" => rival.system,
                other => format!("{} ({other})", rival.system),
            };
            (label, value, value, value)
        }));
        let axis = match metric {
            Metric::Mae => "Mean absolute error (years), less is better".to_owned(),
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
        assert_eq!(rivals.len(), 17);
        let best = rivals
            .iter()
            .filter(|r| r.protocol == Protocol::Random && r.metric == Metric::Mae)
            .map(|r| r.value)
            .fold(f64::INFINITY, f64::min);
        assert_eq!(best, 4.58);
    }
}
