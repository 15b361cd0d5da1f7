//! `data`: a summary of the data set.

use anyhow::Result;
use ror::Gender;
use ror::data::{Balance, Duplicates, Faces, Protocol, Records};

pub fn run() -> Result<()> {
    let faces = Faces::open()?;
    out!("{faces}")?;
    let of = |gender: Gender| {
        let labels = (0..faces.len()).filter_map(|i| Some(faces.record(i).ok()?.label));
        labels.filter(|label| label.gender == gender).count()
    };
    out!("{} male, {} female", of(Gender::Male), of(Gender::Female))?;
    out!("{}", Duplicates::new(&faces))?;
    out!("{} rows after balancing", faces.records().balance(&Balance::default())?.height())?;
    for protocol in [Protocol::OriginalGender, Protocol::OriginalAge] {
        // A custom data set may be too small for the protocol, which is not an error here.
        match protocol.split(&faces) {
            Ok(split) => out!("{}", super::named(protocol, &split))?,
            Err(error) => out!("{protocol}: {error:#}")?,
        }
    }
    Ok(())
}
