//! The models that ship: whole, as PyTorch computes them, and as good as their cards say.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ror::dataset::Faces;
use ror::tch::{Device, Kind, Tensor};
use ror::train::Trained;
use ror::{Task, default_split, sha256};

fn cards() -> Vec<PathBuf> {
    let models = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut cards: Vec<_> = fs::read_dir(models)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    cards.sort();
    assert!(cards.len() >= 2, "gender and age ship");
    cards
}

fn load(card: &Path) -> Trained {
    Trained::load(card, Device::Cpu).unwrap()
}

#[test]
fn cards_are_complete_and_weights_are_those_they_name() {
    for path in cards() {
        let trained = load(&path);
        let card = &trained.card;
        let weights = path.with_file_name(&card.weights);
        assert_eq!(
            sha256(&fs::read(&weights).unwrap()),
            card.weights_sha256,
            "{}",
            weights.display()
        );
        assert!(fs::metadata(&weights).unwrap().len() < 100 << 20);
        assert_eq!(card.parameters, trained.net.parameters());
        assert!(!card.data.synthetic && card.data.pictures == 23_708);
        assert!(card.test.is_some() && !card.history.epochs.is_empty());
        assert!(!card.command.is_empty() && !card.hardware.is_empty() && !card.date.is_empty());
    }
}

#[test]
fn shipped_models_reach_what_is_promised() {
    for path in cards() {
        let card = load(&path).card;
        let test = card.test.unwrap();
        match card.task {
            Task::Gender => assert!(test.accuracy.value >= 0.90, "{test}"),
            _ => {
                assert!(test.accuracy.value >= 0.37, "{test}");
                assert!(test.one_off.unwrap().value >= 0.73, "{test}");
            }
        }
    }
}

#[test]
fn pytorch_answers_the_same_with_the_same_weights() {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/logits.json");
    let golden: BTreeMap<String, Vec<Vec<f64>>> =
        serde_json::from_str(&fs::read_to_string(golden).unwrap()).unwrap();
    assert!(golden.len() >= 2);
    for path in cards() {
        let trained = load(&path);
        let Some(expected) = golden.get(&trained.card.weights) else {
            continue;
        };
        let side = i64::from(trained.net.config().input);
        let pixels =
            (Tensor::arange(2 * side * side * 3, (Kind::Int64, Device::Cpu)) * 7919).remainder(256);
        let pictures = pixels.to_kind(Kind::Uint8).view([2, side, side, 3]);
        let logits =
            Vec::<Vec<f64>>::try_from(trained.net.logits(&pictures).unwrap().to_kind(Kind::Double))
                .unwrap();
        for (ours, theirs) in logits.iter().flatten().zip(expected.iter().flatten()) {
            assert!(
                (ours - theirs).abs() < 1e-3,
                "{}: {ours}, but PyTorch says {theirs}",
                trained.card.weights
            );
        }
    }
}

#[test]
fn shipped_models_measure_as_their_cards_say() {
    let Some(data) = common::utkface("shipped_models_measure_as_their_cards_say") else {
        return;
    };
    let faces = Faces::at(data).unwrap();
    for path in cards() {
        let trained = load(&path);
        let split = default_split(&faces, trained.card.task).unwrap();
        let measured = trained.evaluate(&faces, &split).unwrap().metrics;
        let card = trained.card.test.unwrap();
        assert_eq!(measured.pictures, card.pictures);
        // Another processor may round otherwise: a few pictures on the edge, no more.
        assert!(
            (measured.accuracy.value - card.accuracy.value).abs() < 0.001,
            "{measured}\nthe card: {card}"
        );
        assert!(
            (measured.loss.value - card.loss.value).abs() < 0.001,
            "{measured}\nthe card: {card}"
        );
    }
}

#[test]
fn the_readme_tells_the_cards_numbers() {
    let readme =
        fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for path in cards() {
        let test = load(&path).card.test.unwrap();
        for interval in [Some(test.accuracy), test.one_off].into_iter().flatten() {
            assert!(
                readme.contains(&interval.percent()),
                "README.md lacks {}",
                interval.percent()
            );
        }
        if let Some(mae) = test.mae {
            let text = format!("{:.2} years ({:.2} to {:.2})", mae.value, mae.low, mae.high);
            assert!(readme.contains(&text), "README.md lacks {text}");
        }
    }
}
