//! A training that is killed goes on as if nothing had been, and the store stays readable.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::{faces_folder, program, words};
use ror::store::{ModelStore, Trained};
use ror::tch::Device;
use serde_json::Value;
use tempfile::TempDir;

const TRAIN: [&str; 9] =
    ["train", "gender", "--net", "small", "--epochs", "6", "--batch", "8", "--retrain"];

fn run_folder(place: &Path) -> Option<PathBuf> {
    let runs = fs::read_dir(place.join("models").join("runs")).ok()?;
    Some(runs.flatten().next()?.path())
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

/// Epochs in the checkpoint of the only run in a place.
fn epochs(place: &Path) -> usize {
    let note = run_folder(place).and_then(|run| json(&run.join("checkpoint.json")));
    note.and_then(|note| note["history"]["epochs"].as_array().map(Vec::len)).unwrap_or(0)
}

fn history(place: &Path) -> Vec<Value> {
    let card = json(&run_folder(place).unwrap().join("card.json")).unwrap();
    card["history"]["epochs"].as_array().unwrap().clone()
}

fn start(place: &Path, data: &Path, words: &[&str]) -> Child {
    program(place, data).args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_training_killed_in_an_epoch_goes_on_from_the_last_whole_one() {
    let folder = faces_folder(1_200);
    let train = &TRAIN[..8];
    let (whole, killed) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let output =
        |place: &TempDir| program(place.path(), folder.path()).args(train).output().unwrap();
    let first = output(&whole);
    assert!(first.status.success(), "{}", words(&first));

    let mut child = start(killed.path(), folder.path(), train);
    let begin = Instant::now();
    while epochs(killed.path()) < 2 {
        assert!(begin.elapsed() < Duration::from_secs(240), "no second epoch");
        std::thread::sleep(Duration::from_millis(5));
    }
    // Somewhere in a later epoch.
    std::thread::sleep(Duration::from_millis(150));
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    let done = epochs(killed.path());
    assert!((2..6).contains(&done), "killed too late: {done} epochs");
    let resumed = output(&killed);
    assert!(resumed.status.success(), "{}", words(&resumed));
    let says = format!("going on after epoch {done} of");
    assert!(words(&resumed).contains(&says), "{}", words(&resumed));

    // What can be looked at meanwhile holds each epoch once, also after the interruption.
    let run = run_folder(killed.path()).unwrap();
    let rows = fs::read_to_string(run.join("history.csv")).unwrap();
    assert_eq!(rows.lines().count(), 1 + 6);
    let names =
        || fs::read_dir(&run).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let events: Vec<String> = names().filter(|name| name.contains("tfevents")).collect();
    assert_eq!(events.len(), 1);
    let bytes = fs::read(run.join(&events[0])).unwrap();
    let tag = b"loss/validation";
    let found = bytes.windows(tag.len()).filter(|w| w == tag).count();
    assert_eq!(found, 6, "one value an epoch");

    let (a, b) = (history(whole.path()), history(killed.path()));
    assert_eq!((a.len(), b.len()), (6, 6));
    for (i, (a, b)) in a.iter().zip(&b).enumerate() {
        assert_eq!(b["epoch"], i + 1, "a hole in the history");
        for value in ["train_loss", "validation_loss"] {
            // Two threads may add in another order: src/train/fit.rs compares bytes on one.
            let (a, b) = (a[value].as_f64().unwrap(), b[value].as_f64().unwrap());
            assert!((a - b).abs() < 0.05 * a, "epoch {}: {value} {a}, resumed {b}", i + 1);
        }
    }
    // Nothing is left half-written, nor a checkpoint of what has finished.
    let mut left: Vec<String> = names().filter(|name| !name.contains("tfevents")).collect();
    left.sort();
    assert_eq!(left, ["card.contents.txt", "card.json", "card.safetensors", "history.csv", "lock"]);
    Trained::load(&run.join("card.json"), Device::Cpu).unwrap();
}

/// Thirty kills, at moments that a fixed stream of numbers draws, over trainings that finish and
/// begin anew: whatever a card names can be loaded, and a checkpoint loses no whole epoch.
#[test]
fn the_store_is_readable_after_every_one_of_thirty_kills() {
    let folder = faces_folder(260);
    let place = TempDir::new().unwrap();
    let path = place.path();
    let train = [&TRAIN[..5], &["3", "--batch", "16"]].concat();
    let warm = program(path, folder.path()).args(&train).output().unwrap();
    assert!(warm.status.success(), "{}", words(&warm));
    let mut random = 7u64;
    let (mut kills, mut cards) = (0, 0);
    while kills < 30 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // Every third run begins anew, over what is there.
        let anew = kills % 3 == 0;
        let extra: &[&str] = if anew { &["--retrain"] } else { &["--seed", "1"] };
        let before = epochs_of_seed(path, anew);
        let mut child = start(path, folder.path(), &[&train[..], extra].concat());
        std::thread::sleep(Duration::from_millis(100 + (random >> 33) % 900));
        let finished = child.try_wait().unwrap().is_some();
        child.kill().ok();
        child.wait().unwrap();
        kills += usize::from(!finished);
        for model in ModelStore::at(path.join("models")).all() {
            Trained::load(&model.path, Device::Cpu).unwrap();
            cards += 1;
        }
        if !anew && !finished {
            let after = epochs_of_seed(path, anew);
            // Killed between the end of its training and its own: the card has taken over.
            let trained = ModelStore::at(path.join("models")).find(|card| card.recipe.seed == 1);
            assert!(
                after >= before || trained.is_some(),
                "kill {kills}: {after} epochs, {before} before"
            );
        }
        if finished && !anew {
            // Its net is there: the next one of this seed would only load it.
            fs::remove_dir_all(path.join("models").join("runs")).unwrap();
        }
    }
    assert!(cards > 0, "no card was ever there");
    let output = program(path, folder.path())
        .args([&train[..], &["--seed", "1"]].concat())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", words(&output));
}

/// Epochs in the checkpoint of the run that is not the first one.
fn epochs_of_seed(place: &Path, anew: bool) -> usize {
    let Ok(runs) = fs::read_dir(place.join("models").join("runs")) else {
        return 0;
    };
    let notes = runs.flatten().filter_map(|run| {
        let has_card = run.path().join("card.json").exists();
        (has_card == anew).then(|| json(&run.path().join("checkpoint.json")))?
    });
    notes.filter_map(|note| note["history"]["epochs"].as_array().map(Vec::len)).max().unwrap_or(0)
}
