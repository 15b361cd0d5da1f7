//! `protocols`: the splits of the data set.

use anyhow::Result;
use ror::data::{Faces, Part, Protocol};

#[derive(clap::Args)]
pub struct Args {
    /// Show only this protocol.
    #[arg(value_parser = super::protocol())]
    protocol: Option<Protocol>,
    /// Print every image hash of each set.
    #[arg(long)]
    list: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let faces = Faces::open()?;
    note!("{faces}");
    for protocol in args.protocol.map_or(Protocol::ALL.to_vec(), |one| vec![one]) {
        let split = protocol.split(&faces)?;
        out!("{}\nfingerprint {}\n", super::named(protocol, &split), split.fingerprint)?;
        if args.list {
            let contents = split.contents(&faces)?;
            for part in Part::ALL {
                let contents = contents.part(part);
                out!("{} {}", part.name(), contents.len())?;
                contents.iter().try_for_each(|content| out!("{content}"))?;
            }
        }
    }
    Ok(())
}
