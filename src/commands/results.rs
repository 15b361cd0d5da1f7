//! `results`: the published numbers, from the cards of the models that ship.

use anyhow::Result;
use ror::train::shipped;
use ror::{files, results};

#[derive(clap::Args)]
pub struct Args {
    /// Write models/results.csv, and the table in README.md.
    #[arg(long)]
    write: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let rows = results::rows(&shipped());
    println!("{}", results::table(&rows));
    if args.write {
        results::write_csv(&results::csv_path(), &rows)?;
        let readme = files::home().join("README.md");
        let text = results::with_table(&files::read_text(&readme)?, &rows)?;
        files::write_bytes(&readme, text.as_bytes())?;
        println!("written to models/results.csv and README.md");
    }
    Ok(())
}
