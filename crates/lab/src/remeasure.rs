//! Measures published results again.

use anyhow::Result;
use polars::prelude::{DataFrame, df};

use ror::data::Faces;
use ror::store::Trained;
use utils::progress::say;

/// Measuring the published results of a trained network again.
pub trait Remeasure {
    /// Returns each published metric next to its value measured now. If `faces` is not the data set
    /// that the network was tested on, prints a note and leaves the new values null.
    ///
    /// # Errors
    /// An image can't be decoded, or the network fails.
    fn remeasure(&self, faces: &Faces) -> Result<DataFrame>;
}

impl Remeasure for Trained {
    fn remeasure(&self, faces: &Faces) -> Result<DataFrame> {
        let same = self.card.data.fingerprint == faces.fingerprint();
        if !same {
            say(
                "note: nothing is measured again: these are not the images the network was tested on",
            );
        }
        let mut protocols = vec![];
        let mut metrics = vec![];
        let (mut published, mut now) = (vec![], vec![]);
        for test in &self.card.tests {
            let measured = match same {
                true => self.evaluate(faces, &test.protocol.split(faces)?)?.metrics(),
                false => vec![],
            };
            for (i, head) in test.heads.iter().enumerate() {
                for (k, (metric, value, _)) in head.values().into_iter().enumerate() {
                    protocols.push(test.protocol.name());
                    metrics.push(format!("{}, {}", head.task, metric.name()));
                    published.push(value.value);
                    now.push(measured.get(i).map(|head| head.values()[k].1.value));
                }
            }
        }
        Ok(df!(
            "protocol" => protocols,
            "metric" => metrics,
            "published" => published,
            "measured now" => now,
        )?)
    }
}
