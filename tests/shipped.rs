//! The models that ship: whole, as PyTorch computes them, and as good as their cards say.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ror::dataset::{Faces, Protocol};
use ror::tch::{Device, Kind, Tensor};
use ror::train::{Experiment, Trained, named, shipped};
use ror::{Predictor, results, sha256};

fn cards() -> Vec<PathBuf> {
    let models = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut cards: Vec<_> = fs::read_dir(models)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    cards.sort();
    assert!(cards.len() >= 3, "both, and the original's pair");
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
        assert!(!card.validation.is_empty() && !card.history.epochs.is_empty());
        assert!(!card.command.is_empty() && !card.hardware.is_empty() && !card.date.is_empty());
    }
}

#[test]
fn shipped_models_reach_what_is_promised() {
    let reached = |protocol: Protocol, task: &str, metric: &str| {
        let rows = results::published().0;
        let own = rows
            .into_iter()
            .filter(|r| r.protocol == protocol.name() && r.task == task && r.metric == metric)
            .map(|r| r.value.value);
        match metric {
            "MAE" => own.fold(f64::INFINITY, f64::min),
            _ => own.fold(0.0, f64::max),
        }
    };
    assert!(reached(Protocol::Original, "gender", "accuracy") >= 0.912);
    assert!(reached(Protocol::Original, "age", "accuracy") >= 0.37);
    assert!(reached(Protocol::Original, "age", "one-off accuracy") >= 0.74);
    assert!(reached(Protocol::Random, "years", "MAE") < 5.5);
    assert!(reached(Protocol::Random, "gender", "accuracy") > 0.92);
    assert!(reached(Protocol::Adults, "years", "MAE") < 5.5);
}

#[test]
fn the_committed_experiments_are_those_of_the_models_that_ship() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let cards = shipped();
    let mut found = 0;
    for (name, card) in &cards {
        let path = root.join(format!("{name}.toml"));
        if !path.exists() {
            continue;
        }
        let experiment = Experiment::read(&path).unwrap();
        assert_eq!(experiment.net, card.net, "{name}");
        assert_eq!(experiment.recipe, card.recipe, "{name}");
        assert_eq!(experiment.task, card.task, "{name}");
        assert_eq!(Some(experiment.protocol), card.protocol, "{name}");
        let start = experiment.start.map(|start| {
            let (_, card) = cards.iter().find(|(name, _)| *name == start).unwrap();
            card.key.clone()
        });
        assert_eq!(start, card.start, "{name}");
        found += 1;
    }
    assert!(found >= 4, "{found} experiments");
}

#[test]
fn the_default_net_and_the_originals_pair_answer_by_name() {
    let picture = ror::dataset::Faces::synthetic(4, 0)
        .unwrap()
        .picture(2)
        .unwrap();
    let both = Predictor::shipped().unwrap().answer(&picture).unwrap();
    assert_eq!(both.groups.len(), 24);
    let pair = Predictor::named(&["gender-32px", "age-32px"]).unwrap();
    let pair = pair.answer(&picture).unwrap();
    assert_eq!(pair.groups.len(), 12);
    for answer in [both, pair] {
        let sum: f64 = answer.groups.iter().map(|(_, p)| p).sum();
        assert!((sum - 1.0).abs() < 1e-6 && (0.0..=116.0).contains(&answer.age));
    }
    let alone = format!("{:#}", Predictor::named(&["gender-32px"]).unwrap_err());
    assert!(alone.contains("one for age"), "{alone}");
    let none = format!("{:#}", named("nobody", Device::Cpu).unwrap_err());
    assert!(
        none.contains("there is no model nobody") && none.contains("age-32px"),
        "{none}"
    );
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
        for test in &trained.card.tests {
            let measured = trained
                .evaluate_by(&faces, test.protocol)
                .unwrap()
                .metrics();
            assert_eq!(measured.len(), test.heads.len());
            for (measured, published) in measured.iter().zip(&test.heads) {
                assert_eq!(measured.pictures, published.pictures);
                let pairs = measured.named().into_iter().zip(published.named());
                for ((metric, now, _), (_, then, _)) in pairs {
                    // Another processor may round otherwise: a few pictures on the edge, no more.
                    let reach = if metric == "MAE" { 0.01 } else { 0.0015 };
                    assert!(
                        (now.value - then.value).abs() < reach,
                        "{}: {metric} {now}, published {then}",
                        path.display()
                    );
                }
            }
        }
    }
}

#[test]
fn the_readme_and_the_csv_tell_the_cards_numbers() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let rows = results::published().0;
    assert!(rows.len() > 12);
    let text = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let readme = text("README.md");
    assert!(
        results::with_table(&readme, &rows).unwrap() == readme,
        "README.md has another table: run `ror results --write`"
    );
    assert!(
        text("models/results.csv") == results::csv(&rows),
        "models/results.csv has other rows: run `ror results --write`"
    );
}
