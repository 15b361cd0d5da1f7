//! Live output of a cell whose kernel has a front: one output that is updated, and a stop that
//! keeps the finished work. (`tests/kernel/front.py` tests the front itself.)

#[path = "../../../tests/common/mod.rs"]
mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{faces_folder, program, words};
use serde_json::Value;
use tempfile::TempDir;

/// The program with the environment of a notebook cell behind a front.
fn in_cell(place: &Path, data: &Path) -> Command {
    let mut command = program(place, data);
    command.env("EVCXR_IS_RUNTIME", "1").env("EVCXR_FRONT", "1");
    command.env("EVCXR_FRONT_STOP", place.join("stop"));
    command.args(["train", "both", "--net", "small", "--epochs", "12", "--batch", "8"]);
    command.args(["--threads", "1"]); // the speed then depends less on other tests
    command
}

/// Parses a message for the front in a line, if there is one.
fn message(line: &str) -> Option<Value> {
    Some(serde_json::from_str(line.strip_prefix("EVCXR_FRONT 1 ")?).unwrap())
}

#[test]
fn a_training_is_one_output_that_moves() {
    let (place, data) = (TempDir::new().unwrap(), faces_folder(600));
    let mut child = in_cell(place.path(), data.path()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut updates, mut said) = (vec![], vec![]);
    for line in lines.map(Result::unwrap) {
        match message(&line) {
            Some(message) => updates.push((Instant::now(), line.len(), message)),
            None => said.push(line),
        }
    }
    assert!(child.wait().unwrap().success());
    let said = said.join("\n");
    assert!(said.starts_with("both: ") && !said.contains("epoch   "), "{said}");
    let training = &updates[0].2["display"];
    let updates: Vec<_> =
        updates.iter().filter(|update| update.2["display"] == *training).collect();
    assert!(updates.len() >= 4, "{updates:?}");
    let text = |update: &Value| update["data"]["text/plain"].as_str().unwrap().to_owned();
    // The bar is updated with epoch and step.
    assert!(updates.iter().any(|update| {
        let text = text(&update.2);
        text.contains(" of 12, step ") && text.contains(", loss ")
    }));
    let last = text(&updates.last().unwrap().2);
    assert_eq!(last.lines().count(), 1 + 12, "the whole table stays: {last}");
    assert!(updates.iter().all(|update| update.1 < 60_000));
    let (first, end) = (updates[0].0, updates[updates.len() - 1].0);
    let most = (end - first).as_secs_f64() * 4.0 + 3.0;
    assert!(updates.len() as f64 <= most, "{} updates, at most {most}", updates.len());
}

#[test]
fn a_training_that_is_stopped_goes_on_where_it_was() {
    let (place, data) = (TempDir::new().unwrap(), faces_folder(1_200));
    let mut child = in_cell(place.path(), data.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let shown = |line: String| message(&line).is_some_and(|m| m.to_string().contains("best"));
    assert!(lines.any(shown), "no epoch was shown");
    fs::write(place.path().join("stop"), "").unwrap();
    let asked = Instant::now();
    let heard = |line: String| message(&line).is_some_and(|m| m["stopping"] == true);
    assert!(lines.any(heard), "it did not hear");
    lines.for_each(drop);
    let output = child.wait_with_output().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert!(!output.status.success());
    let said = words(&output);
    assert!(said.contains("stopped by you after epoch "), "{said}");
    assert!(said.contains("run the cell again to continue"), "{said}");

    fs::remove_file(place.path().join("stop")).unwrap();
    let again = in_cell(place.path(), data.path()).output().unwrap();
    assert!(again.status.success(), "{}", words(&again));
    assert!(words(&again).contains("continuing after epoch "), "{}", words(&again));
}

#[test]
fn a_stop_while_pictures_are_prepared_leaves_nothing_half_done() {
    let (place, data) = (TempDir::new().unwrap(), faces_folder(50));
    fs::write(place.path().join("stop"), "").unwrap();
    let output = in_cell(place.path(), data.path()).output().unwrap();
    assert!(!output.status.success());
    assert!(words(&output).contains("stopped by you: run the cell again"), "{}", words(&output));
    let left = |folder: &str| fs::read_dir(place.path().join(folder)).map_or(0, Iterator::count);
    assert_eq!((left("cache"), left("models")), (0, 0));
}
