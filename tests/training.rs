//! Nets learn, are found again, and a training that is killed goes on as if nothing had been.

mod common;

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{faces_folder, place, turn};
use ror::data::{Faces, Part, Protocol, Split, SplitSizes};
use ror::experiment::Training;
use ror::metrics::Metric;
use ror::model::{Architecture, Linear, Network, Params, RorConfig, Tap};
use ror::predict::Predictor;
use ror::store::{ModelStore, Trained, ensemble};
use ror::tch::{Kind, Tensor};
use ror::train::{Recipe, Stage};
use ror::{Precision, Task, device};
use serde::{Deserialize, Serialize};

fn sizes(train: usize, seed: u64) -> SplitSizes {
    SplitSizes { train, validation: train / 4, test: Some(train / 4), seed }
}

fn synthetic_split(train: usize) -> (Faces, Split) {
    place();
    let faces = Faces::synthetic(train * 2, 5).unwrap();
    let split = Split::new(&faces, faces.records(), &sizes(train, 0)).unwrap();
    (faces, split)
}

fn tiny(outputs: i64) -> RorConfig {
    RorConfig { widths: [16, 32, 32, 64], dense: 64, ..RorConfig::small(outputs) }
}

#[test]
fn gender_is_learnt_from_synthetic_faces() -> anyhow::Result<()> {
    let _turn = turn();
    let (faces, split) = synthetic_split(800);
    let recipe = Recipe { epochs: 8, batch: 32, ..Recipe::quick(Task::Gender) };
    let trained =
        Training::new(&faces, &split, Task::Gender).net(tiny(1)).recipe(recipe).train_or_load()?;
    let epochs = &trained.card.history.epochs;
    assert!(epochs[7].train_loss < 0.8 * epochs[0].train_loss, "{epochs:?}");
    let evaluation = trained.evaluate(&faces, &split)?;
    let metrics = &evaluation.gender()?.metrics;
    assert!(evaluation.age().is_err());
    assert!(metrics.accuracy.low > metrics.constant(Metric::Accuracy).unwrap() + 0.05, "{metrics}");
    assert!(
        metrics.accuracy.low <= metrics.accuracy.value
            && metrics.accuracy.value <= metrics.accuracy.high
    );
    assert_eq!(metrics.pictures, split.test.len());
    Ok(())
}

#[test]
fn age_is_learnt_starting_from_gender_and_what_that_has_seen_is_refused() -> anyhow::Result<()> {
    let _turn = turn();
    let (faces, split) = synthetic_split(800);
    let recipe = Recipe { epochs: 2, batch: 32, ..Recipe::quick(Task::Gender) };
    let gender =
        Training::new(&faces, &split, Task::Gender).net(tiny(1)).recipe(recipe).train_or_load()?;
    let recipe = Recipe { epochs: 10, batch: 32, ..Recipe::quick(Task::age_group()) };
    let train = |split: &Split| {
        Training::new(&faces, split, Task::age_group())
            .net(tiny(12))
            .recipe(recipe.clone())
            .start_from(&gender)
            .train_or_load()
    };
    let age = train(&split)?;
    assert_eq!(age.card.start.as_ref(), Some(&gender.card.key));
    assert_eq!(age.lineage()?.names().len(), 2);
    let evaluation = age.evaluate(&faces, &split)?;
    let metrics = &evaluation.age()?.metrics;
    assert!(
        metrics.accuracy.value > metrics.constant(Metric::Accuracy).unwrap() + 0.05,
        "{metrics}"
    );
    assert!(metrics.one_off.unwrap().value > metrics.accuracy.value);

    // Planted leaks: a picture of the start's training in the test part, then in the validation
    // part; one of its validation part in the test part.
    let moved = |from: Part, to: Part| {
        let mut leaky = split.clone();
        let taken = split.part(from)[0];
        leaky.train.retain(|i| *i != taken);
        leaky.validation.retain(|i| *i != taken);
        match to {
            Part::Validation => leaky.validation.push(taken),
            _ => leaky.test.push(taken),
        }
        leaky.fingerprint = leaky.contents(&faces).unwrap().fingerprint();
        leaky
    };
    for (from, to, says) in [
        (Part::Train, Part::Test, "trained on 1 and selected on 0 of the 201 test"),
        (Part::Train, Part::Validation, "trained on 1 and selected on 200 of the 201 validation"),
        (Part::Validation, Part::Test, "trained on 0 and selected on 1 of the 201 test"),
    ] {
        let leaky = moved(from, to);
        let refused = match to {
            // Whatever the validation part holds, the start's own is not new to it.
            Part::Test => gender.check_unseen(&faces, &leaky, &[Part::Test]),
            _ => gender.check_unseen(&faces, &leaky, &[Part::Validation]),
        };
        let refused = format!("{:#}", refused.unwrap_err());
        assert!(refused.contains(says), "{refused}");
        assert!(train(&leaky).is_err());
    }
    Ok(())
}

/// From labels that say nothing, one learns from a teacher alone.
#[test]
fn a_teacher_teaches_and_belongs_to_the_lineage() -> anyhow::Result<()> {
    let _turn = turn();
    let (faces, split) = synthetic_split(800);
    let recipe = Recipe { epochs: 8, batch: 32, ..Recipe::quick(Task::Gender) };
    let teachers = [Training::new(&faces, &split, Task::Gender)
        .net(tiny(1))
        .recipe(recipe.clone())
        .train_or_load()?];
    let student = |labels: f64, distillation: f64, teachers| {
        // A smoothing this close to 1 leaves next to nothing of a label.
        let recipe = Recipe { label_smoothing: labels, distillation, seed: 1, ..recipe.clone() };
        let training = Training::new(&faces, &split, Task::Gender).net(tiny(1)).recipe(recipe);
        training.teachers(teachers).train_or_load()
    };
    let taught = student(0.9999, 1.0, &teachers)?;
    assert_eq!(taught.card.teachers, [teachers[0].card.key.clone()]);
    assert_eq!(taught.lineage()?.names().len(), 2);
    let accuracy = |net: &Trained| {
        let evaluation = net.evaluate(&faces, &split).unwrap();
        evaluation.gender().unwrap().metrics.accuracy.value
    };
    let (own, by_labels) = (accuracy(&taught), accuracy(&teachers[0]));
    assert!(own > by_labels - 0.06, "taught: {own}, its teacher: {by_labels}");
    let error = |result: anyhow::Result<Trained>| result.unwrap_err().to_string();
    assert!(error(student(0.1, 0.0, &teachers)).contains("set both or neither"));
    assert!(error(student(0.1, 0.5, &[])).contains("with 0 teachers"));
    let shared = Recipe { distillation: 0.5, epochs: 1, ..recipe.clone() };
    let training = |split| Training::new(&faces, split, Task::Gender).recipe(shared.clone());
    let with_input = |input| RorConfig { input, ..tiny(1) };
    // A teacher may have a smaller or a larger input.
    for side in [40, 24] {
        training(&split).net(with_input(side)).teachers(&teachers).train_or_load()?;
    }
    assert!(!training(&split).net(tiny(1)).teachers(&teachers).is_plain());

    // What a teacher has seen is neither validation nor test of another split.
    let mut leaky = split.clone();
    leaky.test.push(leaky.train.pop().unwrap());
    leaky.fingerprint = leaky.contents(&faces)?.fingerprint();
    let refused = training(&leaky).net(tiny(1)).teachers(&teachers).train_or_load().unwrap_err();
    let refused = format!("{refused:#}");
    assert!(refused.contains("use the split it was trained on"), "{refused}");
    Ok(())
}

/// A net of one's own: the mean colour decides. It counts its passes.
#[derive(Debug, Serialize, Deserialize)]
struct Counted {
    outputs: i64,
}

impl Counted {
    const ONE: Self = Self { outputs: 1 };
}

static PASSES: AtomicUsize = AtomicUsize::new(0);

impl Architecture for Counted {
    const NAME: &'static str = "counted";
    fn input(&self) -> u32 {
        32
    }
    fn outputs(&self) -> i64 {
        self.outputs
    }
    fn build(&self, params: &Params) -> anyhow::Result<Box<dyn Network>> {
        Ok(Box::new(Head(Linear::new(&params.sub("head"), 3, self.outputs)?)))
    }
}

#[derive(Debug)]
struct Head(Linear);

impl Network for Head {
    fn forward(&self, x: &Tensor, _train: bool, _tap: Tap) -> anyhow::Result<Tensor> {
        PASSES.fetch_add(1, Ordering::Relaxed);
        self.0.forward(&x.f_mean_dim([2i64, 3].as_slice(), false, Kind::Float)?)
    }
}

#[test]
fn steps_are_timed_with_their_teachers() -> anyhow::Result<()> {
    let _turn = turn();
    let (faces, split) = synthetic_split(80);
    let training = Training::new(&faces, &split, Task::Gender).batch(16).epochs(1);
    let teachers = [training.clone().net(Counted::ONE).train_or_load()?];
    let recipe = Recipe { batch: 16, distillation: 0.5, ..Recipe::quick(Task::Gender) };
    let training = training.net(tiny(1)).recipe(recipe).teachers(&teachers);
    // With one thread, no number of threads is chosen on a busy machine, which takes more steps.
    let threads = ror::tch::get_num_threads();
    ror::tch::set_num_threads(1);
    PASSES.store(0, Ordering::Relaxed);
    let timed = training.time_steps(2);
    ror::tch::set_num_threads(threads);
    assert_eq!(timed?.len(), 2);
    assert_eq!(PASSES.load(Ordering::Relaxed), 5); // three warm up
    Ok(())
}

#[test]
fn one_net_learns_gender_and_age_on_growing_pictures() -> anyhow::Result<()> {
    let _turn = turn();
    let (faces, split) = synthetic_split(800);
    let net = tiny(Task::Both.outputs());
    let recipe = Recipe {
        epochs: 10,
        batch: 32,
        progressive: vec![Stage { size: 24, epochs: 4 }],
        expectation: 0.1,
        gender_weight: 4.0,
        ..Recipe::quick(Task::Both)
    };
    let trained =
        Training::new(&faces, &split, Task::Both).net(net).recipe(recipe).train_or_load()?;
    let epochs = &trained.card.history.epochs;
    assert!(epochs.iter().all(|epoch| epoch.validation_mae.is_some()));
    assert_eq!(trained.card.temperatures.len(), 2);
    let evaluation = trained.evaluate(&faces, &split)?;
    let (gender, age) = (&evaluation.gender()?.metrics, &evaluation.age()?.metrics);
    assert!(gender.accuracy.value > gender.constant(Metric::Accuracy).unwrap() + 0.05, "{gender}");
    assert!(age.mae.unwrap().value < age.constant(Metric::Mae).unwrap() - 0.5, "{age}");
    assert!(age.cs5.is_some() && gender.mae.is_none());
    // The same net twice is an ensemble that predicts the same.
    let store = ModelStore::default();
    let name = format!("both-{}", trained.card.key);
    let twice = [store.open(&name)?, store.open_on(&name, device())?];
    let together = ensemble(&twice, &faces, &split.test)?;
    let alone = trained.predict(&faces, &split.test)?;
    for (two, one) in together.iter().zip(&alone) {
        let (two, one) = (two.probabilities.concat(), one.probabilities.concat());
        assert!(two.iter().zip(&one).all(|(two, one)| (two - one).abs() < 1e-6));
    }
    Ok(())
}

#[test]
fn a_learning_rate_of_0_changes_no_weight() -> anyhow::Result<()> {
    let _turn = turn();
    let (faces, split) = synthetic_split(80);
    let recipe = Recipe {
        epochs: 1,
        batch: 16,
        learning_rate: 0.0,
        seed: 0,
        ..Recipe::report(Task::Gender)
    };
    let trained =
        Training::new(&faces, &split, Task::Gender).net(tiny(1)).recipe(recipe).train_or_load()?;
    let first = ror::model::Net::new(tiny(1), ror::tch::Device::Cpu, 0)?;
    for (name, value) in first.variables() {
        let same = trained.net.variables()[&name].equal(&value);
        assert_eq!(same, !name.contains("running"), "{name}");
    }
    Ok(())
}

#[test]
fn the_same_setting_is_loaded_another_is_trained() -> anyhow::Result<()> {
    let _turn = turn();
    let (faces, split) = synthetic_split(80);
    let recipe = Recipe { epochs: 1, batch: 16, seed: 77, ..Recipe::report(Task::Gender) };
    let training = Training::new(&faces, &split, Task::Gender).net(tiny(1)).recipe(recipe);
    let first = training.train_or_load()?;
    let again = training.train_or_load()?;
    assert!(!first.loaded && again.loaded);
    assert_eq!(
        (&first.card.key, &first.card.weights_sha256),
        (&again.card.key, &again.card.weights_sha256)
    );
    assert!(!training.clone().train()?.loaded);
    assert!(!training.clone().epochs(2).train_or_load()?.loaded);
    assert!(!training.clone().batch(20).train_or_load()?.loaded);

    let other = Split::new(&faces, faces.records(), &sizes(80, 9))?;
    let refused = format!("{:#}", again.evaluate(&faces, &other).unwrap_err());
    assert!(refused.contains("was trained on"), "{refused}");
    Ok(())
}

/// Two trainings of one key would write the same files: `train` is refused while the first runs.
#[test]
fn the_same_training_does_not_run_twice_at_once() -> anyhow::Result<()> {
    let _turn = turn();
    let (faces, split) = synthetic_split(80);
    let recipe = Recipe { epochs: 1, batch: 16, seed: 9, ..Recipe::report(Task::Gender) };
    let training = Training::new(&faces, &split, Task::Gender).net(tiny(1)).recipe(recipe);
    let run = ModelStore::default().runs().join(format!("gender-{}", training.key()?));
    fs::create_dir_all(&run)?;
    let lock = fs::File::create(run.join("lock"))?;
    lock.lock()?;
    let refused = format!("{:#}", training.train().unwrap_err());
    assert!(refused.contains("running in another notebook"), "{refused}");
    drop(lock);
    assert!(!training.train_or_load()?.loaded);
    Ok(())
}

/// A net that is trained again is replaced in one step: its card never names weights that are
/// gone.
#[test]
fn retraining_replaces_weights_and_card_together() -> anyhow::Result<()> {
    let _turn = turn();
    let (faces, split) = synthetic_split(80);
    let recipe = Recipe { epochs: 1, batch: 16, seed: 5, ..Recipe::report(Task::Gender) };
    let training = Training::new(&faces, &split, Task::Gender).net(tiny(1)).recipe(recipe);
    let first = training.train_or_load()?;
    let second = training.clone().train()?;
    assert!(!second.loaded && second.card.weights != first.card.weights);
    assert!(training.train_or_load()?.loaded);
    let run = ModelStore::default().runs().join(format!("gender-{}", first.card.key));
    let weights: Vec<String> = fs::read_dir(&run)?
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".safetensors"))
        .collect();
    assert_eq!(weights, [second.card.weights]);
    Ok(())
}

/// Whatever decides the net is in its key.
#[test]
fn the_key_depends_on_everything_that_decides_the_net() -> anyhow::Result<()> {
    let _turn = turn();
    let (faces, split) = synthetic_split(80);
    let training = Training::new(&faces, &split, Task::Gender).net(tiny(1));
    let key = training.key()?;
    assert_eq!(key, training.clone().command("other words").key()?);
    let recipe = Recipe::quick(Task::Gender);
    let changed = |change: fn(&mut Recipe)| {
        let mut recipe = recipe.clone();
        change(&mut recipe);
        training.clone().recipe(recipe).key().unwrap()
    };
    assert_eq!(changed(|_| {}), key);
    #[derive(Debug)]
    struct Own;
    impl ror::train::Augmentation for Own {
        fn id(&self) -> String {
            "own".to_owned()
        }
        fn apply(&self, x: &ror::tch::Tensor) -> anyhow::Result<ror::tch::Tensor> {
            Ok(x.shallow_clone())
        }
    }
    let other_split = Split::new(&faces, faces.records(), &sizes(80, 1))?;
    let keys = [
        changed(|r| r.augment.rotation = 0.1),
        changed(|r| r.augment.erased_size[1] = 0.3),
        changed(|r| r.seed = 1),
        changed(|r| r.warm_up = 0.2),
        training.clone().net(tiny(1).clone()).epochs(7).key()?,
        training.clone().net(RorConfig { pool: 1, ..tiny(1) }).key()?,
        training.clone().augmentation(Own).key()?,
        training.clone().precision(Precision::Bf16).key()?,
        training.clone().precision(Precision::F32).key()?,
        Training::new(&faces, &other_split, Task::Gender).net(tiny(1)).key()?,
    ];
    for (i, other) in keys.iter().enumerate() {
        assert_ne!(*other, key, "change {i}");
        assert!(!keys[..i].contains(other), "change {i} has the key of another");
    }
    Ok(())
}

#[test]
fn a_search_compares_every_setting() -> anyhow::Result<()> {
    let _turn = turn();
    let (faces, split) = synthetic_split(80);
    let recipe = Recipe { epochs: 1, ..Recipe::report(Task::Gender) };
    let training = Training::new(&faces, &split, Task::Gender).net(tiny(1)).recipe(recipe);
    let found = training.search(&[16, 32], &[1e-3, 1e-4])?;
    let table = found.table()?;
    assert_eq!(table.height(), 4);
    let accuracies = table.column("validation accuracy")?.f64()?.clone();
    let best = accuracies.iter().flatten().fold(0.0, f64::max);
    assert_eq!(found.best.card.validation[0].accuracy.value, best);
    assert!(found.plot()?.figure()?.svg().contains("Learning rate"));
    assert!(training.search(&[], &[1e-3]).is_err());
    Ok(())
}

#[test]
fn prediction_trains_the_net_that_is_asked_for() -> anyhow::Result<()> {
    let _turn = turn();
    place();
    let folder = faces_folder(300);
    let faces = Faces::open_at(folder.path())?;
    let recipe = Recipe { batch: 32, epochs: 1, learning_rate: 1e-3, ..Recipe::report(Task::Both) };
    let predictor = Predictor::by_recipe(&faces, recipe)?;
    let prediction = predictor.predict_index(&faces, 7)?;
    let label = faces.record(7)?.label;
    let lines: Vec<String> = prediction.to_string().lines().map(str::to_owned).collect();
    assert_eq!(lines[0], format!("True gender: {}", label.gender.name()));
    assert!(["Predict gender: male", "Predict gender: female"].contains(&lines[1].as_str()));
    assert_eq!(lines[2], format!("True Age: {}", label.age));
    assert_eq!(lines[3], format!("Predict age group: {}", prediction.face.age_group));
    assert!(lines.len() == 4 && prediction.true_group().is_some() && prediction.note().is_none());
    let total: f64 = prediction.face.groups.iter().map(|(_, p)| p).sum();
    assert!((total - 1.0).abs() < 1e-5);

    let cards = ModelStore::default().all();
    let wanted = |t: &&ror::store::Model| {
        t.card.task == Task::Both
            && t.card.recipe.batch == 32
            && t.card.data.fingerprint == faces.fingerprint()
    };
    assert_eq!(cards.iter().filter(wanted).count(), 1);

    // The original's age network ends at 60 years.
    let ages = Task::age_group();
    let split = Protocol::OriginalAge.split(&faces)?;
    let ages = Training::new(&faces, &split, ages).net(tiny(ages.outputs())).epochs(1).train()?;
    let split = Protocol::OriginalGender.split(&faces)?;
    let gender = Training::new(&faces, &split, Task::Gender).net(tiny(1)).epochs(1).train()?;
    let pair = Predictor::new(vec![gender, ages])?;
    let old = (0..faces.len()).find(|index| faces.record(*index).unwrap().label.age > 60).unwrap();
    let old = pair.predict_index(&faces, old as i64)?;
    assert!(old.true_group().is_none(), "{old}");
    assert!(old.note().unwrap().contains("0 to 60 years"), "{:?}", old.note());
    Ok(())
}
