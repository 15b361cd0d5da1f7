//! Our side of every wait, each in a process of its own so that its peak memory is its own:
//! `waits --measure NAME ARGUMENT...` does it and prints a line of JSON.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use c10d::{Group, Store};
use ror::Task;
use ror::data::{Faces, Protocol, Split, SplitSizes, decode};
use ror::experiment::Training;
use ror::predict::detector;
use ror::predict::{FacePrediction, Photo, Predictor};
use ror::store::{Card, ModelStore};
use ror::tch::{Device, Kind, Tensor};
use ror::train::{Augment, Recipe};

use crate::project::{files_in, peak_mb, resident_mb};
use crate::shards;
use crate::table::{Measured, median};

/// Measures one wait.
pub fn measure(name: &str, arguments: &[String]) -> Result<Measured> {
    let argument = |i: usize| arguments.get(i).context("too few arguments");
    let number = |i: usize| -> Result<usize> { Ok(argument(i)?.parse()?) };
    let (mut check, mut peak) = (BTreeMap::new(), f64::NAN);
    let seconds = match name {
        "decode" => {
            let (folder, size) = (argument(0)?, number(1)? as u32);
            let start = Instant::now();
            let pictures = Faces::open_at(folder)?.pictures(size)?;
            let seconds = start.elapsed().as_secs_f64();
            peak = peak_mb(); // before the check
            check.insert("pictures", pictures.size()[0] as f64);
            check.insert("level", mean_level(&pictures)?);
            seconds
        }
        "load" => {
            // libtorch itself is loaded by then: what the pictures add is what counts.
            let _ = Tensor::zeros([1], (Kind::Float, ror::tch::Device::Cpu));
            let before = resident_mb();
            let start = Instant::now();
            let faces = Faces::open_at(argument(0)?)?;
            let pictures = faces.pictures(number(1)? as u32)?;
            let seconds = start.elapsed().as_secs_f64();
            check.insert("resident_mb", resident_mb() - before);
            check.insert("pictures", pictures.size()[0] as f64);
            seconds
        }
        "sum" => all_reduce(number(0)?)?,
        "nccl" => one_rank_on_a_gpu()?,
        "agree" => {
            let (name, n) = (argument(0)?, number(1)? as i64);
            let start = Instant::now();
            let logits = |device| -> Result<Tensor> {
                let net = ModelStore::default().open_on(name, device)?.net;
                let side = i64::from(net.config().input());
                // Every level, in no order of space.
                let pixels = n * side * side * 3;
                let levels = Tensor::arange(pixels, (Kind::Int64, Device::Cpu)) * 7919;
                let levels = levels.remainder(256);
                let pictures = levels.to_kind(Kind::Uint8).view([n, side, side, 3]);
                Ok(net.logits(&pictures)?.to_device(Device::Cpu))
            };
            let apart = (logits(Device::Cpu)? - logits(ror::device())?).abs().max();
            check.insert("difference", apart.double_value(&[]));
            start.elapsed().as_secs_f64()
        }
        "faces" => {
            let faces = Faces::synthetic(number(0)?, 0)?;
            for i in 0..faces.len() {
                std::fs::write(
                    Path::new(argument(1)?).join(format!("{i:05}.jpg")),
                    faces.bytes(i)?,
                )?;
            }
            0.0
        }
        "train" => {
            let (size, batch, steps) = (number(1)? as u32, number(2)?, number(3)?);
            let Card { task, net, parameters, .. } = Card::open(argument(0)?.as_ref())?;
            let net = net.with(BTreeMap::from([("input", size)]))?;
            check.insert("parameters", parameters as f64);
            let faces = Faces::synthetic(8 * batch + 2000, 0)?;
            let sizes = SplitSizes { train: 4 * batch, validation: 200, ..SplitSizes::small() };
            let split = Split::new(&faces, faces.records(), &sizes)?;
            let recipe = Recipe {
                batch,
                augment: Augment::none(),
                ema: 0.0,
                ..Recipe::suited(task, &faces)
            };
            let training = Training::new(&faces, &split, task).net(net).recipe(recipe);
            let ranks = distributed::ranks(training.device_used())?; // under torchrun, several
            median(&training.ranks(ranks).time_steps(steps)?)
        }
        "predict" => {
            let times = number(0)?;
            let files: Vec<PathBuf> = arguments[1..].iter().map(PathBuf::from).collect();
            let predictor = Predictor::pretrained()?;
            let (mut seconds, mut female) = (vec![], 0.0);
            for i in 0..times + 20 {
                let start = Instant::now();
                let bytes = std::fs::read(&files[i % files.len()])?;
                let face = predictor.predict(&decode(&bytes)?)?;
                if i >= 20 {
                    seconds.push(start.elapsed().as_secs_f64());
                    female += face.female / times as f64;
                }
            }
            check.insert("female", female);
            median(&seconds)
        }
        "folder" => {
            let start = Instant::now();
            let files = files_in(argument(0)?)?;
            let faces: Vec<_> = Predictor::pretrained()?
                .predict_files(&files)?
                .into_iter()
                .collect::<Result<_>>()?;
            let seconds = start.elapsed().as_secs_f64();
            let n = faces.len() as f64;
            check.insert("pictures", n);
            check.insert("female", faces.iter().map(|f| f.female).sum::<f64>() / n);
            check.insert("years", faces.iter().map(|f| f.age).sum::<f64>() / n);
            seconds
        }
        "parts" => {
            let (faces, to) = (Faces::open_at(argument(0)?)?, Path::new(argument(1)?));
            let (split, pictures) = (Protocol::OriginalGender.split(&faces)?, faces.pictures(32)?);
            for (name, part) in [("train", &split.train), ("validation", &split.validation)] {
                let rows: Vec<i64> = part.iter().map(|index| *index as i64).collect();
                let chosen = pictures.index_select(0, &Tensor::from_slice(&rows));
                let bytes = Vec::<u8>::try_from(chosen.flatten(0, -1))?;
                std::fs::write(to.join(format!("{name}.pictures")), bytes)?;
                let labels = faces.labels(part)?;
                let female: Vec<u8> = labels.iter().map(|label| label.gender as u8).collect();
                std::fs::write(to.join(format!("{name}.female")), female)?;
            }
            0.0
        }
        "fast" => {
            let (faces, accuracy) = (Faces::open_at(argument(0)?)?, argument(1)?.parse::<f64>()?);
            let split = Protocol::OriginalGender.split(&faces)?;
            let _cached = faces.pictures(32)?;
            let training = Training::new(&faces, &split, Task::Gender).fast();
            let epochs = training.train()?.card.history.epochs;
            let until = |accuracy: f64| {
                let mut seconds = 0.0;
                epochs.iter().find_map(|epoch| {
                    seconds += epoch.seconds;
                    (epoch.validation_accuracy >= accuracy).then_some(seconds)
                })
            };
            for (name, accuracy) in [("until_88", 0.88), ("until_90", 0.9)] {
                check.insert(name, until(accuracy).unwrap_or(f64::MAX));
            }
            let last = epochs.last().context("no epoch")?;
            check.insert("accuracy", last.validation_accuracy);
            check.insert("whole", epochs.iter().map(|epoch| epoch.seconds).sum());
            until(accuracy).context("it never was as good as the original's net")?
        }
        "photo" => {
            let times = number(0)?;
            let files = files_in(argument(1)?)?;
            let (predictor, detector) = (Predictor::pretrained()?, detector()?);
            let (mut seconds, mut photos) = (vec![], vec![]);
            for i in 0..times + 20 {
                let start = Instant::now();
                let photo = predictor.predict_photo(&detector, &files[i % files.len()])?;
                if i >= 20 {
                    seconds.push(start.elapsed().as_secs_f64());
                    photos.push(photo);
                }
            }
            check.extend(what_was_found(&photos));
            median(&seconds)
        }
        "photos" => {
            let start = Instant::now();
            let files = files_in(argument(0)?)?;
            let photos: Vec<Photo> = Predictor::pretrained()?
                .predict_photos(&detector()?, &files, |_| Ok(()))?
                .into_iter()
                .map(|photo| Ok(photo?.0))
                .collect::<Result<_>>()?;
            let seconds = start.elapsed().as_secs_f64();
            check.extend(what_was_found(&photos));
            seconds
        }
        "shards" => return shards::answer(argument(0)?, argument(1)? == "aligned"),
        other => bail!("there is no wait {other}"),
    };
    Ok(Measured {
        name: String::new(),
        seconds,
        peak_mb: if peak.is_nan() { peak_mb() } else { peak },
        check: check.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
    })
}

/// Seconds that an all-reduce of [`GRADIENT`] numbers takes among the ranks of torchrun.
fn all_reduce(times: usize) -> Result<f64> {
    let said = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let wait = Duration::from_secs(60);
    let store = Store::connect(&said("MASTER_ADDR")?, said("MASTER_PORT")?.parse()?, wait)?;
    let (rank, size) = (said("RANK")?.parse()?, said("WORLD_SIZE")?.parse()?);
    let group = Group::new(&store, "bench", rank, size, Device::Cpu, "127.0.0.1", wait)?;
    let mut gradient = Tensor::zeros([GRADIENT], (Kind::Float, Device::Cpu));
    let mut seconds = vec![];
    for i in 0..times + 5 {
        let start = Instant::now();
        group.sum(&mut gradient)?;
        if i >= 5 {
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    Ok(median(&seconds))
}

/// Seconds until a group of one rank has summed and sent on the first GPU, as NCCL should.
fn one_rank_on_a_gpu() -> Result<f64> {
    let device = ror::device_named("cuda")?;
    let wait = Duration::from_secs(60);
    let start = Instant::now();
    let store = Store::serve("127.0.0.1", 0, wait)?;
    let group = Group::new(&store, "bench", 0, 1, device, "127.0.0.1", wait)?;
    let mut tensor = Tensor::ones([GRADIENT], (Kind::Float, device));
    group.sum(&mut tensor)?;
    group.broadcast(&mut tensor, 0)?;
    let sum = tensor.sum(Kind::Double).double_value(&[]);
    ensure!(sum == GRADIENT as f64, "a sum of {sum}, which should be {GRADIENT}");
    Ok(start.elapsed().as_secs_f64())
}

/// As many as a RoR of two blocks a group has: 11 MB in f32.
const GRADIENT: i64 = 2_736_822;

/// Faces a photograph, and the mean of what is predicted for them.
fn what_was_found(photos: &[Photo]) -> [(&'static str, f64); 3] {
    let faces: Vec<_> = photos.iter().flat_map(|photo| &photo.faces).collect();
    let n = faces.len() as f64;
    let mean = |of: fn(&FacePrediction) -> f64| faces.iter().map(|f| of(&f.face)).sum::<f64>() / n;
    [
        ("faces", n / photos.len() as f64),
        ("female", mean(|face| face.female)),
        ("years", mean(|face| face.age)),
    ]
}

/// The mean of u8 pictures, a thousand at a time: as floats they would take four times the memory.
fn mean_level(pictures: &Tensor) -> Result<f64> {
    let n = pictures.size()[0];
    let mut sum = 0.0;
    for from in (0..n).step_by(1000) {
        let some = pictures.narrow(0, from, 1000.min(n - from));
        sum += some.sum(Kind::Int64).double_value(&[]);
    }
    Ok(sum / pictures.numel() as f64)
}
