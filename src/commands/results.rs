//! `results`: the published numbers and figures, from the cards of the models that ship.

use anyhow::Result;
use ror::dataset::Protocol;
use ror::train::shipped;
use ror::{files, plot, results};

#[derive(clap::Args)]
pub struct Args {
    /// Write models/results.csv, the table in README.md, and docs/figures/.
    #[arg(long)]
    write: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let published = results::published();
    println!("{published}");
    let rows = published.0;
    if args.write {
        results::write_csv(&results::csv_path(), &rows)?;
        let readme = files::home().join("README.md");
        let text = results::with_table(&files::read_text(&readme)?, &rows)?;
        files::write_bytes(&readme, text.as_bytes())?;
        let figures = files::home().join("docs").join("figures");
        for (name, card) in shipped() {
            let title = format!(
                "{name}: training by {}",
                card.protocol.map_or("", Protocol::name)
            );
            plot::curves(&title, &card.history)?
                .save(figures.join(format!("{name}-curves.svg")))?;
            for (test, head) in card
                .tests
                .iter()
                .flat_map(|t| t.heads.iter().map(move |h| (t, h)))
            {
                let title =
                    |what: &str| format!("{name} on {}: {}, {what}", test.protocol, head.task);
                let path = |what: &str| {
                    let task = head.task.name();
                    figures.join(format!("{name}-{}-{task}-{what}.svg", test.protocol))
                };
                plot::reliability(&title("reliability"), head)?.save(path("reliability"))?;
                plot::breakdown(&title("for whom"), head)?.save(path("for-whom"))?;
            }
        }
        println!("written to models/results.csv, README.md and docs/figures/");
    }
    Ok(())
}
