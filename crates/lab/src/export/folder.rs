//! Exporting a network as a folder: weights or ONNX, a configuration and a model card.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use safetensors::SafeTensors;
use serde::Serialize;
use serde_json::json;

use super::format::Format;
use super::model_card::ModelCard;
use ror::Gender;
use ror::Task;
use ror::model::{
    Architecture, LEVEL_MEAN, LEVEL_SCALE, NetConfig, PretrainedRorConfig, RorConfig,
};
use ror::store::Trained;
use utils::{files, python::python};

/// The architectures that `ror.py` has.
const IN_PYTHON: [&str; 2] = [RorConfig::NAME, PretrainedRorConfig::NAME];

/// The network in PyTorch.
const ROR_PY: &str = include_str!("../../../../python/ror.py");

/// Exports a network to a new folder, atomically. The weights are bit for bit those of its file.
///
/// ```no_run
/// use lab::export::{Format, export};
/// use ror::store::ModelStore;
///
/// # fn main() -> anyhow::Result<()> {
/// let net = ModelStore::default().open("pretrained-both")?;
/// export(&net, "pretrained-both-onnx".as_ref(), Format::Onnx)?;
/// # Ok(())
/// # }
/// ```
///
/// ONNX is written by `$ROR_PYTHON`, or by the Python whose PyTorch this program is linked with.
///
/// # Errors
/// The folder exists or can't be written, the network's architecture is not RoR, its weights are
/// damaged, or for ONNX, Python lacks a package or fails.
pub fn export(net: &Trained, folder: &Path, format: Format) -> Result<()> {
    let architecture = net.card.net.architecture();
    ensure!(
        IN_PYTHON.contains(&architecture),
        "cannot export a network of the architecture {architecture}: ror.py only supports {}",
        IN_PYTHON.join(" and ")
    );
    files::write_folder(folder, |new| {
        describe(net, format, new)?;
        match format {
            Format::HuggingFace => weights(net, new),
            Format::Onnx => {
                let place = tempfile::tempdir().context("cannot create a temporary folder")?;
                describe(net, Format::HuggingFace, place.path())?;
                weights(net, place.path())?;
                onnx(place.path(), &new.join("model.onnx"))
            }
        }
    })
}

/// Writes everything except the weights.
fn describe(net: &Trained, format: Format, folder: &Path) -> Result<()> {
    files::write_json(&folder.join("config.json"), &Config::of(net))?;
    let card = ModelCard::of(net, format).to_string();
    files::write_bytes(&folder.join("README.md"), card.as_bytes())?;
    if format == Format::HuggingFace {
        files::write_bytes(&folder.join("ror.py"), ROR_PY.as_bytes())?;
    }
    Ok(())
}

/// `config.json`: the configuration from which `ror.py` builds the network, and a description of
/// its inputs and outputs.
#[derive(Serialize)]
struct Config<'a> {
    name: String,
    task: Task,
    net: &'a NetConfig,
    temperatures: &'a [f64],
    pictures: serde_json::Value,
    /// The genders, in the order of their probabilities.
    genders: Vec<&'static str>,
    /// The age in years of each age output.
    ages: Vec<f64>,
    /// The names of the age groups.
    age_groups: Vec<String>,
}

impl<'a> Config<'a> {
    fn of(net: &'a Trained) -> Self {
        let card = &net.card;
        let heads = card.task.heads();
        let age = heads.iter().find(|head| head.has_age());
        Self {
            name: net.known_as(),
            task: card.task,
            net: &card.net,
            temperatures: &card.temperatures,
            pictures: json!({
                "side": card.net.input(),
                "order": "NHWC, RGB, 0 to 255",
                "mean": LEVEL_MEAN,
                "scale": LEVEL_SCALE,
                "resize": "Lanczos, three lobes",
                "mirrored": "probabilities are the mean over an image and its mirror image",
            }),
            genders: match heads.contains(&Task::Gender) {
                true => vec![Gender::Male.name(), Gender::Female.name()],
                false => vec![],
            },
            ages: age.map_or(vec![], |age| age.ages()),
            age_groups: age.map_or(vec![], |age| age.classes()),
        }
    }
}

/// Copies the weights, with the metadata that tells loaders that names and axes are PyTorch's.
fn weights(net: &Trained, folder: &Path) -> Result<()> {
    let path = net.weights();
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let tensors = SafeTensors::deserialize(&bytes)
        .with_context(|| format!("{} is not a safetensors file", path.display()))?;
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = safetensors::serialize(tensors.tensors(), &Some(metadata))?;
    files::write_bytes(&folder.join("model.safetensors"), &bytes)
}

/// Writes the network in a folder as ONNX.
fn onnx(folder: &Path, file: &Path) -> Result<()> {
    let python = python();
    let output = Command::new(&python)
        .arg(folder.join("ror.py"))
        .args([folder, file])
        .output()
        .with_context(|| {
            format!("cannot run {}: set ROR_PYTHON to a Python with PyTorch", python.display())
        })?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap_or("no output");
    ensure!(
        output.status.success() && file.is_file(),
        "PyTorch could not write the network as ONNX: {}",
        last.strip_prefix("error: ").unwrap_or(last)
    );
    Ok(())
}
