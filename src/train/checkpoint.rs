//! Checkpoints: an interrupted training resumes after its last complete epoch.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor, no_grad};

use super::History;
use super::state::State;
use layers::Ranks;
use utils::files;
use utils::hash::{checksum, checksum_of_file};
use utils::progress::say;

/// Version of the checkpoint format.
const VERSION: u32 = 2;

/// The file whose renaming completes a checkpoint; it names the file with the tensors.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    version: u32,
    state: String,
    /// Checksum of the file with the tensors, in hexadecimal.
    state_checksum: String,
    steps: i64,
    history: History,
    /// Checksum of the fields above.
    checksum: String,
}

impl Note {
    /// The checksum of the other fields, as they are written.
    fn sum(&self) -> Result<String> {
        let Self { version, state, state_checksum, steps, history, checksum: _ } = self;
        let fields = serde_json::to_string(&(version, state, state_checksum, steps, history))?;
        Ok(hexadecimal(checksum(fields.as_bytes())))
    }

    fn read(path: &Path) -> Result<Self> {
        let note: Self = files::read_json(path)?;
        ensure!(note.version == VERSION, "it has another version");
        ensure!(note.checksum == note.sum()?, "checksum mismatch");
        let beside = Path::new(&note.state).file_name() == Some(OsStr::new(&note.state));
        ensure!(beside, "its field `state` is not a file name");
        Ok(note)
    }
}

fn hexadecimal(checksum: u64) -> String {
    format!("{checksum:016x}")
}

fn note_path(folder: &Path) -> PathBuf {
    folder.join("checkpoint.json")
}

/// Saves a training after the last epoch of `history`. The previous checkpoint is removed once this
/// one is complete.
pub(super) fn save(folder: &Path, state: &mut State, history: &History) -> Result<()> {
    let name = format!("checkpoint-{}.safetensors", history.epochs.len());
    let tensors = state
        .named()
        .into_iter()
        .map(|(name, tensor)| Ok((name, tensor.f_to_device(Device::Cpu)?)))
        .collect::<Result<Vec<_>>>()?;
    let mut state_checksum = String::new();
    files::write_whole(&folder.join(&name), |half| {
        Tensor::write_safetensors(&tensors, half)?;
        state_checksum = hexadecimal(checksum_of_file(half)?);
        Ok(())
    })?;
    let (steps, history) = (state.adamw.steps, history.clone());
    let note = Note {
        version: VERSION,
        state: name,
        state_checksum,
        steps,
        history,
        checksum: String::new(),
    };
    let note = Note { checksum: note.sum()?, ..note };
    files::write_json(&note_path(folder), &note)?;
    remove_states(folder, Some(&note.state))
}

/// Restores the training saved in `folder`; returns an empty history if there is none.
///
/// # Errors
/// A file that is damaged, or of another version.
pub(super) fn load(folder: &Path, state: &mut State) -> Result<History> {
    let path = note_path(folder);
    if !path.exists() {
        return Ok(History::default());
    }
    let unusable = |file: &Path| {
        format!(
            "the checkpoint {} is damaged or of another version: restore that file, or remove it to \
             start the training over",
            file.display()
        )
    };
    let note = Note::read(&path).with_context(|| unusable(&path))?;
    let file = folder.join(&note.state);
    if !file.exists() {
        say(&format!("note: {} is missing: the training starts over", file.display()));
        return Ok(History::default());
    }
    restore(&file, &note, state).with_context(|| unusable(&file))?;
    state.adamw.steps = note.steps;
    Ok(note.history)
}

/// Restores the training saved in `folder` on all ranks; rank 0 alone reads it.
///
/// # Errors
/// As [`load`], or a rank that ended.
pub(super) fn resumed(folder: &Path, state: &mut State, ranks: &Ranks) -> Result<History> {
    let own = match ranks.is_first() {
        true => load(folder, state)?,
        false => History::default(),
    };
    let history = ranks.first_says(own)?;
    state.follow(ranks)?;
    Ok(history)
}

/// Reads the tensors of a checkpoint; if one does not fit, none is changed.
fn restore(file: &Path, note: &Note, state: &mut State) -> Result<()> {
    ensure!(hexadecimal(checksum_of_file(file)?) == note.state_checksum, "checksum mismatch");
    let saved = Tensor::read_safetensors(file)?;
    let mut pairs = vec![];
    for (name, tensor) in state.named() {
        let found = saved.iter().find(|(n, _)| n == name);
        let (_, value) = found.with_context(|| format!("it has no tensor {name}"))?;
        ensure!(
            value.size() == tensor.size(),
            "its tensor {name} has the shape {:?}, not {:?}",
            value.size(),
            tensor.size()
        );
        pairs.push((tensor, value));
    }
    for (tensor, value) in pairs {
        no_grad(|| tensor.f_copy_(value))?;
    }
    Ok(())
}

/// Reads the checkpoint in `folder` as a training of this network would, and returns
/// its epochs.
///
/// # Errors
/// An invalid checkpoint.
#[cfg(fuzzing)]
pub fn look_at_checkpoint(folder: &Path, net: &crate::model::Net) -> Result<usize> {
    Ok(load(folder, &mut State::new(net, &super::Recipe::report(crate::Task::Gender))?)?
        .epochs
        .len())
}

/// Removes the checkpoint of a training that is complete or starts over.
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
    use crate::model::{Net, RorConfig};
    use crate::train::{Epoch, Recipe};
    use tempfile::TempDir;

    fn history(epochs: usize) -> History {
        let epoch =
            |epoch| Epoch { epoch, validation_loss: 1.0 / epoch as f64, ..Epoch::default() };
        History { epochs: (1..=epochs).map(epoch).collect() }
    }

    /// A state whose numbers are all `value`, after `steps` steps.
    fn state(value: f64, steps: i64) -> State {
        let net = Net::new(RorConfig::small(1), Device::Cpu, 0).unwrap();
        let mut state = State::new(&net, &Recipe::report(crate::Task::Gender)).unwrap();
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
        let _turn = utils::random::turn();
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

    /// If a process is killed between two file operations, the checkpoint is the old or the new
    /// one.
    #[test]
    fn a_checkpoint_cut_at_any_file_is_whole() {
        let _turn = utils::random::turn();
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
        // The next save removes the leftovers.
        save(first.path(), &mut state(3.0, 30), &history(3)).unwrap();
        assert_eq!(names(first.path()), ["checkpoint-3.safetensors", "checkpoint.json"]);
    }

    /// Flipped bits or a missing half of either file give an error that names it and do not change
    /// the network; without that file, the training starts over.
    #[test]
    fn a_damaged_checkpoint_names_the_file_to_remove() {
        let _turn = utils::random::turn();
        let folder = TempDir::new().unwrap();
        for damaged in ["checkpoint-1.safetensors", "checkpoint.json"] {
            save(folder.path(), &mut state(1.0, 1), &history(1)).unwrap();
            let path = folder.path().join(damaged);
            let bytes = fs::read(&path).unwrap();
            // Nine places, in the head of a file, its numbers and its end.
            let flipped = (0..9).map(|i| {
                let mut bytes = bytes.clone();
                let at = i * (bytes.len() - 1) / 8;
                bytes[at] ^= 1;
                bytes
            });
            for bytes in flipped.chain([bytes[..bytes.len() / 2].to_vec(), vec![]]) {
                fs::write(&path, &bytes).unwrap();
                let mut other = state(0.0, 0);
                let error = format!("{:#}", load(folder.path(), &mut other).unwrap_err());
                assert!(error.contains(&format!("{damaged} is damaged")), "{error}");
                assert!(error.contains("remove it"), "{error}");
                assert_eq!(value(&mut other), 0.0);
            }
            fs::remove_file(&path).unwrap();
            assert_eq!(load(folder.path(), &mut state(0.0, 0)).unwrap(), history(0));
        }
    }

    #[test]
    fn a_checkpoint_of_another_version_is_not_used() {
        let _turn = utils::random::turn();
        let folder = TempDir::new().unwrap();
        save(folder.path(), &mut state(1.0, 1), &history(1)).unwrap();
        let mut note: Note = files::read_json(&note_path(folder.path())).unwrap();
        note.version -= 1;
        note.checksum = note.sum().unwrap();
        files::write_json(&note_path(folder.path()), &note).unwrap();
        let error = format!("{:#}", load(folder.path(), &mut state(0.0, 0)).unwrap_err());
        assert!(error.contains("checkpoint.json") && error.contains("another version"), "{error}");
    }
}
