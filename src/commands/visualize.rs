//! `visualize`: what a net sees.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use ror::train::{find, named};
use ror::{Task, device, files, visualize};

use super::Which;

#[derive(clap::Args)]
pub struct Args {
    /// A cropped and aligned face, JPEG or PNG.
    image: PathBuf,
    /// Which of the nets.
    #[arg(long, value_enum, default_value = "gender")]
    task: Which,
    /// The net to show, by its name or card; by default the one that ships for the task.
    #[arg(long)]
    model: Option<String>,
    /// Where the pictures go. [default: target/visualize]
    #[arg(long)]
    out: Option<PathBuf>,
    /// A layer whose filters' patterns to draw too; `list` lists the layers.
    #[arg(long)]
    layer: Option<String>,
}

pub fn run(args: Args) -> Result<()> {
    let task = Task::from(args.task);
    let trained = match args.model {
        Some(name) => named(&name, device())?,
        None => find(device(), |card| card.task == task)?.with_context(|| {
            format!(
                "there is no net for {task} in {}: train one first",
                files::models().display()
            )
        })?,
    };
    if args.layer.as_deref() == Some("list") {
        println!("{}", trained.summary()?);
        return Ok(());
    }
    if !args.image.exists() {
        bail!("there is no picture {}", args.image.display());
    }
    let folder = args.out.unwrap_or_else(visualize::default_folder);
    let paths = visualize::save_activations(&trained.net, &args.image, &folder)?;
    println!("{} layers drawn in {}", paths.len(), folder.display());
    if let Some(layer) = args.layer {
        let path = folder.join(format!("filters-{layer}.png"));
        visualize::filter_patterns(&trained.net, &layer)?.save(&path)?;
        println!("filters drawn in {}", path.display());
    }
    Ok(())
}
