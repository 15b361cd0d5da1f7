//! `results`: the published results and figures, from the cards of the shipped models.

use std::path::PathBuf;

use anyhow::Result;
use lab::PublishedResults;
use ror::store::ModelStore;

#[derive(clap::Args)]
pub struct Args {
    /// Write models/results.csv, the table in docs/accuracy.md, and docs/figures/. Run it in the
    /// project's folder.
    #[arg(long)]
    write: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let store = ModelStore::default();
    let models = store.pretrained();
    let results = PublishedResults::new(&models);
    out!("{results}")?;
    if args.write {
        let docs = PathBuf::from("docs");
        results.write_csv(&store.folder().join("results.csv"))?;
        results.write_markdown(&docs.join("accuracy.md"))?;
        PublishedResults::write_figures(&models, &docs.join("figures"))?;
        out!("wrote models/results.csv, docs/accuracy.md and docs/figures/")?;
    }
    Ok(())
}
