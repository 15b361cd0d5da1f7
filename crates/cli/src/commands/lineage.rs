//! `lineage`: the check for train/test leakage in the shipped networks.

use anyhow::{Result, ensure};
use ror::data::Part;
use ror::store::ModelStore;

pub fn run() -> Result<()> {
    let store = ModelStore::default();
    out!(
        "images of each set on which the network, or one it started or learned from, was trained \
         or selected"
    )?;
    out!("{:<16} {:<18} {:<11} {:>8} {:>9}", "network", "protocol", "set", "trained", "selected")?;
    let mut seen = 0;
    for model in store.pretrained() {
        let lineage = store.lineage(&model)?;
        let card = &model.card;
        let own = card.protocol.map(|protocol| (protocol, Part::Validation));
        let tests = card.tests.iter().map(|test| (test.protocol, Part::Test));
        for (protocol, part) in own.into_iter().chain(tests) {
            let list = protocol.list()?;
            let (trained, selected) = lineage.overlap(part, &list.fingerprint(), list.part(part));
            out!(
                "{:<16} {:<18} {:<11} {:>8} {:>9}",
                model.name,
                protocol.name(),
                part.name(),
                trained,
                selected
            )?;
            seen += trained + selected;
        }
        out!("{:<16} {}", "", lineage.names().join(" <- "))?;
        if let Some(pretrained) = &card.pretrained {
            out!("{:<16} pretrained on {}", "", pretrained.data)?;
        }
    }
    ensure!(
        seen == 0,
        "train/test leakage: {seen} images of validation and test sets have been seen"
    );
    Ok(())
}
