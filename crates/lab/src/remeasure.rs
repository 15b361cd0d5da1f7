//! A published number, measured again.

use anyhow::Result;
use polars::prelude::{DataFrame, df};

use ror::data::Faces;
use ror::store::Trained;
use utils::progress::say;

/// The published numbers of a trained network, measured again.
pub trait Remeasure {
    /// Each published number of the net beside what it is when measured now. Where `faces` is
    /// not the data that the net was tested on (synthetic faces, for instance), the second is
    /// missing, and a line says so.
    ///
    /// # Errors
    /// Pictures that can't be decoded, or the net failing.
    fn remeasure(&self, faces: &Faces) -> Result<DataFrame>;
}

impl Remeasure for Trained {
    fn remeasure(&self, faces: &Faces) -> Result<DataFrame> {
        let same = self.card.data.fingerprint == faces.fingerprint();
        if !same {
            say("not measured now: these are not the pictures that the net was tested on");
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
