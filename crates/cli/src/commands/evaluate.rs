//! `evaluate`: measure saved networks.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use lab::Robustness;
use ror::data::{Faces, Part, Protocol};
use ror::device_named;
use ror::metrics::{Evaluation, Metrics};
use ror::store::{DEFAULT_MODEL, ModelStore, Trained, Unseen, ensemble};
use serde::Serialize;
use utils::escape;

use super::data_set;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Of {
    /// The test set.
    Test,
    /// The validation set.
    Validation,
    /// All images.
    All,
}

#[derive(clap::Args)]
pub struct Args {
    /// Network, by name or card; repeat to average several. [default: pretrained-both]
    #[arg(long)]
    model: Vec<String>,
    /// Folder or .tar.gz with UTKFace file names. [default: ROR_DATA, or data/]
    #[arg(long)]
    data: Option<PathBuf>,
    /// Use synthetic faces, which say nothing about people.
    #[arg(long, conflicts_with = "data")]
    synthetic: bool,
    /// Images to use. [default: test on the network's training data set, otherwise all]
    #[arg(long, value_enum)]
    part: Option<Of>,
    /// Protocol whose split to use. [default: the network's protocol]
    #[arg(long, value_parser = super::protocol())]
    protocol: Option<Protocol>,
    /// Also use images that the network was trained or selected on, which are otherwise left out.
    #[arg(long)]
    keep_seen: bool,
    /// Measure the accuracy lost on corrupted images, in three severities; uses the validation set
    /// unless --part is given.
    #[arg(long, conflicts_with = "json")]
    corrupted: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Write the result to the network's card, for models/results.csv and the docs; with
    /// --corrupted, to models/corruptions.csv.
    #[arg(long)]
    publish: bool,
    /// Device: auto, cpu, cuda, or cuda:1 for the second GPU.
    #[arg(long, default_value = "auto")]
    device: String,
}

/// The output of `--json`.
#[derive(Serialize)]
struct Report<'a> {
    models: &'a [String],
    data: String,
    data_fingerprint: &'a str,
    part: Of,
    protocol: Option<Protocol>,
    split: Option<&'a str>,
    seen: Option<Seen>,
    heads: Vec<Metrics>,
}

/// Images of the data set that the networks have seen.
#[derive(Clone, Copy, Serialize)]
struct Seen {
    trained: usize,
    selected: usize,
    kept: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let device = device_named(&args.device)?;
    let models = match args.model.is_empty() {
        true => vec![DEFAULT_MODEL.to_owned()],
        false => args.model.clone(),
    };
    let store = ModelStore::default();
    let mut nets =
        models.iter().map(|name| store.open_on(name, device)).collect::<Result<Vec<_>>>()?;
    let faces = data_set(args.data.as_deref(), args.synthetic)?;
    note!("{faces}");
    // One bad image does not cost the evaluation.
    let faces = match nets.first() {
        Some(net) => faces.readable(net.card.net.input())?,
        None => faces,
    };
    let own = nets.iter().all(|net| net.card.data.fingerprint == faces.fingerprint());
    let part = args.part.unwrap_or(match (own, args.corrupted) {
        (false, _) => Of::All,
        (true, false) => Of::Test,
        (true, true) => Of::Validation,
    });
    let mut seen = None;
    let (protocol, split, indices) = match part {
        Of::All => {
            let indices;
            (seen, indices) = all(&nets, &faces, args.keep_seen)?;
            (None, None, indices)
        }
        Of::Test | Of::Validation => {
            ensure!(
                own,
                "--part test and validation need the network's training data set: use --part all"
            );
            let protocol = args.protocol.or(nets[0].card.protocol).context(
                "this network was trained on a custom split: use --protocol or --part all",
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
    let evaluation = Evaluation::new(ensemble(&nets, &faces, &indices)?, &faces.labels(&indices)?);
    if args.json {
        let report = Report {
            models: &models,
            data: match &args.data {
                Some(path) => path.display().to_string(),
                None if args.synthetic => "synthetic faces".to_owned(),
                None => "the default".to_owned(),
            },
            data_fingerprint: faces.fingerprint(),
            part,
            protocol,
            split: split.as_deref(),
            seen,
            heads: evaluation.metrics(),
        };
        out!("{}", escape::json(&serde_json::to_string_pretty(&report)?))?;
    } else {
        out!("{evaluation}")?;
    }
    if args.publish {
        let (Of::Test, Some(protocol), Some(split), [net]) = (part, protocol, split, &mut nets[..])
        else {
            bail!("--publish needs a single model and its test set (--part test)");
        };
        publish(net, &models[0], protocol, split, evaluation.metrics())?;
    }
    Ok(())
}

/// Returns the images to use of a whole data set. Parts and copies of a training set are data sets of
/// their own, so each image is looked up by its hash.
fn all(nets: &[Trained], faces: &Faces, keep: bool) -> Result<(Option<Seen>, Vec<usize>)> {
    let all: Vec<usize> = (0..faces.len()).collect();
    let unseen = match Unseen::new(nets, faces, &all) {
        Ok(unseen) => unseen,
        Err(error) => {
            note!("note: the network may have seen some of these images: {error:#}");
            return Ok((None, all));
        }
    };
    let Unseen { indices, trained, selected } = unseen;
    let seen = Seen { trained, selected, kept: keep };
    if trained + selected > 0 {
        let found = format!(
            "of these {} images, {} were used to train the network and {} to select it (or a network \
             it started or learned from)",
            all.len(),
            trained,
            selected
        );
        ensure!(
            keep || !indices.is_empty(),
            "{found}: no image is left to measure it on; --keep-seen uses them anyway, for a result \
             that says little about other images"
        );
        match keep {
            true => note!("note: {found}; the result says little about other images"),
            false => note!("note: {found}: they are left out (--keep-seen uses them)"),
        }
    }
    Ok((Some(seen), if keep { all } else { indices }))
}

/// Prints the accuracy lost on corrupted images, and writes it to models/corruptions.csv if
/// `publish` is set.
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
        let path = ModelStore::default().folder().join("corruptions.csv");
        found.write_csv(&path)?;
        note!("wrote {}", path.display());
    }
    Ok(())
}

/// Writes a test to the card of a shipped model, replacing an earlier one for the same protocol.
fn publish(
    net: &mut Trained,
    name: &str,
    protocol: Protocol,
    split: String,
    heads: Vec<Metrics>,
) -> Result<()> {
    let command = format!("./ror evaluate --model {name} --protocol {protocol}");
    let path = net.publish(protocol, split, command, heads)?;
    note!("wrote {}; next, run ./ror results --write", path.display());
    Ok(())
}
