//! `visualize`: what a net sees.

use std::path::PathBuf;

use anyhow::Result;
use ror::store::{DEFAULT_MODEL, ModelStore};

#[derive(clap::Args)]
pub struct Args {
    /// A cropped and aligned face, JPEG or PNG.
    image: PathBuf,
    /// The net to show, by its name or card.
    #[arg(long, default_value = DEFAULT_MODEL)]
    model: String,
    /// Where the pictures go.
    #[arg(long, default_value = "target/visualize")]
    out: PathBuf,
    /// A layer whose filters' patterns to draw too; `list` lists the layers.
    #[arg(long)]
    layer: Option<String>,
}

pub fn run(args: Args) -> Result<()> {
    let trained = ModelStore::local().open(&args.model)?;
    if args.layer.as_deref() == Some("list") {
        out!("{}", trained.summary()?)?;
        return Ok(());
    }
    let paths = lab::save_activations(&trained.net, &args.image, &args.out)?;
    out!("{} layers drawn in {}", paths.len(), args.out.display())?;
    if let Some(layer) = args.layer {
        let path = args.out.join(format!("filters-{layer}.png"));
        lab::filter_patterns(&trained.net, &layer)?.save(&path)?;
        out!("filters drawn in {}", path.display())?;
    }
    Ok(())
}
