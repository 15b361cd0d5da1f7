//! One's own photographs as a data set: the largest face of each, cut as the nets know faces.
//!
//!     cargo run --example align FROM TO
//!
//! FROM has photographs of one person each, with UTKFace's names or a `labels.csv`; TO gets a chip
//! of 200 x 200 pixels for each and a `labels.csv`, for `examples/fine_tune.rs` or
//! `./ror train --data TO`. Without FROM and TO, synthetic faces go to a folder `aligned`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use ror::Progress;
use ror::data::decode;
use ror::polars::prelude::df;
use ror::predict::Chip;
use ror::prelude::*;

fn main() -> Result<()> {
    ror::show_progress(true);
    let mut arguments = std::env::args().skip(1);
    let faces = match arguments.next() {
        Some(from) => Faces::open_at(from)?,
        None => Faces::synthetic(2000, 0)?,
    };
    let to = PathBuf::from(arguments.next().unwrap_or("aligned".to_owned()));
    std::fs::create_dir_all(&to).with_context(|| format!("cannot make {}", to.display()))?;

    let detector = detector()?;
    let progress = Progress::new("aligning, photos", faces.len());
    let (mut files, mut ages, mut genders) = (vec![], vec![], vec![]);
    for index in 0..faces.len() {
        let photo = decode(&faces.bytes(index)?)?;
        progress.step()?;
        let Some(face) = detector.detect(&photo)?.into_iter().next() else {
            println!("no face in {}", faces.record(index)?.file);
            continue;
        };
        let name = format!("{index:06}.png");
        Chip::new(&face.points).cut(&photo)?.save(to.join(&name))?;
        let label = faces.record(index)?.label;
        files.push(name);
        ages.push(label.age);
        genders.push(label.gender.name());
    }
    println!("{} chips in {}", files.len(), to.display());
    df!("file" => files, "age" => ages, "gender" => genders)?.write_csv(to.join("labels.csv"))
}
