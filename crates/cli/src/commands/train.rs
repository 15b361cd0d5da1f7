//! `train`: train a net, from a config file or by the defaults, or fine-tune one.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use ror::data::{Faces, Split, SplitSizes};
use ror::experiment::{Experiment, Training};
use ror::model::{KerasBaselineConfig, NetConfig, RorConfig};
use ror::store::{ModelStore, Trained};
use ror::train::Recipe;
use ror::{Precision, Task, device_named};
use utils::launcher::rank;
use utils::progress::quiet;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// The report's RoR.
    Ror,
    /// An eighth of its cost.
    Small,
    /// What the original's Keras notebook coded.
    KerasBaseline,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Arithmetic {
    /// bf16 where the device has it.
    Auto,
    /// Half the bytes between layers; parameters stay in f32.
    Bf16,
    /// Throughout.
    F32,
}

#[derive(clap::Args)]
pub struct Args {
    /// What to predict: gender, age (groups), years, or both; an experiment's file and a net to
    /// start from say it themselves.
    #[arg(required_unless_present_any = ["config", "start"])]
    task: Option<Task>,
    /// An experiment's file (TOML): protocol, task, net and recipe; what is given here besides
    /// goes first.
    #[arg(long)]
    config: Option<PathBuf>,
    /// A folder or .tar.gz of pictures with UTKFace's names, or a folder with a labels.csv
    /// (file, age, gender). [default: ROR_DATA, or data/]
    #[arg(long)]
    data: Option<PathBuf>,
    /// The net whose weights to start from, by its name or card. Without a task it is fine-tuned:
    /// its own task, shape and a short recipe.
    #[arg(long)]
    start: Option<String>,
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
    /// auto, cpu or cuda.
    #[arg(long, default_value = "auto")]
    device: String,
    /// What arithmetic to train in.
    #[arg(long, value_enum, default_value_t = Arithmetic::Auto)]
    precision: Arithmetic,
    /// Processes that share every batch on this machine's CPU; torchrun starts them on GPUs and on
    /// several machines.
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Threads on the CPU; by default all cores.
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=1024))]
    threads: Option<i32>,
    /// Train anew even where this very net is there.
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
        tch::set_num_threads(threads);
    }
    if rank() > 0 {
        quiet(); // the first of torchrun's ranks speaks for all
    }
    let faces = match &args.data {
        Some(path) => Faces::at(path)?,
        None => Faces::open()?,
    };
    note!("{faces}");
    let mut trained = match (&args.config, &args.start, args.task) {
        (None, Some(start), None) => fine_tune(&args, start, &faces)?,
        _ => train(&args, &faces)?,
    };
    if rank() > 0 {
        return Ok(());
    }
    for metrics in &trained.card.validation {
        out!("validation, {}, {metrics}", metrics.task)?;
    }
    if let Some(card) = args.save {
        trained.card.command = command(); // a net that was found has that of its own time
        trained.save(&card, args.half)?;
        out!("saved as {}", trained.path().display())?;
    }
    Ok(())
}

fn train(args: &Args, faces: &Faces) -> Result<Trained> {
    let mut experiment = match (&args.config, args.task) {
        (Some(path), _) => Experiment::read(path)?,
        (None, task) => {
            let task = task.context("say what to predict, or --config FILE")?;
            Experiment::suited(task, faces)
        }
    };
    let outputs = experiment.task.outputs();
    experiment.start = args.start.clone().or(experiment.start);
    match args.net {
        Some(Shape::Ror) => experiment.net = RorConfig::new(outputs).into(),
        Some(Shape::Small) => experiment.net = RorConfig::small(outputs).into(),
        Some(Shape::KerasBaseline) => {
            experiment.net = NetConfig::from(KerasBaselineConfig::new(outputs))
        }
        None => {}
    }
    if args.report {
        experiment.recipe = Recipe::report(experiment.task);
    }
    args.change(&mut experiment.recipe);
    note!("{}", experiment.protocol.split(faces)?);
    let device = device_named(&args.device)?;
    experiment.run_with(faces, |training| args.run(training.device(device)))
}

fn fine_tune(args: &Args, start: &str, faces: &Faces) -> Result<Trained> {
    let start = ModelStore::local().open_on(start, device_named(&args.device)?)?;
    let split = Split::new(faces, faces.records(), &SplitSizes::shares_of(faces.contents()))?;
    note!("{split}");
    let mut recipe = Recipe::fine_tuning(&start.card.recipe);
    args.change(&mut recipe);
    let training = Training::fine_tune(faces, &split, &start).recipe(recipe);
    args.run(training.device(start.net.device()))
}

impl Args {
    /// Trains by torchrun's ranks, by worker processes, or in this process alone.
    fn run(&self, training: Training) -> Result<Trained> {
        let precision = match self.precision {
            Arithmetic::Auto => Precision::Auto,
            Arithmetic::Bf16 => Precision::Bf16,
            Arithmetic::F32 => Precision::F32,
        };
        let training = training.precision(precision).command(&command());
        let ranks = distributed::ranks(training.device_used())?;
        match ranks.size() {
            1 if self.retrain => distributed::train(training, self.workers),
            1 => distributed::train_or_load(training, self.workers),
            size => {
                ensure!(
                    self.workers == 1,
                    "{} workers for each of {size} ranks: say how many processes to torchrun alone",
                    self.workers
                );
                let training = training.ranks(ranks);
                if self.retrain { training.train() } else { training.train_or_load() }
            }
        }
    }

    fn change(&self, recipe: &mut Recipe) {
        recipe.epochs = self.epochs.unwrap_or(recipe.epochs);
        recipe.batch = self.batch.unwrap_or(recipe.batch);
        recipe.learning_rate = self.learning_rate.unwrap_or(recipe.learning_rate);
        recipe.seed = self.seed.unwrap_or(recipe.seed);
    }
}

/// The words after the program's name, so that the card says how to make it again.
fn command() -> String {
    let words: Vec<String> = std::env::args().skip(1).collect();
    format!("./ror {}", words.join(" "))
}
