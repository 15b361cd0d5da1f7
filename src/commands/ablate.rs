//! `ablate`: what each part of a recipe is worth.

use std::path::PathBuf;

use anyhow::Result;
use ror::dataset::Faces;
use ror::files;
use ror::train::{Ablation, differences};

#[derive(clap::Args)]
pub struct Args {
    /// An ablation's file (TOML): an experiment, its variants, and seeds.
    #[arg(long)]
    config: PathBuf,
    /// Threads on the CPU; by default all cores.
    #[arg(long)]
    threads: Option<i32>,
}

pub fn run(args: &Args) -> Result<()> {
    if let Some(threads) = args.threads {
        ror::tch::set_num_threads(threads);
    }
    let ablation = Ablation::read(&args.config)?;
    let faces = Faces::open()?;
    eprintln!("{faces}");
    let name = args.config.file_stem().unwrap_or_default();
    let csv = files::models().join(name).with_extension("csv");
    let trials = ablation.run(&faces, &csv)?;
    println!("variant: mean validation loss over seeds, and its difference with a 95 % interval");
    for d in differences(&trials, |trial| trial.loss) {
        println!(
            "{:<30} {:.4}  {:+.4} +- {:.4} ({} seeds)",
            d.variant, d.mean, d.difference, d.margin, d.seeds
        );
    }
    println!("written to {}", csv.display());
    Ok(())
}
