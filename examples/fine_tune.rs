//! A pretrained net, fine-tuned on a folder of one's own faces.
//!
//!     cargo run --example fine_tune FOLDER
//!
//! The folder has pictures and a table `labels.csv` with the columns `file,age,gender`. The
//! same from a terminal: `./ror train --data FOLDER --start both-64px --save models/mine.json`.

use anyhow::{Context, Result};
use ror::prelude::*;
use ror::store::DEFAULT_MODEL;

fn main() -> Result<()> {
    ror::show_progress(true);
    let folder = std::env::args().nth(1).context("name a folder with a labels.csv")?;
    let faces = Faces::open_at(folder)?;
    println!("{faces}");

    let start = ModelStore::default().open(DEFAULT_MODEL)?;
    let split = Split::new(&faces, faces.records(), &SplitSizes::shares_of(faces.contents()))?;
    let before = start.evaluate(&faces, &split)?; // refused if it was trained on a test picture

    let tuned = Training::fine_tune(&faces, &split, &start).epochs(2).train_or_load()?;
    println!("before, {before}\n\nafter, {}", tuned.evaluate(&faces, &split)?);
    println!("kept with its card in {}", ModelStore::default().runs().display());
    Ok(())
}
