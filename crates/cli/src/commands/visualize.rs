//! `visualize`: a network's activations and filters.

use std::path::PathBuf;

use anyhow::Result;
use ror::store::{DEFAULT_MODEL, ModelStore};

#[derive(clap::Args)]
pub struct Args {
    /// Aligned crop, JPEG, PNG or WebP.
    image: PathBuf,
    /// Network, by name or card.
    #[arg(long, default_value = DEFAULT_MODEL)]
    model: String,
    /// Folder for the PNG files.
    #[arg(long, default_value = "target/visualize")]
    out: PathBuf,
    /// Also draw the patterns that maximize this layer's filters; `list` lists the layers.
    #[arg(long)]
    layer: Option<String>,
}

pub fn run(args: Args) -> Result<()> {
    let trained = ModelStore::default().open(&args.model)?;
    if args.layer.as_deref() == Some("list") {
        out!("{}", trained.summary()?)?;
        return Ok(());
    }
    let paths = lab::save_activations(&trained.net, &args.image, &args.out)?;
    out!("wrote {} layers to {}", paths.len(), args.out.display())?;
    if let Some(layer) = args.layer {
        let path = args.out.join(format!("filters-{layer}.png"));
        lab::filter_patterns(&trained.net, &layer)?.save(&path)?;
        out!("wrote filter patterns to {}", path.display())?;
    }
    Ok(())
}
