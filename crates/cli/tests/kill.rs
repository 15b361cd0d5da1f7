//! Killed trainings, unpacking and caching resume, and the store stays readable. Also with a full
//! disk, and with two programs at the same time.
//!
//! `ROR_KILLS=100` sets the number of kills per test with random kills, and makes two programs race
//! ten times per test.

#[path = "../../../tests/common/mod.rs"]
mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use common::{below, faces_folder, files, gz, pictures, program, tar, words};
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

/// Number of epochs in the checkpoint of the only run in a place.
fn epochs(place: &Path) -> usize {
    let note = run_folder(place).and_then(|run| json(&run.join("checkpoint.json")));
    note.and_then(|note| note["history"]["epochs"].as_array().map(Vec::len)).unwrap_or(0)
}

fn history(place: &Path) -> Vec<Value> {
    let card = json(&run_folder(place).unwrap().join("card.json")).unwrap();
    card["history"]["epochs"].as_array().unwrap().clone()
}

/// Returns `$ROR_KILLS`, or `usual`, which takes seconds.
fn kills(usual: usize) -> usize {
    std::env::var("ROR_KILLS").map_or(usual, |kills| kills.parse().expect("a number"))
}

/// Number of races between two programs.
fn rounds() -> usize {
    if std::env::var_os("ROR_KILLS").is_some() { 10 } else { 2 }
}

/// A fixed stream of pseudorandom numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % end
    }

    /// Kills a program within `within` milliseconds. Returns false if it ended before.
    fn kill(&mut self, mut child: Child, within: u64) -> bool {
        std::thread::sleep(Duration::from_millis(self.below(within)));
        let killed = child.try_wait().unwrap().is_none();
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        killed
    }
}

/// Asserts that there are no temporary files in a folder or below it.
fn assert_no_litter(folder: &Path) {
    let hidden = |path: &PathBuf| path.to_string_lossy().contains("/.");
    let inside = |path: PathBuf| path.strip_prefix(folder).map(|p| Path::new("/").join(p)).unwrap();
    let left: Vec<PathBuf> = below(folder).into_iter().map(inside).filter(hidden).collect();
    assert!(left.is_empty(), "{left:?} in {}", folder.display());
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
    let says = format!("continuing after epoch {done} of");
    assert!(words(&resumed).contains(&says), "{}", words(&resumed));

    // The history and the log contain each epoch once, also after the interruption.
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
            assert!(a[value].is_f64() && a[value] == b[value], "epoch {}: {value}", i + 1);
        }
    }
    // There are no partial files, and no checkpoint of the finished training.
    let mut left: Vec<String> = names().filter(|name| !name.contains("tfevents")).collect();
    left.sort();
    assert_eq!(left, ["card.contents.txt", "card.json", "card.safetensors", "history.csv", "lock"]);
    Trained::open(&run.join("card.json"), Device::Cpu).unwrap();
}

/// Kills trainings at pseudorandom moments, while some finish and others start over. Every card's
/// weights can be loaded, and a checkpoint never loses a complete epoch.
#[test]
fn the_store_is_readable_after_every_kill() {
    let folder = faces_folder(260);
    let place = TempDir::new().unwrap();
    let path = place.path();
    let train = [&TRAIN[..5], &["3", "--batch", "16"]].concat();
    let warm = program(path, folder.path()).args(&train).output().unwrap();
    assert!(warm.status.success(), "{}", words(&warm));
    let mut random = Random(7);
    let (mut killed, mut cards) = (0, 0);
    while killed < kills(6) {
        // Every third run trains again although the model exists.
        let anew = killed % 3 == 0;
        let extra: &[&str] = if anew { &["--retrain"] } else { &["--seed", "1"] };
        let before = epochs_of_seed(path, anew);
        let child = start(path, folder.path(), &[&train[..], extra].concat());
        std::thread::sleep(Duration::from_millis(100));
        let finished = !random.kill(child, 900);
        killed += usize::from(!finished);
        for model in ModelStore::new(path.join("models")).all() {
            Trained::open(&model.path, Device::Cpu).unwrap();
            cards += 1;
        }
        if !anew && !finished {
            let after = epochs_of_seed(path, anew);
            // If it was killed after its training, there is a card instead of the checkpoint.
            let trained = ModelStore::new(path.join("models")).find(|card| card.recipe.seed == 1);
            assert!(
                after >= before || trained.is_some(),
                "kill {killed}: {after} epochs, {before} before"
            );
        }
        if finished && !anew {
            // The network exists, so the next run with this seed would only load it.
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

/// Number of epochs in the checkpoint of the first run (`anew`) or of the other run.
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

/// A training that was killed many times ends with the same weights, bit for bit, as one that was
/// not.
#[test]
fn a_training_killed_again_and_again_ends_with_the_same_weights() {
    let folder = faces_folder(260);
    let train = [&TRAIN[..5], &["4", "--batch", "16"]].concat();
    let train_to_end = |place: &TempDir| {
        let output = program(place.path(), folder.path()).args(&train).output().unwrap();
        assert!(output.status.success(), "{}", words(&output));
        let run = run_folder(place.path()).unwrap();
        let mut names: Vec<String> = fs::read_dir(&run)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.retain(|name| !name.contains("tfevents"));
        names.sort();
        let whole = ["card.contents.txt", "card.json", "card.safetensors", "history.csv", "lock"];
        assert_eq!(names, whole);
        fs::read(run.join("card.safetensors")).unwrap()
    };
    let (whole, place) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let right = train_to_end(&whole);
    let (mut random, mut killed, mut since, mut resumed) = (Random(11), 0, 0, 0);
    while killed < kills(6) {
        // In the first epoch, or after up to two more epochs.
        let goal = epochs(place.path()) + random.below(3) as usize;
        let mut child = start(place.path(), folder.path(), &train);
        while epochs(place.path()) < goal && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        if random.kill(child, if goal == 0 { 600 } else { 60 }) {
            killed += 1;
            since += 1;
            resumed += usize::from(epochs(place.path()) > 0);
        }
        // They are killed one to five times before they may finish.
        if since > killed % 5 {
            assert!(train_to_end(&place) == right, "other weights after {since} kills");
            fs::remove_dir_all(place.path().join("models/runs")).unwrap();
            since = 0;
        }
    }
    assert!(train_to_end(&place) == right, "other weights after {since} kills");
    assert!(resumed > 0, "none was killed after its first epoch");
}

/// Runs `evaluate` on an archive. It unpacks the archive and hashes and resizes its images, and
/// caches all of that.
fn evaluate(place: &Path, archive: &Path) -> std::process::Command {
    let mut program = program(place, archive);
    program.env("ROR_MODELS", Path::new(common::ROOT).join("models"));
    program.args(["evaluate", "--json", "--model", "both-32px", "--data"]).arg(archive);
    program
}

/// Makes an archive, and the correct output of `evaluate`.
fn archive(n: usize) -> (TempDir, PathBuf, String) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("UTKFace.tar.gz");
    fs::write(&path, gz(&tar(&files("UTKFace/", &pictures(n))))).unwrap();
    let output = evaluate(folder.path(), &path).output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
    (folder, path, String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_cache_is_right_and_clean_after_every_kill() {
    let (_folder, archive, right) = archive(600);
    let place = TempDir::new().unwrap();
    let cache = place.path().join("cache");
    let (mut random, mut killed, mut within, mut dirty) = (Random(5), 0, 2_000, 0);
    let half_written = || {
        let names = fs::read_dir(&cache).into_iter().flatten().map(|e| e.unwrap().file_name());
        names.filter(|name| name.as_encoded_bytes().starts_with(b".")).count()
    };
    while killed < kills(6) {
        // Either start with an empty cache and kill as soon as something is written, or continue
        // from the last kill and kill at any moment.
        let from_nothing = killed % 2 == 0;
        if from_nothing && cache.exists() {
            fs::remove_dir_all(&cache).unwrap();
        }
        let mut child = evaluate(place.path(), &archive)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while from_nothing && half_written() == 0 && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if !random.kill(child, if from_nothing { 30 } else { within }) {
            // It had finished: kill earlier.
            within = (within * 9 / 10).max(50);
            continue;
        }
        killed += 1;
        dirty += half_written();
        let output = evaluate(place.path(), &archive).output().unwrap();
        assert!(output.status.success(), "kill {killed}: {}", words(&output));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), right, "kill {killed}");
        assert_no_litter(&cache);
    }
    assert!(dirty > 0, "no kill came while something was written");
}

/// A small disk in memory. If it can't be mounted, the test is reported as skipped.
struct Disk(TempDir);

impl Disk {
    fn of(kib: usize, test: &str) -> Option<Self> {
        let disk = Self(TempDir::new().unwrap());
        let mounted = disk.mount(&format!("size={kib}k"));
        if !mounted {
            common::skipped(test, "it mounts small disks, which needs root");
        }
        mounted.then_some(disk)
    }

    fn mount(&self, options: &str) -> bool {
        let mut mount = std::process::Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(self.0.path())
            .stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ =
            std::process::Command::new("umount").arg(self.0.path()).stderr(Stdio::null()).status();
    }
}

/// Disks of growing sizes that get full while unpacking, while writing the index, or while writing
/// the images. Each time it is reported, there are no partial files, and it works once there is
/// space.
#[test]
fn a_cache_on_a_full_disk_is_right_once_there_is_room() {
    let test = "a_cache_on_a_full_disk_is_right_once_there_is_room";
    let (_folder, archive, right) = archive(300);
    let (mut failed, mut not_kept) = (0, 0);
    for kib in [4, 800, 2400, 3600, 4000, 4400, 4800] {
        let Some(disk) = Disk::of(kib, test) else { return };
        let place = disk.0.path();
        let output = evaluate(place, &archive).output().unwrap();
        let said = words(&output);
        if !output.status.success() {
            failed += 1;
            assert!(said.contains("No space left on device"), "{kib} KiB: {said}");
            assert!(said.contains("disk full") || said.contains("ROR_CACHE"), "{kib} KiB: {said}");
            assert!(!said.contains("download it again"), "{kib} KiB: {said}");
        } else {
            not_kept += usize::from(said.contains("for the next run"));
            assert_eq!(String::from_utf8(output.stdout).unwrap(), right, "{kib} KiB");
        }
        assert_no_litter(place);
        assert!(disk.mount("remount,size=64m"));
        let output = evaluate(place, &archive).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout.clone()).unwrap(), right, "{}", words(&output));
    }
    assert!(failed > 2 && not_kept > 0, "{failed} failed, {not_kept} went on without a cache");
}

/// The same for a training's checkpoints, card and weights.
#[test]
fn a_training_on_a_full_disk_goes_on_once_there_is_room() {
    let test = "a_training_on_a_full_disk_goes_on_once_there_is_room";
    let folder = faces_folder(260);
    let train = [&TRAIN[..5], &["2", "--batch", "16", "--threads", "1"]].concat();
    let cache = TempDir::new().unwrap();
    let run = |place: &Path| {
        let mut program = program(place, folder.path());
        program.env("ROR_CACHE", cache.path()).args(&train).output().unwrap()
    };
    let whole = TempDir::new().unwrap();
    assert!(run(whole.path()).status.success());
    let weights =
        |place: &Path| fs::read(run_folder(place).unwrap().join("card.safetensors")).unwrap();
    let right = weights(whole.path());
    // A checkpoint is six times as large as the weights.
    let kib = right.len() / 1024;
    let mut failed = 0;
    for size in [8, 3 * kib, 6 * kib + 40, 7 * kib, 13 * kib] {
        let Some(disk) = Disk::of(size, test) else { return };
        let place = disk.0.path();
        let output = run(place);
        if !output.status.success() {
            failed += 1;
            let said = words(&output);
            assert!(said.contains("No space left on device"), "{size} KiB: {said}");
            assert!(
                said.contains("disk full") || said.contains("ROR_MODELS"),
                "{size} KiB: {said}"
            );
        }
        assert_no_litter(place);
        assert!(disk.mount("remount,size=64m"));
        let output = run(place);
        assert!(output.status.success(), "{size} KiB: {}", words(&output));
        assert!(weights(place) == right, "{size} KiB: other weights");
    }
    assert!(failed > 2, "{failed} failed");
}

/// Runs two programs at the same time and returns both outputs.
fn both(one: &mut std::process::Command, other: &mut std::process::Command) -> [Output; 2] {
    let start = |command: &mut std::process::Command| {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    [start(one), start(other)].map(|child| child.wait_with_output().unwrap())
}

#[test]
fn two_programs_share_one_cache() {
    let (_folder, archive, right) = archive(200);
    for round in 0..rounds() {
        let place = TempDir::new().unwrap();
        let [mut one, mut other] = [0, 1].map(|_| evaluate(place.path(), &archive));
        for output in both(&mut one, &mut other) {
            assert!(output.status.success(), "round {round}: {}", words(&output));
            assert_eq!(String::from_utf8(output.stdout).unwrap(), right, "round {round}");
        }
        // Both find the damage: one repairs it and the other waits.
        let is_picture = |path: &PathBuf| path.to_string_lossy().ends_with("jpg");
        let pictures = below(&place.path().join("cache")).into_iter().filter(is_picture);
        pictures.step_by(3).for_each(|path| fs::remove_file(path).unwrap());
        for output in both(&mut one, &mut other) {
            assert!(output.status.success(), "round {round}: {}", words(&output));
            assert_eq!(String::from_utf8(output.stdout).unwrap(), right, "round {round}");
        }
        assert_no_litter(place.path());
    }
}

/// Two different trainings can write to one store. If two programs start the same training, one
/// trains, and the other loads the result.
#[test]
fn two_programs_share_one_store_and_not_one_run() {
    let folder = faces_folder(260);
    let place = TempDir::new().unwrap();
    let train = [&TRAIN[..5], &["1", "--batch", "16"]].concat();
    let with = |seed: &str| {
        let mut program = program(place.path(), folder.path());
        program.args(&train).args(["--seed", seed]);
        program
    };
    for round in 0..rounds() {
        let (one, other) = (format!("{}", 3 * round), format!("{}", 3 * round + 1));
        for output in both(&mut with(&one), &mut with(&other)) {
            assert!(output.status.success(), "round {round}: {}", words(&output));
        }
        let same = format!("{}", 3 * round + 2);
        let outputs = both(&mut with(&same), &mut with(&same));
        let said = outputs.each_ref().map(words);
        assert!(outputs.iter().all(|output| output.status.success()), "round {round}: {said:?}");
        let loaded = said.iter().filter(|said| said.contains("loaded the network trained on"));
        assert_eq!(loaded.count(), 1, "round {round}: {said:?}");
        let store = ModelStore::new(place.path().join("models"));
        let all = store.all();
        assert_eq!(all.len(), 3 * (round + 1));
        for model in &all[all.len().saturating_sub(3)..] {
            Trained::open(&model.path, Device::Cpu).unwrap();
        }
    }
    assert_no_litter(place.path());
}

/// A program waits for a training that another runs, and goes on where that stopped. `--retrain`
/// does not wait.
#[test]
fn a_training_that_runs_elsewhere_is_waited_for() {
    let (folder, place) = (faces_folder(260), TempDir::new().unwrap());
    let train = [&TRAIN[..5], &["1", "--batch", "16"]].concat();
    let first = program(place.path(), folder.path()).args(&train).output().unwrap();
    assert!(first.status.success(), "{}", words(&first));
    let run = run_folder(place.path()).unwrap();
    fs::remove_file(run.join("card.json")).unwrap();
    let lock = fs::File::open(run.join("lock")).unwrap();
    lock.lock().unwrap();

    let again =
        program(place.path(), folder.path()).args(&train).arg("--retrain").output().unwrap();
    let said = words(&again);
    assert!(!again.status.success() && said.contains("is running in another notebook"), "{said}");

    let mut child = program(place.path(), folder.path())
        .args(&train)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.ends_with("; waiting for its end")), "it does not wait");
    assert!(!run.join("card.json").exists());
    drop(lock);
    assert_eq!(lines.find(|line| line.contains("error")), None);
    assert!(child.wait().unwrap().success());
    Trained::open(&run.join("card.json"), Device::Cpu).unwrap();
}
