//! Checkpoints: a training that stops in the middle goes on from its last whole epoch.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor, no_grad};

use super::History;
use super::optimiser::Optimiser;
use crate::files;

/// The file whose renaming makes a checkpoint valid; it names the file with the tensors.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    state: String,
    layout: u32,
    steps: i64,
    history: History,
}

/// The order of the numbers in a checkpoint's flat tensors: another order, another number.
const LAYOUT: u32 = 2;

fn note_path(folder: &Path) -> PathBuf {
    folder.join("checkpoint.json")
}

/// Saves a training after its last epoch in `history`.
pub(super) fn save(folder: &Path, optimiser: &mut Optimiser, history: &History) -> Result<()> {
    let state = format!("checkpoint-{}.safetensors", history.epochs.len());
    let tensors = optimiser
        .state
        .named()
        .into_iter()
        .map(|(name, tensor)| Ok((name, tensor.f_to_device(Device::Cpu)?)))
        .collect::<Result<Vec<_>>>()?;
    files::write_whole(&folder.join(&state), |half| {
        Ok(Tensor::write_safetensors(&tensors, half)?)
    })?;
    let note = Note {
        state,
        layout: LAYOUT,
        steps: optimiser.steps,
        history: history.clone(),
    };
    files::write_json(&note_path(folder), &note)?;
    remove_states(folder, Some(&note.state))
}

/// Restores the training saved in `folder`; an empty history where there is none.
pub(super) fn load(folder: &Path, optimiser: &mut Optimiser) -> Result<History> {
    let path = note_path(folder);
    if !path.exists() {
        return Ok(History::default());
    }
    let note: Note = files::read_json(&path)
        .with_context(|| format!("delete {} to begin anew", path.display()))?;
    ensure!(
        note.layout == LAYOUT,
        "the checkpoint {} is of another version of this program: delete it to begin anew",
        path.display()
    );
    let file = folder.join(&note.state);
    let advice = || {
        format!(
            "the checkpoint {} can't be used: delete it to begin anew",
            file.display()
        )
    };
    let saved = Tensor::read_safetensors(&file).with_context(advice)?;
    for (name, tensor) in optimiser.state.named() {
        let (_, value) = saved.iter().find(|(n, _)| n == name).with_context(advice)?;
        ensure!(value.size() == tensor.size(), "{}", advice());
        no_grad(|| tensor.f_copy_(value))?;
    }
    optimiser.steps = note.steps;
    Ok(note.history)
}

/// Removes the checkpoint of a training that has finished.
pub(super) fn remove(folder: &Path) -> Result<()> {
    let path = note_path(folder);
    if path.exists() {
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    remove_states(folder, None)
}

fn remove_states(folder: &Path, but: Option<&str>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_state = name.contains("checkpoint-") && name.ends_with(".safetensors");
        if is_state && Some(name.as_str()) != but {
            fs::remove_file(entry.path())
                .with_context(|| format!("cannot remove {}", entry.path().display()))?;
        }
    }
    Ok(())
}
