//! A published number, measured again.

use anyhow::Result;
use polars::prelude::{DataFrame, df};

use crate::dataset::Faces;
use crate::progress::say;
use crate::train::Trained;

/// Each published number of a net beside what it is when measured now. Where `faces` is not the
/// data that the net was tested on (drawings, for instance), the second is missing, and a line
/// says so.
///
/// # Errors
/// Pictures that can't be decoded, or the net failing.
pub fn again(trained: &Trained, faces: &Faces) -> Result<DataFrame> {
    let same = trained.card.data.fingerprint == faces.fingerprint();
    if !same {
        say("not measured now: these are not the pictures that the net was tested on");
    }
    let mut protocols = vec![];
    let mut metrics = vec![];
    let (mut published, mut now) = (vec![], vec![]);
    for test in &trained.card.tests {
        let measured = match same {
            true => trained.evaluate_by(faces, test.protocol)?.metrics(),
            false => vec![],
        };
        for (i, head) in test.heads.iter().enumerate() {
            for (k, (metric, value, _)) in head.named().into_iter().enumerate() {
                protocols.push(test.protocol.name());
                metrics.push(format!("{}, {metric}", head.task));
                published.push(value.value);
                now.push(measured.get(i).map(|head| head.named()[k].1.value));
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
