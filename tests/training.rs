//! Nets learn, are found again, and a training that is killed goes on as if nothing had been.

mod common;

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{faces_folder, place, program, turn, words};
use ror::dataset::{Faces, Plan, Split};
use ror::model::NetConfig;
use ror::train::{Recipe, Stage, Trained, Training, ensemble_answers, named, search};
use ror::{Fit, Predictor, Task, device};
use tempfile::TempDir;

fn drawings(task: Task, train: usize) -> (Faces, Split) {
    place();
    let faces = Faces::synthetic(train * 2, 5).unwrap();
    let plan = Plan {
        train,
        validation: train / 4,
        test: Some(train / 4),
        ..Plan::small(task)
    };
    let split = faces.split(faces.records(), &plan).unwrap();
    (faces, split)
}

fn tiny(outputs: i64) -> NetConfig {
    NetConfig {
        widths: [16, 32, 32, 64],
        dense: 64,
        ..NetConfig::small(outputs)
    }
}

#[test]
fn gender_is_learnt_from_drawings() -> anyhow::Result<()> {
    let _turn = turn();
    let (faces, split) = drawings(Task::Gender, 800);
    let recipe = Recipe {
        epochs: 8,
        batch: 32,
        ..Recipe::quick(Task::Gender)
    };
    let trained = Training::new(&faces, &split)
        .net(tiny(1))
        .recipe(recipe)
        .run()?;
    let epochs = &trained.card.history.epochs;
    assert!(
        epochs[7].train_loss < 0.8 * epochs[0].train_loss,
        "{epochs:?}"
    );
    let evaluation = trained.evaluate(&faces, &split)?;
    let metrics = &evaluation.gender()?.metrics;
    assert!(evaluation.age().is_err());
    assert!(
        metrics.accuracy.low > metrics.baseline.accuracy + 0.05,
        "{metrics}"
    );
    assert!(
        metrics.accuracy.low <= metrics.accuracy.value
            && metrics.accuracy.value <= metrics.accuracy.high
    );
    assert_eq!(metrics.pictures, split.test.len());
    Ok(())
}

#[test]
fn age_is_learnt_from_drawings_starting_from_gender() -> anyhow::Result<()> {
    let _turn = turn();
    let (faces, split) = drawings(Task::age(), 800);
    let gender_split = faces.split(
        faces.records(),
        &Plan {
            task: Task::Gender,
            ..split.plan.clone()
        },
    )?;
    let recipe = Recipe {
        epochs: 2,
        batch: 32,
        ..Recipe::quick(Task::Gender)
    };
    let gender = Training::new(&faces, &gender_split)
        .net(tiny(1))
        .recipe(recipe)
        .run()?;
    let recipe = Recipe {
        epochs: 10,
        batch: 32,
        ..Recipe::quick(Task::age())
    };
    let training = Training::new(&faces, &split).net(tiny(12)).recipe(recipe);

    // Stratified otherwise, a few test pictures of one split can be in the other's training:
    // then the start is refused, never silently used.
    match training.clone().start_from(&gender).run() {
        Ok(age) => assert_eq!(age.card.start.as_ref(), Some(&gender.card.key)),
        Err(error) => assert!(
            format!("{error:#}").contains("of the test pictures"),
            "{error:#}"
        ),
    }
    let age = training.run()?;
    let evaluation = age.evaluate(&faces, &split)?;
    let metrics = &evaluation.age()?.metrics;
    assert!(
        metrics.accuracy.value > metrics.baseline.accuracy + 0.05,
        "{metrics}"
    );
    assert!(metrics.one_off.unwrap().value > metrics.accuracy.value);
    Ok(())
}

#[test]
fn one_net_learns_gender_and_age_on_growing_pictures() -> anyhow::Result<()> {
    let _turn = turn();
    let (faces, split) = drawings(Task::Both, 800);
    let net = tiny(Task::Both.outputs());
    let recipe = Recipe {
        epochs: 10,
        batch: 32,
        progressive: vec![Stage {
            size: 24,
            epochs: 4,
        }],
        expectation: 0.1,
        gender_weight: 4.0,
        ..Recipe::quick(Task::Both)
    };
    let trained = Training::new(&faces, &split)
        .net(net)
        .recipe(recipe)
        .run()?;
    let epochs = &trained.card.history.epochs;
    assert!(epochs.iter().all(|epoch| epoch.validation_mae.is_some()));
    assert_eq!(trained.card.temperatures.len(), 2);
    let evaluation = trained.evaluate(&faces, &split)?;
    let (gender, age) = (&evaluation.gender()?.metrics, &evaluation.age()?.metrics);
    assert!(
        gender.accuracy.value > gender.baseline.accuracy + 0.05,
        "{gender}"
    );
    assert!(
        age.mae.unwrap().value < age.baseline.mae.unwrap() - 0.5,
        "{age}"
    );
    assert!(age.cs5.is_some() && gender.mae.is_none());
    // The same net twice is an ensemble that says the same.
    let card = ror::files::models()
        .join("runs")
        .join(format!("both-{}", trained.card.key))
        .join("card.json");
    let name = card.display().to_string();
    let twice = [named(&name, device())?, named(&name, device())?];
    let answers = ensemble_answers(&twice, &faces, &split.test)?;
    let alone = trained.answers(&faces, &split.test)?;
    for (two, one) in answers.iter().zip(&alone) {
        assert!((two.loss() - one.loss()).abs() < 1e-6);
    }
    Ok(())
}

#[test]
fn a_learning_rate_of_0_changes_no_weight() -> anyhow::Result<()> {
    let _turn = turn();
    let (faces, split) = drawings(Task::Gender, 80);
    let recipe = Recipe {
        epochs: 1,
        batch: 16,
        learning_rate: 0.0,
        seed: 0,
        ..Recipe::report(Task::Gender)
    };
    let trained = Training::new(&faces, &split)
        .net(tiny(1))
        .recipe(recipe)
        .run()?;
    let first = ror::model::Net::new(&tiny(1), ror::tch::Device::Cpu, 0)?;
    for (name, value) in first.variables() {
        let same = trained.net.variables()[&name].equal(&value);
        assert_eq!(same, !name.contains("running"), "{name}");
    }
    Ok(())
}

#[test]
fn the_same_setting_is_loaded_another_is_trained() -> anyhow::Result<()> {
    let _turn = turn();
    let (faces, split) = drawings(Task::Gender, 80);
    let recipe = Recipe {
        epochs: 1,
        batch: 16,
        seed: 77,
        ..Recipe::report(Task::Gender)
    };
    let training = Training::new(&faces, &split).net(tiny(1)).recipe(recipe);
    let first = training.run()?;
    let again = training.run()?;
    assert!(!first.loaded && again.loaded);
    assert_eq!(
        (&first.card.key, &first.card.weights_sha256),
        (&again.card.key, &again.card.weights_sha256)
    );
    assert!(!training.clone().retrain(true).run()?.loaded);
    assert!(!training.clone().epochs(2).run()?.loaded);
    assert!(!training.clone().batch(20).run()?.loaded);

    let other = faces.split(
        faces.records(),
        &Plan {
            seed: 9,
            ..split.plan.clone()
        },
    )?;
    let refused = format!("{:#}", again.evaluate(&faces, &other).unwrap_err());
    assert!(refused.contains("another split"), "{refused}");
    Ok(())
}

#[test]
fn a_search_compares_every_setting() -> anyhow::Result<()> {
    let _turn = turn();
    let (faces, split) = drawings(Task::Gender, 80);
    let recipe = Recipe {
        epochs: 1,
        ..Recipe::report(Task::Gender)
    };
    let found = search(&faces, &split, &tiny(1), &recipe, &[16, 32], &[1e-3, 1e-4])?;
    let table = found.table()?;
    assert_eq!(table.height(), 4);
    let accuracies = table.column("validation accuracy")?.f64()?.clone();
    let best = accuracies.iter().flatten().fold(0.0, f64::max);
    assert_eq!(found.best.card.validation[0].accuracy.value, best);
    assert!(found.plot()?.svg().contains("Learning rate"));
    assert!(search(&faces, &split, &tiny(1), &recipe, &[], &[1e-3]).is_err());
    Ok(())
}

#[test]
fn prediction_trains_the_net_that_is_asked_for() -> anyhow::Result<()> {
    let _turn = turn();
    place();
    let folder = faces_folder(300);
    let faces = Faces::at(folder.path())?;
    let fit = |epochs| {
        Some(Fit {
            batch: 32,
            epochs,
            learning_rate: 1e-3,
        })
    };
    let predictor = Predictor::with(&faces, fit(1), fit(1))?;
    let prediction = predictor.predict(&faces, 7)?;
    let label = faces.record(7)?.label;
    let lines: Vec<String> = prediction.to_string().lines().map(str::to_owned).collect();
    assert_eq!(lines[0], format!("True gender: {}", label.gender.name()));
    assert!(["Predict gender: male", "Predict gender: female"].contains(&lines[1].as_str()));
    assert_eq!(lines[2], format!("True Age: {}", label.age));
    assert!(
        lines[3].starts_with("Predict age group: ") && lines[3].contains(" - ") && lines.len() == 4
    );
    let total: f64 = prediction.answer.groups.iter().map(|(_, p)| p).sum();
    assert!((total - 1.0).abs() < 1e-5);
    assert!(prediction.to_html().contains("data:image/jpeg;base64,"));

    let cards: Vec<Trained> = ["gender", "age"]
        .iter()
        .flat_map(|task| {
            let runs = fs::read_dir(ror::files::models().join("runs")).unwrap();
            runs.flatten()
                .map(|e| e.path().join("card.json"))
                .filter(|p| p.exists() && p.display().to_string().contains(&format!("/{task}-")))
                .collect::<Vec<_>>()
        })
        .map(|path| Trained::load(&path, ror::tch::Device::Cpu).unwrap())
        .collect();
    for task in [Task::Gender, Task::age()] {
        let wanted = |t: &&Trained| {
            t.card.task == task
                && t.card.recipe.batch == 32
                && t.card.data.fingerprint == faces.fingerprint()
        };
        assert_eq!(cards.iter().filter(wanted).count(), 1, "{task}");
    }
    Ok(())
}

/// The history of the only run in a place.
fn history(place: &TempDir) -> Option<serde_json::Value> {
    let runs = fs::read_dir(place.path().join("models").join("runs")).ok()?;
    let card = runs.flatten().next()?.path().join("card.json");
    let card: serde_json::Value = serde_json::from_str(&fs::read_to_string(card).ok()?).ok()?;
    Some(card["history"]["epochs"].clone())
}

#[test]
fn a_training_killed_in_an_epoch_goes_on_from_the_last_whole_one() {
    let _turn = turn();
    let folder = faces_folder(1_200);
    let train = [
        "train", "gender", "--net", "small", "--epochs", "6", "--batch", "8",
    ];
    let (whole, killed) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let run = |place: &TempDir| {
        program(place.path(), folder.path())
            .args(train)
            .output()
            .unwrap()
    };
    let output = run(&whole);
    assert!(output.status.success(), "{}", words(&output));

    let mut child = program(killed.path(), folder.path())
        .args(train)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let note = || {
        let runs = fs::read_dir(killed.path().join("models").join("runs")).ok()?;
        let path = runs.flatten().next()?.path().join("checkpoint.json");
        let note: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?;
        note["history"]["epochs"].as_array().map(Vec::len)
    };
    let start = Instant::now();
    while note().unwrap_or(0) < 2 {
        assert!(
            start.elapsed() < Duration::from_secs(240),
            "no second epoch"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    // Somewhere in a later epoch.
    std::thread::sleep(Duration::from_millis(150));
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    let done = note().expect("a whole checkpoint");
    assert!((2..6).contains(&done), "killed too late: {done} epochs");

    let output = run(&killed);
    assert!(output.status.success(), "{}", words(&output));
    assert!(
        words(&output).contains(&format!("going on after epoch {done}")),
        "{}",
        words(&output)
    );

    // What can be looked at meanwhile holds each epoch once, also after the interruption.
    let run = fs::read_dir(killed.path().join("models").join("runs"))
        .unwrap()
        .flatten()
        .next()
        .unwrap()
        .path();
    let rows = fs::read_to_string(run.join("history.csv")).unwrap();
    assert_eq!(rows.lines().count(), 1 + 6);
    let events: Vec<_> = fs::read_dir(&run)
        .unwrap()
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().contains("tfevents"))
        .collect();
    assert_eq!(events.len(), 1);
    let bytes = fs::read(events[0].path()).unwrap();
    let tag = b"loss/validation";
    let found = bytes.windows(tag.len()).filter(|w| w == tag).count();
    assert_eq!(found, 6, "one value an epoch");

    let (a, b) = (history(&whole).unwrap(), history(&killed).unwrap());
    let (a, b) = (a.as_array().unwrap(), b.as_array().unwrap());
    assert_eq!(a.len(), 6);
    assert_eq!(b.len(), 6);
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert_eq!(b["epoch"], i + 1, "a hole in the history");
        for value in ["train_loss", "validation_loss"] {
            let (a, b) = (a[value].as_f64().unwrap(), b[value].as_f64().unwrap());
            assert!(
                (a - b).abs() < 0.05 * a,
                "epoch {}: {value} {a} without the kill, {b} with it",
                i + 1
            );
        }
    }
    // Nothing is left half-written, nor a checkpoint of what has finished.
    let run = fs::read_dir(killed.path().join("models").join("runs"))
        .unwrap()
        .flatten()
        .next()
        .unwrap()
        .path();
    let mut names: Vec<String> = fs::read_dir(&run)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.contains("tfevents"))
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["card.json", "card.safetensors", "history.csv", "lock"]
    );
    Trained::load(&run.join("card.json"), ror::tch::Device::Cpu).unwrap();
}
