//! What a user waits for, beside its rivals in the same run: `make bench`.
//!
//! Each side of a wait runs in a process of its own, in turn with its rivals, and prints what it
//! measured as JSON. The table goes to benches/results.csv and into docs/speed.md; a wait that is
//! measured again replaces its rows there.

mod bench;
mod growth;
mod ours;
mod processes;
mod project;
mod shards;
mod table;
mod waits;

use anyhow::{Result, ensure};

use bench::Bench;

/// The waits by name, in the order of the table; those behind `make bench` without a name.
const WAITS: [&str; 6] = ["decode", "load", "train", "predict", "folder", "kernel"];
/// Those that must be named: they take long, or write figures.
const MORE: [&str; 11] = [
    "busy", "fast", "photo", "photos", "ranks", "shards", "nothing", "make", "growth", "figures",
    "resize",
];

fn main() -> Result<()> {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [flag, name, rest @ ..] = &arguments[..]
        && flag == "--measure"
    {
        let measured = serde_json::to_string(&ours::measure(name, rest)?)?;
        if utils::launcher::rank() == 0 {
            println!("{measured}");
        }
        return Ok(());
    }
    for name in &arguments {
        ensure!(
            WAITS.contains(&name.as_str()) || MORE.contains(&name.as_str()),
            "there is no wait {name}: choose among {} {}",
            WAITS.join(" "),
            MORE.join(" ")
        );
    }
    let names: Vec<&str> = match arguments.is_empty() {
        true => WAITS.to_vec(),
        false => arguments.iter().map(String::as_str).collect(),
    };
    let bench = Bench::new()?;
    for name in names {
        eprintln!("== {name}");
        match name {
            "growth" => growth::measure(&bench)?,
            "shards" => shards::measure(&bench)?,
            "figures" => {
                growth::draw()?;
                shards::write_table()?;
                table::keep(&[])?;
            }
            "resize" => bench.resize()?,
            _ => {
                let rows = waits::wait(&bench, name)?;
                for row in &rows {
                    println!("{row}");
                }
                table::keep(&rows)?;
            }
        }
    }
    Ok(())
}
