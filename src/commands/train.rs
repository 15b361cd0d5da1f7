//! `train`: train a net, from a config file or by the defaults.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::ValueEnum;
use ror::dataset::{Faces, Protocol};
use ror::model::NetConfig;
use ror::train::{Experiment, Recipe, Training, named};
use ror::{Task, device_named};

use super::Which;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// The report's RoR.
    Ror,
    /// An eighth of its cost.
    Small,
    /// The original's coded variant.
    Coded,
}

#[derive(clap::Args)]
pub struct Args {
    /// What to estimate; an experiment's file says it.
    #[arg(required_unless_present = "config")]
    task: Option<Which>,
    /// An experiment's file (TOML): protocol, task, net and recipe; what is given here besides
    /// goes first.
    #[arg(long)]
    config: Option<PathBuf>,
    /// The net's shape; by default the one that suits the data.
    #[arg(long)]
    net: Option<Shape>,
    /// The report's recipe (Adam 1e-4, batch 64, early stopping) instead of the shipped one.
    #[arg(long)]
    report: bool,
    /// Passes over the training pictures, at most.
    #[arg(long)]
    epochs: Option<usize>,
    /// Pictures a step.
    #[arg(long)]
    batch: Option<usize>,
    /// The (highest) learning rate.
    #[arg(long)]
    learning_rate: Option<f64>,
    /// Decides the first weights, the order and the augmentation.
    #[arg(long)]
    seed: Option<u64>,
    /// Step of the pooling behind the stem: 1 keeps full size, 2 halves it.
    #[arg(long)]
    pool: Option<i64>,
    /// The net whose weights to start from, by its name or card.
    #[arg(long)]
    start: Option<String>,
    /// auto, cpu or cuda.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Threads on the CPU; by default all cores.
    #[arg(long)]
    threads: Option<i32>,
    /// Train even where this very net is there.
    #[arg(long)]
    retrain: bool,
    /// Also save as this card (NAME.json, weights beside it).
    #[arg(long)]
    save: Option<PathBuf>,
    /// Save there in half precision.
    #[arg(long, requires = "save")]
    half: bool,
}

pub fn run(args: Args) -> Result<()> {
    if let Some(threads) = args.threads {
        ror::tch::set_num_threads(threads);
    }
    let faces = Faces::open()?;
    eprintln!("{faces}");
    let mut experiment = match (&args.config, args.task) {
        (Some(path), _) => Experiment::read(path)?,
        (None, task) => {
            let task = Task::from(task.context("say what to estimate, or --config FILE")?);
            Experiment {
                protocol: Protocol::Original,
                task,
                start: None,
                net: NetConfig::suited(task, faces.is_synthetic()),
                recipe: Recipe::suited(task, &faces),
            }
        }
    };
    let outputs = experiment.task.outputs();
    match args.net {
        Some(Shape::Ror) => experiment.net = NetConfig::ror(outputs),
        Some(Shape::Small) => experiment.net = NetConfig::small(outputs),
        Some(Shape::Coded) => experiment.net = NetConfig::coded(outputs),
        None => {}
    }
    if args.report {
        experiment.recipe = Recipe::report(experiment.task);
    }
    let (net, recipe) = (&mut experiment.net, &mut experiment.recipe);
    net.pool = args.pool.unwrap_or(net.pool);
    recipe.epochs = args.epochs.unwrap_or(recipe.epochs);
    recipe.batch = args.batch.unwrap_or(recipe.batch);
    recipe.learning_rate = args.learning_rate.unwrap_or(recipe.learning_rate);
    recipe.seed = args.seed.unwrap_or(recipe.seed);

    let device = device_named(&args.device)?;
    let split = experiment.protocol.split(&faces, experiment.task)?;
    eprintln!("protocol {}, {split}", experiment.protocol);
    let start = args
        .start
        .or(experiment.start)
        .map(|name| named(&name, device))
        .transpose()?;
    let mut training = Training::new(&faces, &split)
        .task(experiment.task)
        .net(experiment.net)
        .recipe(experiment.recipe)
        .device(device)
        .retrain(args.retrain);
    if let Some(start) = &start {
        training = training.start_from(start);
    }
    // The words after the program's name, so that the card says how to make it again.
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut trained = training
        .command(&format!("cargo run --release -- {}", words.join(" ")))
        .run()?;
    for metrics in &trained.card.validation {
        println!("validation, {}, {metrics}", metrics.task);
    }
    if let Some(card) = args.save {
        trained.save(&card, args.half)?;
        println!("saved as {}", card.display());
    }
    Ok(())
}
