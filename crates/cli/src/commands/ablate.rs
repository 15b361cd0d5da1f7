//! `ablate`: train and compare variants of an experiment.

use std::path::PathBuf;

use anyhow::Result;
use lab::Ablation;
use ror::store::ModelStore;

#[derive(clap::Args)]
pub struct Args {
    /// Ablation file (TOML): an experiment with seeds and variants.
    #[arg(long)]
    config: PathBuf,
    /// Train on synthetic faces, which say nothing about people.
    #[arg(long)]
    synthetic: bool,
    /// CPU threads, at most: training uses fewer if other processes are busy. [default: all cores]
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=1024))]
    threads: Option<i32>,
}

pub fn run(args: &Args) -> Result<()> {
    if let Some(threads) = args.threads {
        tch::set_num_threads(threads);
    }
    let ablation = Ablation::open(&args.config)?;
    let faces = super::data_set(None, args.synthetic)?;
    note!("{faces}");
    let name = args.config.file_stem().unwrap_or_default();
    let csv = ModelStore::default().folder().join(name).with_extension("csv");
    let trials = ablation.run(&faces, &csv)?;
    out!("variant: mean validation loss over seeds, difference from the first with 95 % interval")?;
    for d in trials.differences(|trial| trial.loss).0 {
        out!(
            "{:<30} {:.4}  {:+.4} +- {:.4} ({} seeds)",
            d.variant,
            d.mean,
            d.difference,
            d.margin,
            d.seeds
        )?;
    }
    out!("wrote {}", csv.display())?;
    Ok(())
}
