//! The shipped models: complete, reproducible, equal to PyTorch, free of train/test leakage, and as
//! accurate as their cards say.

#[path = "../../../tests/common/mod.rs"]
mod common;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use common::{faces_folder, program, words};
use lab::PublishedResults;
use ror::Task;
use ror::data::{Faces, Part, Protocol};
use ror::experiment::{Experiment, Training};
use ror::metrics::Metric;
use ror::predict::Predictor;
use ror::store::{Card, DEFAULT_MODEL, Model, ModelStore, Trained};
use ror::tch::{Device, Kind, Tensor};
use tempfile::TempDir;

fn root() -> PathBuf {
    PathBuf::from(common::ROOT)
}

fn store() -> ModelStore {
    ModelStore::new(root().join("models"))
}

fn models() -> Vec<Model> {
    let models = store().pretrained();
    let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    for name in ["both-32px", "groups-32px", "both-64px", "pretrained-both", "pretrained-adults"] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    models
}

/// The shipped networks and their starts and teachers, which come first.
fn all() -> Vec<Model> {
    let mut all = models();
    all.extend(store().ancestors());
    let cards: HashMap<String, Card> =
        all.iter().map(|model| (model.card.key.clone(), model.card.clone())).collect();
    all.sort_by_key(|model| depth(&cards, &model.card));
    all
}

/// The length of the longest chain of starts and teachers.
fn depth(cards: &HashMap<String, Card>, card: &Card) -> usize {
    let before = card.start.iter().chain(&card.teachers);
    before.map(|key| 1 + depth(cards, &cards[key])).max().unwrap_or(0)
}

/// Returns a network with the card of this name, which is enough for a training's key. Its weights
/// may not be shipped.
fn by_card(all: &[Model], name: &str) -> Trained {
    let model = all.iter().find(|model| model.name == name).unwrap_or_else(|| panic!("no {name}"));
    let mut any = store().open(DEFAULT_MODEL).unwrap();
    any.card = model.card.clone();
    any
}

fn load(model: &Model) -> Trained {
    Trained::open(&model.path, Device::Cpu).unwrap()
}

#[test]
fn cards_are_complete_and_weights_are_those_they_name() {
    for model in models() {
        let trained = load(&model); // checks the SHA-256 of the weights
        let card = &trained.card;
        let weights = model.path.with_file_name(&card.weights);
        assert!(fs::metadata(&weights).unwrap().len() < 100 << 20);
        assert_eq!(card.parameters, trained.net.parameters());
        assert!(!card.data.synthetic && card.data.pictures == 23_708);
        assert!(!card.validation.is_empty() && !card.history.epochs.is_empty());
        assert!(!card.hardware.is_empty() && !card.date.is_empty());
        assert_eq!(card.temperatures.len(), card.task.heads().len());
        let fitted = |t: &f64| *t != 1.0 && (0.2..5.0).contains(t);
        assert!(card.temperatures.iter().all(fitted), "{}: {:?}", model.name, card.temperatures);
    }
}

/// A card's command runs this program with the experiment that made the network.
#[test]
fn every_card_repeats_its_training() {
    let faces = common::utkface("every_card_repeats_its_training, in part").map(Faces::open_at);
    let faces = faces.map(Result::unwrap);
    let all = all();
    for model in &all {
        let (name, card) = (&model.name, &model.card);
        let expected = format!(
            "./ror train --config experiments/{name}.toml --threads 1 --save models/{name}.json --half"
        );
        assert_eq!(card.command, expected);
        let experiment =
            Experiment::open(&root().join("experiments").join(format!("{name}.toml"))).unwrap();
        assert_eq!(experiment.net, card.net, "{name}");
        assert_eq!(experiment.recipe, card.recipe, "{name}");
        assert_eq!(experiment.task, card.task, "{name}");
        assert_eq!(Some(experiment.protocol), card.protocol, "{name}");
        let list = experiment.protocol.list().unwrap();
        assert_eq!(list.fingerprint(), card.split, "{name}");
        let start = experiment.start.as_ref().map(|start| by_card(&all, start));
        assert_eq!(start.as_ref().map(|start| &start.card.key), card.start.as_ref(), "{name}");
        let teachers: Vec<Trained> =
            experiment.teachers.iter().map(|teacher| by_card(&all, teacher)).collect();
        let keys: Vec<&String> = teachers.iter().map(|teacher| &teacher.card.key).collect();
        assert_eq!(keys, card.teachers.iter().collect::<Vec<_>>(), "{name}");
        let Some(faces) = &faces else { continue };
        assert_eq!(faces.fingerprint(), card.data.fingerprint, "{name}");
        let split = experiment.protocol.split(faces).unwrap();
        let mut training = Training::new(faces, &split, experiment.task)
            .net(experiment.net.clone())
            .recipe(experiment.recipe.clone())
            .teachers(&teachers);
        if let Some(start) = &start {
            training = training.start_from(start);
        }
        assert_eq!(training.key().unwrap(), card.key, "{name}: the same training has another key");
    }
}

/// Runs each card's command with a tiny network on a few synthetic faces, in its own store.
#[test]
fn every_cards_command_runs() {
    let (place, data) = (TempDir::new().unwrap(), faces_folder(320));
    let weights = root().join("models/pretrained");
    fs::create_dir(place.path().join("models")).unwrap();
    if weights.is_dir() {
        std::os::unix::fs::symlink(&weights, place.path().join("models/pretrained")).unwrap();
    } else {
        eprintln!("skipped: pretrained networks, because `make pretrained` was not run");
    }
    for model in all() {
        let is_pretrained = model.card.net.pretrained().is_some();
        if is_pretrained && !weights.is_dir() {
            continue;
        }
        let mut args: Vec<String> = model
            .card
            .command
            .split(' ')
            .skip(1)
            .map(|word| word.replace("models/", &format!("{}/models/", place.path().display())))
            .collect();
        let experiment = root().join("experiments").join(format!("{}.toml", model.name));
        let text = fs::read_to_string(experiment).unwrap();
        // A tiny network, where it is not pretrained, and an epoch or two; everything else stays.
        let mut tiny: toml::Table = toml::from_str(&text).unwrap();
        let mut table = |name: &str, changes: &str| {
            let table = tiny.entry(name).or_insert(toml::Table::new().into());
            let changes: toml::Table = toml::from_str(changes).unwrap();
            table.as_table_mut().unwrap().extend(changes);
        };
        if !is_pretrained {
            table("net", "widths = [8, 8, 8, 8]\nblocks = [1, 1, 1, 1]\ndense = 8");
        }
        let epochs = if is_pretrained { 1 } else { 2 };
        table(
            "recipe",
            &format!("epochs = {epochs}\nstop = {epochs}\nbatch = 32\nprogressive = []"),
        );
        let config = place.path().join(format!("{}.toml", model.name));
        fs::write(&config, toml::to_string(&tiny).unwrap()).unwrap();
        let at = args.iter().position(|word| word == "--config").unwrap() + 1;
        args[at] = config.display().to_string();
        let output = program(place.path(), data.path()).args(&args).output().unwrap();
        assert!(output.status.success(), "{:?}: {}", args, words(&output));
        let saved = place.path().join("models").join(format!("{}.json", model.name));
        let saved = Trained::open(&saved, Device::Cpu).unwrap();
        assert_eq!(saved.card.task, model.card.task);
        assert_eq!(saved.card.start.is_some(), model.card.start.is_some());
    }
}

/// No image of a published test set, or of a network's own validation set, was used to train or
/// (with another split) select the network or any network it started from.
#[test]
fn no_net_has_seen_what_it_is_measured_on() {
    let (mut checked, mut lineages) = (0, BTreeSet::new());
    for model in models() {
        let lineage = store().lineage(&model).unwrap();
        lineages.extend(lineage.names().into_iter().map(str::to_owned));
        let protocol = model.card.protocol.unwrap();
        let own = [(protocol, Part::Validation), (protocol, Part::Test)];
        let published = model.card.tests.iter().map(|test| (test.protocol, Part::Test));
        for (protocol, part) in own.into_iter().chain(published) {
            let list = protocol.list().unwrap();
            let overlap = lineage.overlap(part, &list.fingerprint(), list.part(part));
            assert_eq!(overlap, (0, 0), "{} and {protocol}", model.name);
            checked += list.part(part).len();
        }
        // The check works: it finds every image of the network's own training set.
        let list = protocol.list().unwrap();
        let known = lineage.overlap(Part::Test, "", list.part(Part::Train));
        assert_eq!(known.0, list.train.len());
    }
    assert!(checked > 10_000);
    for Model { name, .. } in store().ancestors() {
        assert!(lineages.contains(&name), "no net that ships comes from {name}");
    }
    let output = program(&root().join("target/none"), Path::new("/none"))
        .env("ROR_MODELS", root().join("models"))
        .arg("lineage")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", words(&output));
    assert!(words(&output).contains("both-64px <- both-long-64px <- "));
}

#[test]
fn shipped_models_reach_what_is_promised() {
    let results = PublishedResults::new(&models());
    let reached = |protocol: Protocol, task: &str, metric: Metric| {
        let own = results
            .rows()
            .iter()
            .filter(|r| r.protocol == protocol && r.task == task && r.metric == metric)
            .map(|r| r.value);
        match metric {
            Metric::Mae => own.fold(f64::INFINITY, f64::min),
            _ => own.fold(0.0, f64::max),
        }
    };
    assert!(reached(Protocol::OriginalGender, "gender", Metric::Accuracy) >= 0.92);
    assert!(reached(Protocol::OriginalAge, "age-group", Metric::Accuracy) >= 0.375);
    assert!(reached(Protocol::OriginalAge, "age-group", Metric::OneOff) >= 0.77);
    assert!(reached(Protocol::Random, "years", Metric::Mae) < 4.9);
    assert!(reached(Protocol::Random, "gender", Metric::Accuracy) > 0.93);
    assert!(reached(Protocol::Adults, "years", Metric::Mae) <= 4.45);
}

#[test]
fn networks_predict_by_name() {
    let picture = Faces::synthetic(4, 0).unwrap().picture(2).unwrap();
    let default = Predictor::pretrained().unwrap().predict(&picture).unwrap();
    let small = Predictor::open(&["both-32px"]).unwrap().predict(&picture).unwrap();
    for face in [default, small] {
        assert_eq!(face.groups.len(), 24);
        let sum: f64 = face.groups.iter().map(|(_, p)| p).sum();
        assert!((sum - 1.0).abs() < 1e-6 && (0.0..=116.0).contains(&face.age));
    }
    let alone = format!("{:#}", Predictor::open(&["groups-32px"]).unwrap_err());
    assert!(alone.contains("one for age"), "{alone}");
    let none = format!("{:#}", store().open("nobody").unwrap_err());
    assert!(none.contains("there is no model nobody") && none.contains("groups-32px"), "{none}");
    let card = format!("{:#}", store().open("long-64px").unwrap_err());
    assert!(
        card.contains("are not included") && card.contains("experiments/long-64px.toml"),
        "{card}"
    );
}

#[test]
fn pytorch_computes_the_same_with_the_same_weights() {
    let golden = root().join("tests/golden/logits.json");
    let golden: BTreeMap<String, Vec<Vec<f64>>> =
        serde_json::from_str(&fs::read_to_string(golden).unwrap()).unwrap();
    for model in models() {
        let trained = load(&model);
        let expected = &golden[&trained.card.weights];
        let side = i64::from(trained.net.config().input());
        let pixels =
            (Tensor::arange(2 * side * side * 3, (Kind::Int64, Device::Cpu)) * 7919).remainder(256);
        let pictures = pixels.to_kind(Kind::Uint8).view([2, side, side, 3]);
        let logits =
            Vec::<Vec<f64>>::try_from(trained.net.logits(&pictures).unwrap().to_kind(Kind::Double))
                .unwrap();
        assert_eq!(logits.iter().flatten().count(), expected.iter().flatten().count());
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
    let faces = Faces::open_at(data).unwrap();
    for model in models() {
        let trained = load(&model);
        for test in &trained.card.tests {
            let split = test.protocol.split(&faces).unwrap();
            assert_eq!(split.fingerprint, test.split);
            let measured = trained.evaluate(&faces, &split).unwrap().metrics();
            assert_eq!(measured.len(), test.heads.len());
            for (measured, published) in measured.iter().zip(&test.heads) {
                assert_eq!(measured.pictures, published.pictures);
                let pairs = measured.values().into_iter().zip(published.values());
                for ((metric, now, _), (_, then, _)) in pairs {
                    // Another processor may round differently, which only affects a few images.
                    let reach = if metric == Metric::Mae { 0.01 } else { 0.0015 };
                    assert!(
                        (now.value - then.value).abs() < reach,
                        "{}: {metric:?} {now}, published {then}",
                        model.name
                    );
                }
            }
        }
    }
}

#[test]
fn the_docs_and_the_csv_tell_the_cards_numbers() {
    let results = PublishedResults::new(&models());
    let tasks: Vec<Task> = models().iter().map(|model| model.card.task).collect();
    assert!(results.rows().len() > 12 && tasks.contains(&Task::Both));
    let docs = fs::read_to_string(root().join("docs/accuracy.md")).unwrap();
    assert!(
        results.in_markdown(&docs).unwrap() == docs,
        "docs/accuracy.md has another table: run `./ror results --write`"
    );
    let folder = TempDir::new().unwrap();
    let csv = folder.path().join("results.csv");
    results.write_csv(&csv).unwrap();
    assert!(
        fs::read_to_string(csv).unwrap()
            == fs::read_to_string(root().join("models/results.csv")).unwrap(),
        "models/results.csv has other rows: run `./ror results --write`"
    );
}
