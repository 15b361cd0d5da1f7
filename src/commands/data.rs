//! `data`: what the data set holds.

use anyhow::Result;
use ror::dataset::{Balance, Copies, Faces, Gender, Records};
use ror::{Task, default_split};

pub fn run() -> Result<()> {
    let faces = Faces::open()?;
    println!("{faces}");
    let of = |gender: Gender| {
        let labels = (0..faces.len()).filter_map(|i| Some(faces.record(i).ok()?.label));
        labels.filter(|label| label.gender == gender).count()
    };
    println!("{} male, {} female", of(Gender::Male), of(Gender::Female));
    println!("{}", Copies::of(&faces));
    println!(
        "{} rows after balancing",
        faces.records().balance(&Balance::default())?.height()
    );
    for task in [Task::Gender, Task::age()] {
        println!("{}", default_split(&faces, task)?);
    }
    Ok(())
}
