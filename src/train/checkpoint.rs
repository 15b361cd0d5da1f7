//! Checkpoints: a training that stops in the middle goes on from its last whole epoch.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor, no_grad};

use super::History;
use super::fit::State;
use crate::model::Net;
use crate::support::files;

/// The file whose renaming makes a checkpoint valid; it names the file with the tensors.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    state: String,
    steps: i64,
    history: History,
}

fn note_path(folder: &Path) -> PathBuf {
    folder.join("checkpoint.json")
}

/// Saves a training after its last epoch in `history`. The checkpoint before it is removed only
/// when this one is whole.
pub(super) fn save(folder: &Path, state: &mut State, history: &History) -> Result<()> {
    let name = format!("checkpoint-{}.safetensors", history.epochs.len());
    let tensors = state
        .named()
        .into_iter()
        .map(|(name, tensor)| Ok((name, tensor.f_to_device(Device::Cpu)?)))
        .collect::<Result<Vec<_>>>()?;
    files::write_whole(&folder.join(&name), |half| Ok(Tensor::write_safetensors(&tensors, half)?))?;
    let note = Note { state: name, steps: state.adamw.steps, history: history.clone() };
    files::write_json(&note_path(folder), &note)?;
    remove_states(folder, Some(&note.state))
}

/// Restores the training saved in `folder`; an empty history where there is none.
pub(super) fn load(folder: &Path, state: &mut State) -> Result<History> {
    let path = note_path(folder);
    if !path.exists() {
        return Ok(History::default());
    }
    let advice = || {
        format!("the checkpoint {} can't be used: delete that file to begin anew", path.display())
    };
    let note: Note = files::read_json(&path).with_context(advice)?;
    let file = folder.join(&note.state);
    let saved = Tensor::read_safetensors(&file).with_context(advice)?;
    for (name, tensor) in state.named() {
        let (_, value) = saved.iter().find(|(n, _)| n == name).with_context(advice)?;
        ensure!(value.size() == tensor.size(), advice());
        no_grad(|| tensor.f_copy_(value))?;
    }
    state.adamw.steps = note.steps;
    Ok(note.history)
}

/// For `fuzz/`: reads the checkpoint in `folder` as a training of this net would, and returns its
/// epochs.
///
/// # Errors
/// A checkpoint that can't be used.
#[doc(hidden)]
pub fn look_at_checkpoint(folder: &Path, net: &Net) -> Result<usize> {
    Ok(load(folder, &mut State::new(net)?)?.epochs.len())
}

/// Removes the checkpoint of a training: it has finished, or is to begin anew.
pub(crate) fn remove(folder: &Path) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RorConfig;
    use crate::train::Epoch;
    use tempfile::TempDir;

    fn history(epochs: usize) -> History {
        let epoch =
            |epoch| Epoch { epoch, validation_loss: 1.0 / epoch as f64, ..Epoch::default() };
        History { epochs: (1..=epochs).map(epoch).collect() }
    }

    /// A state all of whose numbers are `value`, after so many steps.
    fn state(value: f64, steps: i64) -> State {
        let net = Net::new(RorConfig::small(1), Device::Cpu, 0).unwrap();
        let mut state = State::new(&net).unwrap();
        state.adamw.steps = steps;
        no_grad(|| {
            for (_, tensor) in state.named() {
                let _ = tensor.fill_(value);
            }
        });
        state
    }

    fn value(state: &mut State) -> f64 {
        let [first, .., last] = state.named();
        assert_eq!(first.1.max(), last.1.max());
        first.1.max().double_value(&[])
    }

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn everything_comes_back_and_only_the_last_checkpoint_stays() {
        let _turn = crate::support::random::turn();
        let folder = TempDir::new().unwrap();
        assert_eq!(load(folder.path(), &mut state(0.0, 0)).unwrap(), history(0));
        save(folder.path(), &mut state(1.0, 10), &history(1)).unwrap();
        save(folder.path(), &mut state(2.0, 20), &history(2)).unwrap();
        assert_eq!(names(folder.path()), ["checkpoint-2.safetensors", "checkpoint.json"]);
        let mut found = state(0.0, 0);
        assert_eq!(load(folder.path(), &mut found).unwrap(), history(2));
        assert_eq!((value(&mut found), found.adamw.steps), (2.0, 20));
        remove(folder.path()).unwrap();
        assert!(names(folder.path()).is_empty());
    }

    /// Killed between any two of the files' changes, a checkpoint is the last one or the next.
    #[test]
    fn a_checkpoint_cut_at_any_file_is_whole() {
        let _turn = crate::support::random::turn();
        let make = |epochs: usize| {
            let folder = TempDir::new().unwrap();
            let (value, steps) = (epochs as f64, 10 * epochs as i64);
            save(folder.path(), &mut state(value, steps), &history(epochs)).unwrap();
            folder
        };
        let (first, second) = (make(1), make(2));
        let copy = |from: &TempDir, name: &str, to: &TempDir| {
            fs::copy(from.path().join(name), to.path().join(name)).unwrap();
        };
        let expect = |folder: &TempDir, epochs: usize| {
            let mut found = state(0.0, 0);
            assert_eq!(load(folder.path(), &mut found).unwrap(), history(epochs));
            assert_eq!(value(&mut found), epochs as f64);
            assert_eq!(found.adamw.steps, 10 * epochs as i64);
        };
        // Half of the next state under its temporary name; the next state whole; its note too.
        fs::write(first.path().join(".x-checkpoint-2.safetensors"), b"half").unwrap();
        expect(&first, 1);
        copy(&second, "checkpoint-2.safetensors", &first);
        expect(&first, 1);
        copy(&second, "checkpoint.json", &first);
        expect(&first, 2);
        // The next save removes what the cut ones left.
        save(first.path(), &mut state(3.0, 30), &history(3)).unwrap();
        assert_eq!(names(first.path()), ["checkpoint-3.safetensors", "checkpoint.json"]);
    }

    #[test]
    fn a_damaged_checkpoint_names_the_file_to_delete() {
        let _turn = crate::support::random::turn();
        for damaged in ["checkpoint-1.safetensors", "checkpoint.json"] {
            let folder = TempDir::new().unwrap();
            save(folder.path(), &mut state(1.0, 1), &history(1)).unwrap();
            let path = folder.path().join(damaged);
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
            let error = format!("{:#}", load(folder.path(), &mut state(0.0, 0)).unwrap_err());
            assert!(error.contains("checkpoint.json can't be used: delete that file"), "{error}");
            // As advised.
            fs::remove_file(folder.path().join("checkpoint.json")).unwrap();
            assert_eq!(load(folder.path(), &mut state(0.0, 0)).unwrap(), history(0));
        }
    }
}
