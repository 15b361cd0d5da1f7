//! `evaluate`: measure saved nets.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use ror::dataset::{Faces, Part, Protocol};
use ror::evaluate::{Evaluation, Metrics};
use ror::train::{Test, Trained, ensemble_answers, named};
use ror::{DEFAULT_MODEL, device_named, files, today};
use serde::Serialize;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Of {
    /// The test part of the split.
    Test,
    /// The validation part of the split.
    Validation,
    /// Every picture there is.
    All,
}

#[derive(clap::Args)]
pub struct Args {
    /// The net, by its name or card; several are averaged. [default: both-64px]
    #[arg(long)]
    model: Vec<String>,
    /// A folder or .tar.gz of pictures with UTKFace's names. [default: ROR_DATA, or data/]
    #[arg(long)]
    data: Option<PathBuf>,
    /// Which pictures. [default: test on the data that the net was trained on, or else all]
    #[arg(long, value_enum)]
    part: Option<Of>,
    /// Whose test part. [default: the one that the net was trained by]
    #[arg(long)]
    protocol: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Write the result into the net's card, for models/results.csv and the README.
    #[arg(long)]
    publish: bool,
    /// auto, cpu or cuda.
    #[arg(long, default_value = "auto")]
    device: String,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    models: &'a [String],
    data: String,
    data_fingerprint: &'a str,
    part: Of,
    protocol: Option<Protocol>,
    split: Option<&'a str>,
    heads: Vec<Metrics>,
}

pub fn run(args: &Args) -> Result<()> {
    let device = device_named(&args.device)?;
    let models = match args.model.is_empty() {
        true => vec![DEFAULT_MODEL.to_owned()],
        false => args.model.clone(),
    };
    let mut nets = models
        .iter()
        .map(|name| named(name, device))
        .collect::<Result<Vec<_>>>()?;
    let faces = match &args.data {
        Some(path) => Faces::at(path)?,
        None => Faces::open()?,
    };
    eprintln!("{faces}");
    let own = nets
        .iter()
        .all(|net| net.card.data.fingerprint == faces.fingerprint());
    let part = args.part.unwrap_or(if own { Of::Test } else { Of::All });
    let (protocol, split, indices) = match part {
        Of::All => {
            if own {
                eprintln!("note: these pictures include those that the net has learnt");
            }
            (None, None, (0..faces.len()).collect())
        }
        Of::Test | Of::Validation => {
            ensure!(
                own,
                "--part test is of the data that the net was trained on: say --part all"
            );
            let card = &nets[0].card;
            let (protocol, split) = match &args.protocol {
                Some(name) => {
                    let protocol = Protocol::named(name)?;
                    (protocol, protocol.split(&faces, card.task)?)
                }
                None => Protocol::of_fingerprint(&faces, card.task, &card.split)?.context(
                    "this net was trained by a split of its own: say --protocol, or --part all",
                )?,
            };
            let chosen = match part {
                Of::Validation => Part::Validation,
                _ => Part::Test,
            };
            let indices = split.part(chosen).to_vec();
            if chosen == Part::Test {
                for net in &nets {
                    net.check_unseen(&faces, &indices)?;
                }
            }
            (Some(protocol), Some(split.fingerprint), indices)
        }
    };
    let evaluation = Evaluation::of(ensemble_answers(&nets, &faces, &indices)?);
    if args.json {
        let report = Report {
            models: &models,
            data: args.data.as_ref().map_or_else(
                || "the default".to_owned(),
                |path| path.display().to_string(),
            ),
            data_fingerprint: faces.fingerprint(),
            part,
            protocol,
            split: split.as_deref(),
            heads: evaluation.metrics(),
        };
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{evaluation}");
    }
    if args.publish {
        let (Of::Test, Some(protocol), Some(split), [net]) = (part, protocol, split, &mut nets[..])
        else {
            bail!("only what one net reaches on a test part is published");
        };
        let test = Test {
            protocol,
            split,
            date: today(),
            command: format!(
                "cargo run --release -- evaluate --model {} --protocol {protocol}",
                models[0]
            ),
            heads: evaluation.metrics(),
        };
        publish(net, &models[0], test)?;
    }
    Ok(())
}

/// Puts a test into the card of a model that ships, in place of an earlier one of its protocol.
fn publish(net: &mut Trained, name: &str, test: Test) -> Result<()> {
    let path = files::models().join(format!("{name}.json"));
    ensure!(
        path.exists(),
        "{name} is not among the models that ship: train with --save {} first",
        path.display()
    );
    let tests = &mut net.card.tests;
    tests.retain(|earlier| earlier.protocol != test.protocol);
    tests.push(test);
    files::write_json(&path, &net.card)?;
    eprintln!("written to {}; next: results --write", path.display());
    Ok(())
}
