//! The examples, run as they stand, on synthetic faces.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{faces_folder, words};
use tempfile::TempDir;

/// Runs an example, which cargo builds with the tests, in a place without a data set.
fn example(name: &str, place: &Path, args: &[&Path]) -> Output {
    let tests = std::env::current_exe().unwrap(); // .../debug/deps/examples-...
    let folder = tests.parent().and_then(Path::parent).unwrap();
    Command::new(folder.join("examples").join(name))
        .args(args)
        .env_remove("ROR_DATA")
        .env("ROR_HOME", place)
        .env("ROR_CACHE", place.join("cache"))
        .env("ROR_MODELS", place.join("models"))
        .output()
        .unwrap()
}

fn with_models(place: &Path) {
    common::copied(&["models", "models/lineage"], place);
}

fn check(output: &Output, says: &[&str]) {
    assert!(output.status.success(), "{}", words(output));
    for what in says {
        assert!(words(output).contains(what), "{what}: {}", words(output));
    }
}

#[test]
fn own_net_and_own_loss_train_on_synthetic_faces() {
    let place = TempDir::new().unwrap();
    let output = example("own_net", place.path(), &[]);
    check(&output, &["gender, on 1,000 images", "accuracy"]);
    let runs = place.path().join("models/runs");
    let run = fs::read_dir(&runs).unwrap().flatten().next().unwrap().path();
    let card = fs::read_to_string(run.join("card.json")).unwrap();
    assert!(card.contains("\"architecture\": \"two convolutions\""), "{card}");

    let output = example("own_loss", place.path(), &[]);
    check(&output, &["years, on ", "MAE"]);
    let cards = fs::read_dir(&runs).unwrap().flatten();
    let cards: Vec<String> =
        cards.map(|run| fs::read_to_string(run.path().join("card.json")).unwrap()).collect();
    assert!(cards.iter().any(|card| card.contains("\"loss\": \"squared error in decades")));
    assert!(cards.iter().any(|card| card.contains("\"augmentation\": \"grain of 0.1\"")));
}

#[test]
fn fine_tuning_and_prediction_take_a_folder() {
    let (place, data) = (TempDir::new().unwrap(), faces_folder(200));
    with_models(place.path());
    let output = example("fine_tune", place.path(), &[data.path()]);
    check(&output, &["before, gender", "after, gender", "MAE"]);
    let output = example("predict", place.path(), &[data.path()]);
    check(&output, &[".jpg: ", " years ("]);
    let predicted = words(&output);
    assert_eq!(predicted.lines().filter(|line| line.contains(" years (")).count(), 200);
}

/// Photographs become chips that a net can be trained on.
#[test]
fn photographs_are_aligned_into_a_data_set() {
    let (place, data) = (TempDir::new().unwrap(), faces_folder(60));
    with_models(place.path());
    let detector = place.path().join("models/detector");
    fs::create_dir(&detector).unwrap();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let weights = "mtcnn.safetensors";
    fs::copy(root.join("models/detector").join(weights), detector.join(weights)).unwrap();
    let chips = place.path().join("chips");
    let output = example("align", place.path(), &[data.path(), &chips]);
    check(&output, &[" chips in "]);
    let faces = ror::data::Faces::open_at(&chips).unwrap();
    assert!((45..=60).contains(&faces.len()), "{faces}");
    for index in [0, faces.len() - 1] {
        assert_eq!(faces.picture(index).unwrap().dimensions(), (200, 200));
        // The label is that of the photograph, whose number is the chip's name.
        let number = faces.record(index).unwrap().file.trim_end_matches(".png").parse().unwrap();
        let own = ror::data::Faces::open_at(data.path()).unwrap();
        let (cut, whole) = (&faces.record(index).unwrap().label, own.labels(&[number]).unwrap());
        assert_eq!((cut.age, cut.gender), (whole[0].age, whole[0].gender));
    }
}
