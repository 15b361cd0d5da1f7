//! `train`: train a network from a config file or with the defaults, or fine-tune one.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use ror::data::{Faces, Split, SplitSizes};
use ror::experiment::{Experiment, Training};
use ror::model::{KerasBaselineConfig, NetConfig, RorConfig};
use ror::store::{Card, ModelStore, Trained, files_of};
use ror::train::Recipe;
use ror::{Precision, Task, device_named};
use utils::destination::Destination;
use utils::escape;
use utils::launcher::rank;
use utils::outputs::Outputs;
use utils::progress::show_progress;

use super::data_set;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// The report's RoR.
    Ror,
    /// A smaller RoR with an eighth of the cost.
    Small,
    /// The network in the original Keras notebook.
    KerasBaseline,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Arithmetic {
    /// bf16 if the device supports it, otherwise f32.
    Auto,
    /// bf16 for activations, f32 for parameters.
    Bf16,
    /// f32 everywhere.
    F32,
}

#[derive(clap::Args)]
pub struct Args {
    /// What to predict: gender, age (groups), years or both. [default: that of --config or --start]
    #[arg(required_unless_present_any = ["config", "start"])]
    task: Option<Task>,
    /// Experiment file (TOML) with protocol, task, network and recipe; flags override the file.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Folder or .tar.gz with UTKFace file names, or folder with a labels.csv (file, age, gender).
    /// [default: ROR_DATA, or data/]
    #[arg(long)]
    data: Option<PathBuf>,
    /// Train on synthetic faces, which takes minutes and says nothing about people.
    #[arg(long, conflicts_with = "data")]
    synthetic: bool,
    /// Network to start from, by name or card; without a task or --config, it is fine-tuned with
    /// its own task and shape and a short recipe.
    #[arg(long)]
    start: Option<String>,
    /// Network shape. [default: suited to the data]
    #[arg(long)]
    net: Option<Shape>,
    /// Use the report's recipe (Adam 1e-4, batch size 64, early stopping) instead of the shipped
    /// one.
    #[arg(long)]
    report: bool,
    /// Maximum number of epochs.
    #[arg(long)]
    epochs: Option<usize>,
    /// Batch size.
    #[arg(long)]
    batch: Option<usize>,
    /// Peak learning rate.
    #[arg(long)]
    learning_rate: Option<f64>,
    /// Seed of the initial weights, the order of images and the augmentation.
    #[arg(long)]
    seed: Option<u64>,
    /// Device: auto, cpu, cuda, or cuda:1 for the second GPU.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Floating-point type for training.
    #[arg(long, value_enum, default_value_t = Arithmetic::Auto)]
    precision: Arithmetic,
    /// Number of processes that share each batch on this machine's CPU; use torchrun for GPUs or
    /// several machines.
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// CPU threads, at most: training uses fewer if other processes are busy. [default: all cores]
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=1024))]
    threads: Option<i32>,
    /// Train again even if this network exists already.
    #[arg(long)]
    retrain: bool,
    /// Also save the network as this card (NAME.json, with the weights next to it).
    #[arg(long)]
    save: Option<PathBuf>,
    /// Let --save replace a network that was trained with other settings, or other files. The same
    /// training replaces its own without it.
    #[arg(long, requires = "save")]
    force: bool,
    /// Save the weights in half precision.
    #[arg(long, requires = "save")]
    half: bool,
}

pub fn run(args: Args) -> Result<()> {
    if let Some(threads) = args.threads {
        tch::set_num_threads(threads);
    }
    if rank() > 0 {
        show_progress(false); // only torchrun's first rank prints
    }
    // Before the data set, so that a typo is found at once.
    let experiment = args.config.as_deref().map(Experiment::open).transpose()?;
    let faces = data_set(args.data.as_deref(), args.synthetic)?;
    note!("{faces}");
    let mut trained = match (experiment, &args.start, args.task) {
        (None, Some(start), None) => fine_tune(&args, start, &faces)?,
        (experiment, _, task) => train(&args, experiment, task, &faces)?,
    };
    if rank() > 0 {
        return Ok(());
    }
    for metrics in &trained.card.validation {
        out!("validation, {}, {metrics}", metrics.task)?;
    }
    if let Some(card) = args.save {
        trained.card.command = command(); // a network that was loaded has an older command
        let saved = if args.half { trained.save_half(&card) } else { trained.save(&card) }?;
        out!("saved as {}", escape::path(&saved))?;
    }
    Ok(())
}

fn train(
    args: &Args,
    experiment: Option<Experiment>,
    task: Option<Task>,
    faces: &Faces,
) -> Result<Trained> {
    let mut experiment = match (experiment, task) {
        (Some(experiment), _) => experiment,
        (None, task) => {
            let task = task.context(
                "choose what to predict (gender, age, years or both) or use --config FILE",
            )?;
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
    let faces = &faces.readable(experiment.net.input())?;
    note!("{}", experiment.protocol.split(faces)?);
    let device = device_named(&args.device)?;
    experiment.run_with(faces, |training| args.run(training.device(device)))
}

fn fine_tune(args: &Args, start: &str, faces: &Faces) -> Result<Trained> {
    let start = ModelStore::default().open_on(start, device_named(&args.device)?)?;
    let faces = &faces.readable(start.card.net.input())?;
    let split = Split::new(faces, faces.records(), &SplitSizes::shares_of(faces.contents()))?;
    note!("{split}");
    let mut recipe = Recipe::fine_tuning(&start.card.recipe);
    args.change(&mut recipe);
    let training = Training::fine_tune(faces, &split, &start).recipe(recipe);
    args.run(training.device(start.net.device()))
}

impl Args {
    /// Trains with torchrun's ranks, with worker processes, or in this process.
    fn run(&self, training: Training) -> Result<Trained> {
        let precision = match self.precision {
            Arithmetic::Auto => Precision::Auto,
            Arithmetic::Bf16 => Precision::Bf16,
            Arithmetic::F32 => Precision::F32,
        };
        let training = training.precision(precision).command(&command());
        self.check_save(&training)?;
        let ranks = distributed::ranks(training.device_used())?;
        match ranks.size() {
            1 if self.retrain => distributed::train(training, self.workers),
            1 => distributed::train_or_load(training, self.workers),
            size => {
                ensure!(
                    self.workers == 1,
                    "--workers {} can't be combined with {size} ranks of torchrun: remove --workers",
                    self.workers
                );
                let training = training.ranks(ranks);
                if self.retrain { training.train() } else { training.train_or_load() }
            }
        }
    }

    /// Refuses, before the training, to replace what `--save` may not replace.
    fn check_save(&self, training: &Training) -> Result<()> {
        let Some(save) = self.save.as_ref().filter(|_| rank() == 0) else {
            return Ok(());
        };
        let files = files_of(save)?;
        let key = training.key()?;
        let is_same = Card::open(&files[0]).is_ok_and(|card| card.key == key);
        let inputs = self.config.iter().chain(&self.data).cloned();
        let inputs = inputs.chain(self.start.as_ref().map(PathBuf::from)).collect();
        let mut outputs = Outputs::new(inputs, self.force);
        for file in &files {
            outputs.file("--save", file, |_| is_same)?;
            ensure!(
                matches!(Destination::of(file)?, Destination::File(_)),
                "--save {} is a pipe or a device: give the name of a file",
                file.display()
            );
        }
        Ok(())
    }

    fn change(&self, recipe: &mut Recipe) {
        recipe.epochs = self.epochs.unwrap_or(recipe.epochs);
        recipe.batch = self.batch.unwrap_or(recipe.batch);
        recipe.learning_rate = self.learning_rate.unwrap_or(recipe.learning_rate);
        recipe.seed = self.seed.unwrap_or(recipe.seed);
    }
}

/// Returns this process's command line, which the card records.
fn command() -> String {
    let words: Vec<String> = std::env::args().skip(1).collect();
    format!("./ror {}", words.join(" "))
}
