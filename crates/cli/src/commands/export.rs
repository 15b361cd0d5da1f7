//! `export`: a net as a folder for Python.

use std::path::PathBuf;

use anyhow::Result;
use lab::export::{Format, export};
use ror::store::ModelStore;
use tch::Device;

#[derive(clap::Args)]
pub struct Args {
    /// The net, by its name or card.
    name: String,
    /// The folder to write; there must be none of that name yet.
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// hf (what Hugging Face's PyTorchModelHubMixin loads) or onnx.
    #[arg(long, default_value = "hf")]
    format: Format,
}

pub fn run(args: &Args) -> Result<()> {
    let net = ModelStore::local().open_on(&args.name, Device::Cpu)?;
    export(&net, &args.to, args.format)?;
    out!("{} is in {}", args.name, args.to.display())?;
    Ok(())
}
