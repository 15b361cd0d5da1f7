//! A net as a folder: weights or ONNX, what describes them, and a card to read.

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
use ror::model::{Architecture, LEVEL_MEAN, LEVEL_SCALE, NetConfig, RorConfig};
use ror::store::Trained;
use utils::{files, python::python};

/// The net in PyTorch.
const ROR_PY: &str = include_str!("../../../../python/ror.py");

/// Writes a net as a new folder, whole or not at all. The weights are those of the net's file, bit
/// for bit.
///
/// ```no_run
/// use ror::export::{Format, export};
/// use ror::store::ModelStore;
///
/// # fn main() -> anyhow::Result<()> {
/// let net = ModelStore::local().open("both-64px")?;
/// export(&net, "both-64px-onnx".as_ref(), Format::Onnx)?;
/// # Ok(())
/// # }
/// ```
///
/// ONNX is written by the Python whose PyTorch this program is linked with, or by `$ROR_PYTHON`.
///
/// # Errors
/// A folder that is there already or can't be written, a net of another architecture than RoR, a
/// damaged one, or for ONNX a Python that lacks a package or fails.
pub fn export(net: &Trained, folder: &Path, format: Format) -> Result<()> {
    let architecture = net.card.net.architecture();
    ensure!(
        architecture == RorConfig::NAME,
        "a net of the architecture {architecture} can't be exported: ror.py has {} alone",
        RorConfig::NAME
    );
    files::write_folder(folder, |new| {
        describe(net, format, new)?;
        match format {
            Format::HuggingFace => weights(net, new),
            Format::Onnx => {
                let place = tempfile::tempdir().context("cannot make a temporary folder")?;
                describe(net, Format::HuggingFace, place.path())?;
                weights(net, place.path())?;
                onnx(place.path(), &new.join("model.onnx"))
            }
        }
    })
}

/// Everything but the weights.
fn describe(net: &Trained, format: Format, folder: &Path) -> Result<()> {
    files::write_json(&folder.join("config.json"), &Config::of(net))?;
    let card = ModelCard::of(net, format).to_string();
    files::write_bytes(&folder.join("README.md"), card.as_bytes())?;
    if format == Format::HuggingFace {
        files::write_bytes(&folder.join("ror.py"), ROR_PY.as_bytes())?;
    }
    Ok(())
}

/// `config.json`: what `ror.py` makes the net from, and what others need to use it.
#[derive(Serialize)]
struct Config<'a> {
    name: String,
    task: Task,
    net: &'a NetConfig,
    temperatures: &'a [f64],
    pictures: serde_json::Value,
    /// What the probability of each gender is of.
    genders: Vec<&'static str>,
    /// The age in years that each age output stands for.
    ages: Vec<f64>,
    /// The groups that ages are counted by.
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
                "mirrored": "probabilities are the mean over a picture and its mirror image",
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

/// The file of weights once more, with the metadata by which loaders know whose names and order
/// of axes it has.
fn weights(net: &Trained, folder: &Path) -> Result<()> {
    let path = net.weights();
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let tensors = SafeTensors::deserialize(&bytes)
        .with_context(|| format!("{} is no safetensors file", path.display()))?;
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = safetensors::serialize(tensors.tensors(), &Some(metadata))?;
    files::write_bytes(&folder.join("model.safetensors"), &bytes)
}

/// Writes the net of a folder as ONNX.
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
    let last = said.lines().last().unwrap_or("nothing was said");
    ensure!(
        output.status.success() && file.is_file(),
        "PyTorch could not write the net as ONNX: {}",
        last.strip_prefix("error: ").unwrap_or(last)
    );
    Ok(())
}
