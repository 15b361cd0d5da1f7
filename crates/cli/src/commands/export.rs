//! `export`: a network as a folder for Python.

use std::path::PathBuf;

use anyhow::Result;
use lab::export::{Format, export};
use ror::store::ModelStore;
use tch::Device;

#[derive(clap::Args)]
pub struct Args {
    /// Network to export, by name or card.
    name: String,
    /// Folder to write, which must not exist yet.
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// Format: hf (for Hugging Face's PyTorchModelHubMixin) or onnx.
    #[arg(long, default_value = "hf")]
    format: Format,
}

pub fn run(args: &Args) -> Result<()> {
    let net = ModelStore::default().open_on(&args.name, Device::Cpu)?;
    export(&net, &args.to, args.format)?;
    out!("exported {} to {}", args.name, args.to.display())?;
    Ok(())
}
