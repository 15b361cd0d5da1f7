//! `visualize`: a network's activations and filters.

use std::path::PathBuf;

use anyhow::Result;
use ror::store::{DEFAULT_MODEL, ModelStore};
use utils::outputs::{Outputs, is_our_png};

#[derive(clap::Args)]
pub struct Args {
    /// Aligned crop, as for predict --aligned.
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
    /// Replace PNG files that this command did not write.
    #[arg(long)]
    force: bool,
}

pub fn run(args: Args) -> Result<()> {
    let trained = ModelStore::default().open(&args.model)?;
    if args.layer.as_deref() == Some("list") {
        out!("{}", trained.summary()?)?;
        return Ok(());
    }
    let patterns = args.layer.as_ref().map(|layer| args.out.join(format!("filters-{layer}.png")));
    let mut outputs = Outputs::new(vec![args.image.clone()], args.force);
    // The layers of any image, for their names.
    let layers = lab::activations(&trained.net, &ror::image::RgbImage::new(8, 8))?;
    for path in lab::layer_files(&layers, &args.out).iter().chain(&patterns) {
        outputs.file("--out", path, is_our_png)?;
    }
    let paths = lab::save_activations(&trained.net, &args.image, &args.out)?;
    out!("wrote {} layers to {}", paths.len(), args.out.display())?;
    if let (Some(layer), Some(path)) = (args.layer, patterns) {
        lab::filter_patterns(&trained.net, &layer)?.save(&path)?;
        out!("wrote filter patterns to {}", path.display())?;
    }
    Ok(())
}
