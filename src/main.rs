//! The command line: thin, every command one call into the library.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use ror::dataset::{Balance, Faces, Gender, Records};
use ror::model::NetConfig;
use ror::train::{Recipe, Trained, Training, find};
use ror::{Task, default_split, device, device_named, files, pred_gender_age_group, visualize};

/// Face age-group and gender estimation with residual networks of residual networks.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say what the data set holds: whether it is whole, copies, pictures by gender and age.
    Data,
    /// Train a net on the data set (ROR_DATA, or data/), and evaluate it on the test part.
    Train(Train),
    /// Predict gender and age group of the picture at an index of the data set.
    Predict {
        /// From 0, in byte order of the file names.
        #[arg(allow_negative_numbers = true)]
        index: i64,
    },
    /// Write one picture a layer with all its channels, and the patterns a layer's filters answer to.
    Visualize(Visualize),
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    Gender,
    Age,
}

impl From<Which> for Task {
    fn from(which: Which) -> Self {
        match which {
            Which::Gender => Task::Gender,
            Which::Age => Task::age(),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// The report's RoR.
    Ror,
    /// An eighth of its cost.
    Small,
    /// The original's coded variant.
    Coded,
}

#[derive(Args)]
struct Train {
    /// What to estimate.
    task: Which,
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
    /// A card of the net whose weights to start from.
    #[arg(long)]
    start: Option<PathBuf>,
    /// auto, cpu or cuda.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Threads on the CPU; by default all cores.
    #[arg(long)]
    threads: Option<i32>,
    /// Train even where this very net is there.
    #[arg(long)]
    retrain: bool,
    /// Evaluate on the test part too: once, when all has been chosen.
    #[arg(long)]
    test: bool,
    /// Also save as this card (NAME.json, weights beside it).
    #[arg(long)]
    save: Option<PathBuf>,
}

#[derive(Args)]
struct Visualize {
    /// A cropped and aligned face, JPEG or PNG.
    image: PathBuf,
    /// Which of the nets.
    #[arg(long, value_enum, default_value = "gender")]
    task: Which,
    /// A card of the net to show; by default the one that ships for the task.
    #[arg(long)]
    model: Option<PathBuf>,
    /// Where the pictures go. [default: target/visualize]
    #[arg(long)]
    out: Option<PathBuf>,
    /// A layer whose filters' patterns to draw too; `list` lists the layers.
    #[arg(long)]
    layer: Option<String>,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The causes in one line; a backtrace says nothing to who uses the program.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Train(args) => train(args),
        Command::Data => data(),
        Command::Predict { index } => {
            println!("{}", pred_gender_age_group(index)?);
            Ok(())
        }
        Command::Visualize(args) => visualize(args),
    }
}

fn data() -> Result<()> {
    let faces = Faces::open()?;
    println!("{faces}");
    let of = |gender: Gender| {
        let labels = (0..faces.len()).filter_map(|i| Some(faces.record(i).ok()?.label));
        labels.filter(|label| label.gender == gender).count()
    };
    println!("{} male, {} female", of(Gender::Male), of(Gender::Female));
    println!(
        "{} rows after balancing",
        faces.records().balance(&Balance::default())?.height()
    );
    for task in [Task::Gender, Task::age()] {
        println!("{}", default_split(&faces, task)?);
    }
    Ok(())
}

fn train(args: Train) -> Result<()> {
    if let Some(threads) = args.threads {
        ror::tch::set_num_threads(threads);
    }
    let task = Task::from(args.task);
    let faces = Faces::open()?;
    eprintln!("{faces}");
    let split = default_split(&faces, task)?;
    eprintln!("{split}");
    let start = args
        .start
        .map(|card| Trained::load(&card, device_named(&args.device)?))
        .transpose()?;
    let mut training = Training::new(&faces, &split)
        .device(device_named(&args.device)?)
        .retrain(args.retrain);
    if let Some(start) = &start {
        training = training.start_from(start);
    }
    if let Some(shape) = args.net {
        training = training.net(match shape {
            Shape::Ror => NetConfig::ror(task.outputs()),
            Shape::Small => NetConfig::small(task.outputs()),
            Shape::Coded => NetConfig::coded(task.outputs()),
        });
    }
    if let Some(pool) = args.pool {
        training = training.pool(pool);
    }
    let base = if args.report {
        Recipe::report(task)
    } else {
        Recipe::suited(task, &faces)
    };
    training = training.recipe(Recipe {
        epochs: args.epochs.unwrap_or(base.epochs),
        batch: args.batch.unwrap_or(base.batch),
        learning_rate: args.learning_rate.unwrap_or(base.learning_rate),
        seed: args.seed.unwrap_or(base.seed),
        ..base
    });
    // The words after the program's name, so that the card says how to make it again.
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut trained = training
        .command(&format!("cargo run --release -- {}", words.join(" ")))
        .run()?;
    println!("validation, {}", trained.card.validation);
    if args.test {
        let evaluation = trained.evaluate(&faces, &split)?;
        println!("test, {}", evaluation.metrics);
        trained.card.test = Some(evaluation.metrics);
    }
    if let Some(card) = args.save {
        trained.save(&card)?;
        println!("saved as {}", card.display());
    }
    Ok(())
}

fn visualize(args: Visualize) -> Result<()> {
    let task = Task::from(args.task);
    let trained = match args.model {
        Some(card) => Trained::load(&card, device())?,
        None => find(task, device(), |_| true)?.with_context(|| {
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
