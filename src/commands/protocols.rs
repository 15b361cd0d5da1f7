//! `protocols`: how the data set is divided.

use anyhow::{Result, ensure};
use ror::dataset::{Faces, Protocol, listing};
use ror::files;

#[derive(clap::Args)]
pub struct Args {
    /// Only this one.
    name: Option<String>,
    /// Print the contents of each part in full.
    #[arg(long)]
    list: bool,
    /// Write the lists to data/protocols/.
    #[arg(long)]
    write: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let faces = Faces::open()?;
    eprintln!("{faces}");
    ensure!(
        !args.write || !faces.is_synthetic(),
        "the lists are of UTKFace: set ROR_DATA to it"
    );
    let protocols = match &args.name {
        Some(name) => vec![Protocol::named(name)?],
        None => Protocol::ALL.to_vec(),
    };
    for protocol in protocols {
        for task in protocol.tasks() {
            let split = protocol.split(&faces, task)?;
            println!("{protocol}, {split}");
            println!(
                "split {}, data {}\n",
                split.fingerprint,
                faces.fingerprint()
            );
            let text = listing(protocol, &faces, &split)?;
            if args.list {
                println!("{text}");
            }
            if args.write {
                let path = protocol.file(task);
                files::write_bytes(&path, text.as_bytes())?;
                println!("written to {}\n", path.display());
            }
        }
    }
    Ok(())
}
