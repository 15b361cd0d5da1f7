//! `data`: what the data set holds.

use anyhow::Result;
use ror::Gender;
use ror::data::{Balance, Faces, Protocol, Records};

pub fn run() -> Result<()> {
    let faces = Faces::open()?;
    println!("{faces}");
    let of = |gender: Gender| {
        let labels = (0..faces.len()).filter_map(|i| Some(faces.record(i).ok()?.label));
        labels.filter(|label| label.gender == gender).count()
    };
    println!("{} male, {} female", of(Gender::Male), of(Gender::Female));
    println!("{}", faces.duplicates());
    println!("{} rows after balancing", faces.records().balance(&Balance::default())?.height());
    for protocol in [Protocol::OriginalGender, Protocol::OriginalAge] {
        println!("{}", protocol.split(&faces)?);
    }
    Ok(())
}
