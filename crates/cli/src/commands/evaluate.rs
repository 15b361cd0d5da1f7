//! `evaluate`: measure saved nets.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use lab::Robustness;
use ror::data::{Faces, Part, Protocol};
use ror::device_named;
use ror::metrics::{Evaluation, Metrics};
use ror::store::{DEFAULT_MODEL, ModelStore, Trained, ensemble};
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
    /// Whose part. [default: the one that the net was trained by]
    #[arg(long)]
    protocol: Option<Protocol>,
    /// Measure what is lost on corrupted pictures, in three severities, on the validation part
    /// unless another is named.
    #[arg(long, conflicts_with = "json")]
    corrupted: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Write the result into the net's card, for models/results.csv and the docs; of corrupted
    /// pictures into models/corruptions.csv.
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
    let store = ModelStore::local();
    let mut nets =
        models.iter().map(|name| store.open_on(name, device)).collect::<Result<Vec<_>>>()?;
    let faces = match &args.data {
        Some(path) => Faces::at(path)?,
        None => Faces::open()?,
    };
    note!("{faces}");
    let own = nets.iter().all(|net| net.card.data.fingerprint == faces.fingerprint());
    let part = args.part.unwrap_or(match (own, args.corrupted) {
        (false, _) => Of::All,
        (true, false) => Of::Test,
        (true, true) => Of::Validation,
    });
    let (protocol, split, indices) = match part {
        Of::All => {
            if own {
                note!("note: these pictures include those that the net was trained on");
            }
            (None, None, (0..faces.len()).collect())
        }
        Of::Test | Of::Validation => {
            ensure!(own, "--part test is of the data that the net was trained on: say --part all");
            let protocol = args.protocol.or(nets[0].card.protocol).context(
                "this net was trained by a split of its own: say --protocol, or --part all",
            )?;
            let split = protocol.split(&faces)?;
            let part = match part {
                Of::Validation => Part::Validation,
                _ => Part::Test,
            };
            for net in &nets {
                net.check_unseen(&faces, &split, &[part])?;
            }
            let indices = split.part(part).to_vec();
            (Some(protocol), Some(split.fingerprint), indices)
        }
    };
    if args.corrupted {
        return corrupted(&models.join(" + "), &nets, &faces, &indices, args.publish);
    }
    let evaluation = Evaluation::of(ensemble(&nets, &faces, &indices)?);
    if args.json {
        let report = Report {
            models: &models,
            data: args
                .data
                .as_ref()
                .map_or_else(|| "the default".to_owned(), |path| path.display().to_string()),
            data_fingerprint: faces.fingerprint(),
            part,
            protocol,
            split: split.as_deref(),
            heads: evaluation.metrics(),
        };
        out!("{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        out!("{evaluation}")?;
    }
    if args.publish {
        let (Of::Test, Some(protocol), Some(split), [net]) = (part, protocol, split, &mut nets[..])
        else {
            bail!("only what one net reaches on a test part is published");
        };
        publish(net, &models[0], protocol, split, evaluation.metrics())?;
    }
    Ok(())
}

/// Prints what is lost on corrupted pictures; written to models/corruptions.csv where it is
/// published.
fn corrupted(
    name: &str,
    nets: &[Trained],
    faces: &Faces,
    indices: &[usize],
    publish: bool,
) -> Result<()> {
    let found = Robustness::measure(name, nets, faces, indices)?;
    out!("{found}")?;
    if publish {
        let path = ModelStore::local().folder().join("corruptions.csv");
        found.write_csv(&path)?;
        note!("written to {}", path.display());
    }
    Ok(())
}

/// Puts a test into the card of a model that ships, in place of an earlier one of its protocol.
fn publish(
    net: &mut Trained,
    name: &str,
    protocol: Protocol,
    split: String,
    heads: Vec<Metrics>,
) -> Result<()> {
    let command = format!("./ror evaluate --model {name} --protocol {protocol}");
    let path = net.publish(protocol, split, command, heads)?;
    note!("written to {}; next: results --write", path.display());
    Ok(())
}
