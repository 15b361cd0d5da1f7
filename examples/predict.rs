//! Predictions in a program: a folder of cropped and aligned faces, a line each.
//!
//!     cargo run --example predict FOLDER

use std::path::PathBuf;

use anyhow::{Context, Result};
use ror::prelude::*;

fn main() -> Result<()> {
    ror::show_progress(true);
    let folder = std::env::args().nth(1).context("name a folder of pictures")?;
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|e| e == "jpg" || e == "png"));
    files.sort();

    let predictor = Predictor::pretrained()?;
    for (file, face) in files.iter().zip(predictor.predict_files(&files)?) {
        match face {
            Ok(face) => println!("{}: {face}", file.display()),
            Err(error) => println!("{}: {error:#}", file.display()),
        }
    }
    Ok(())
}
