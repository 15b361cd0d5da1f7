//! Bad input: each kind has a clear error that names the cause, and the program never aborts.

#[path = "../../../tests/common/mod.rs"]
mod common;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use common::{faces_folder, place, program, words};
use flate2::Compression;
use flate2::write::GzEncoder;
use ror::data::Faces;
use ror::model::{Architecture, Net, Network, Params, RorConfig};
use ror::predict::Predictor;
use ror::store::{ModelStore, Trained};
use ror::tch::{Device, Tensor, no_grad};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Returns an error with all its causes.
fn message<T: std::fmt::Debug>(result: anyhow::Result<T>) -> String {
    format!("{:#}", result.expect_err("this must be refused"))
}

fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

/// Writes an archive of synthetic faces; `name` makes each member's name.
fn archive(path: &Path, n: usize, name: impl Fn(&str) -> String) {
    let folder = faces_folder(n);
    let mut tar =
        tar::Builder::new(GzEncoder::new(File::create(path).unwrap(), Compression::fast()));
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let bytes = fs::read(entry.path()).unwrap();
        let mut header = tar::Header::new_gnu();
        let name = name(&entry.file_name().to_string_lossy());
        // Written raw, because the library rejects names with `..`.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, &bytes[..]).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap();
}

#[test]
fn no_data_set() {
    place();
    assert_says(
        &message(Faces::open_at("/no/such/UTKFace.tar.gz")),
        &["/no/such/UTKFace.tar.gz", "data/README.md"],
    );
    let output = program(place(), Path::new("/no/such/folder")).arg("data").output().unwrap();
    assert!(!output.status.success());
    assert_says(&words(&output), &["ROR_DATA", "/no/such/folder"]);
}

#[test]
fn an_empty_folder() {
    place();
    let folder = TempDir::new().unwrap();
    assert_says(
        &message(Faces::open_at(folder.path())),
        &["no image named", &folder.path().display().to_string()],
    );
}

#[test]
fn a_whole_archive_opens_and_a_truncated_one_does_not() {
    let (place, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let data = |set: &Path| {
        let output = program(place.path(), set).arg("data").output().unwrap();
        (output.status.success(), words(&output))
    };
    let whole = folder.path().join("UTKFace.tar.gz");
    archive(&whole, 40, |name| format!("UTKFace/{name}"));
    let (done, said) = data(&whole);
    assert!(done && said.contains("40 images"), "{said}");

    let bytes = fs::read(&whole).unwrap();
    for (n, length) in [bytes.len() / 2, bytes.len() - 10, 5].into_iter().enumerate() {
        let cut = folder.path().join(format!("cut-{n}.tar.gz"));
        fs::write(&cut, &bytes[..length]).unwrap();
        let (done, said) = data(&cut);
        assert!(!done, "{said}");
        assert_says(&said, &["truncated or damaged", "download it again"]);
    }
    let names = fs::read_dir(place.path().join("cache")).unwrap();
    let names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    let count = |part: &str| names.iter().filter(|name| name.contains(part)).count();
    let left = "half-unpacked archives stay behind";
    assert_eq!((count("unpacked-"), count("unpacking-")), (1, 0), "{left}: {names:?}");
}

#[test]
fn an_archive_whose_members_climb_out() {
    place();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("evil.tar.gz");
    archive(&path, 3, |name| format!("../../{name}"));
    assert_says(&message(Faces::open_at(&path)), &["outside the folder", "../"]);
}

#[test]
fn names_that_do_not_parse_are_listed() {
    place();
    let folder = faces_folder(5);
    fs::write(folder.path().join("holiday.jpg"), b"x").unwrap();
    let faces = Faces::open_at(folder.path()).unwrap();
    assert_eq!((faces.len(), faces.unparsed()), (5, &["holiday.jpg".to_owned()][..]));
    assert_says(&faces.to_string(), &["1 file left out", "holiday.jpg"]);
}

#[test]
fn a_truncated_picture_among_many() {
    place();
    let folder = faces_folder(30);
    let faces = Faces::open_at(folder.path()).unwrap();
    let file = faces.record(7).unwrap().file.clone();
    let bytes = fs::read(folder.path().join(&file)).unwrap();
    for length in [bytes.len() / 2, bytes.len() - 2, 3, 0] {
        fs::write(folder.path().join(&file), &bytes[..length]).unwrap();
        let faces = Faces::open_at(folder.path()).unwrap();
        assert_says(&message(faces.pictures(32)), &["1 of 30 images", &file]);
        assert_says(&message(faces.picture(7)), &["image 7", &file]);
    }
}

#[test]
fn a_picture_on_which_the_decoder_panics() {
    place();
    let folder = faces_folder(30);
    let faces = Faces::open_at(folder.path()).unwrap();
    let file = faces.record(7).unwrap().file.clone();
    fs::copy(Path::new(common::ROOT).join("tests/photos/panics.jpg"), folder.path().join(&file))
        .unwrap();
    let faces = Faces::open_at(folder.path()).unwrap();
    assert_says(&message(faces.pictures(32)), &["1 of 30 images", &file, "decoder panicked"]);
    assert_says(&message(faces.picture(7)), &["image 7", &file, "decoder panicked"]);
    let (_folder, card) = changed_card(|_| {});
    let predictor = Predictor::new(vec![Trained::open(&card, Device::Cpu).unwrap()]).unwrap();
    let all = predictor.predict_records(&faces, faces.records());
    for error in [message(all), message(predictor.predict_index(&faces, 7))] {
        assert_says(&error, &["image 7", &file, "decoder panicked"]);
    }
}

#[test]
fn an_index_outside_the_set() {
    let faces = Faces::synthetic(50, 0).unwrap();
    assert_says(&message(faces.picture(50)), &["no image 50", "indices 0 to 49"]);
    let folder = faces_folder(120);
    for index in ["-1", "23708"] {
        let output = program(place(), folder.path()).args(["predict", index]).output().unwrap();
        assert!(!output.status.success());
        assert_says(&words(&output), &[&format!("no image {index}"), "indices 0 to 119"]);
    }
}

#[test]
fn weights_of_another_shape_cut_off_or_missing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("net.safetensors");
    let config = RorConfig::small(1);
    Net::new(config.clone(), Device::Cpu, 0).unwrap().save(&path, false).unwrap();
    assert!(Net::open(config.clone(), &path, Device::Cpu).is_ok());

    let wider = RorConfig { dense: 128, ..config.clone() };
    assert_says(
        &message(Net::open(wider.clone(), &path, Device::Cpu)),
        &["not a network of this shape", "dense.", "128"],
    );
    let deeper = RorConfig { blocks: [2, 1, 1, 1], ..config.clone() };
    assert_says(
        &message(Net::open(deeper.clone(), &path, Device::Cpu)),
        &["it has no tensor groups.0.blocks.1"],
    );
    let shallower = RorConfig { root_shortcut: false, ..config.clone() };
    assert_says(
        &message(Net::open(shallower.clone(), &path, Device::Cpu)),
        &["unknown tensors", "root.weight"],
    );

    let bytes = fs::read(&path).unwrap();
    for length in [bytes.len() / 2, 4, 0] {
        fs::write(&path, &bytes[..length]).unwrap();
        assert_says(
            &message(Net::open(config.clone(), &path, Device::Cpu)),
            &["net.safetensors", "truncated"],
        );
    }
    fs::remove_file(&path).unwrap();
    assert_says(
        &message(Net::open(config.clone(), &path, Device::Cpu)),
        &["net.safetensors", "missing"],
    );
}

/// Copies the default model and changes its card.
fn changed_card(change: impl FnOnce(&mut Value)) -> (TempDir, std::path::PathBuf) {
    let folder = TempDir::new().unwrap();
    let shipped = Path::new(common::ROOT).join("models");
    for name in ["both-64px.json", "both-64px.safetensors"] {
        fs::copy(shipped.join(name), folder.path().join(name)).unwrap();
    }
    let path = folder.path().join("both-64px.json");
    let mut card: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut card);
    fs::write(&path, card.to_string()).unwrap();
    (folder, path)
}

#[test]
fn a_card_that_no_net_can_have() {
    place();
    let (_folder, good) = changed_card(|_| {});
    assert!(Trained::open(&good, Device::Cpu).is_ok());
    for (field, value, says) in [
        ("temperatures", json!([1.0, 0.0]), &["temperature is 0", "above 0"][..]),
        ("temperatures", json!([-1.0]), &["temperature is -1"]),
        ("weights", json!("../both-64px.safetensors"), &["beside the card"]),
        ("weights", json!("/dev/zero"), &["beside the card"]),
        ("weights", json!(""), &["beside the card"]),
        ("key", json!("../../key"), &["hexadecimal"]),
        ("task", json!("gender"), &["118 outputs", "needs 1"]),
        ("task", json!({"age_group": {"gap": 4_000_000_000_u32}}), &["choose 1 to 30"]),
        (
            "net",
            json!({"architecture": "keras_baseline", "input": 64, "outputs": 1e12 as i64}),
            &["choose 1 to 8192"],
        ),
    ] {
        let (_folder, path) = changed_card(|card| card[field] = value);
        let error = message(Trained::open(&path, Device::Cpu));
        assert_says(&error, says);
        assert_says(&error, &["both-64px.json"]);
    }
}

/// A network of four terabytes, whose file contains a single number.
#[derive(Debug, Serialize, Deserialize)]
struct Vast;

impl Architecture for Vast {
    const NAME: &'static str = "vast";

    fn input(&self) -> u32 {
        32
    }

    fn outputs(&self) -> i64 {
        1
    }

    fn build(&self, params: &Params) -> anyhow::Result<Box<dyn Network>> {
        let _ = params.weight("weight", &[1 << 20, 1 << 20])?;
        anyhow::bail!("this was built")
    }
}

#[test]
fn shapes_are_compared_before_memory_is_taken() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("net.safetensors");
    let one = Tensor::from_slice(&[1.0f32]);
    Tensor::write_safetensors(&[("weight", &one)], &path).unwrap();
    assert_says(
        &message(Net::open(Vast, &path, Device::Cpu)),
        &[
            "not a network of this shape",
            "its tensor weight has the shape [1], not [1048576, 1048576]",
        ],
    );
}

#[test]
fn weights_that_are_no_numbers_predict_nothing() {
    place();
    let (folder, path) = changed_card(|_| {});
    let net = Trained::open(&path, Device::Cpu).unwrap();
    for (name, mut variable) in net.net.variables() {
        if name == "head.bias" {
            let _ = no_grad(|| variable.fill_(f64::NAN));
        }
    }
    net.save(&path).unwrap();
    let faces = Faces::synthetic(1, 0).unwrap();
    let predictor = Predictor::new(vec![net]).unwrap();
    let error = message(predictor.predict(&faces.picture(0).unwrap()));
    assert_says(&error, &["not finite", "weights are damaged"]);

    let output = program(folder.path(), &folder.path().join("none"))
        .args(["predict", "--aligned", "--json", "--model"])
        .arg(&path)
        .arg("tests/photos/plain.jpg")
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert_says(&words(&output), &["weights are damaged"]);
    assert!(output.stdout.is_empty(), "{}", words(&output));
}

#[test]
fn a_net_is_found_under_the_name_that_it_was_saved_by() {
    place();
    let (_folder, shipped) = changed_card(|_| {});
    let net = Trained::open(&shipped, Device::Cpu).unwrap();
    let store = TempDir::new().unwrap();
    for (given, name) in [
        ("plain", "plain"),
        ("card.one.json", "card.one"),
        ("weights.safetensors", "weights"),
        ("v1.2", "v1.2"),
        ("v1.3", "v1.3"),
    ] {
        let saved = net.save_half(store.path().join(given)).unwrap();
        let path = store.path().join(format!("{name}.json"));
        assert_eq!(saved, path);
        let found = ModelStore::new(store.path()).open_on(name, Device::Cpu).unwrap();
        assert_eq!((found.path(), &found.card.weights), (&*path, &format!("{name}.safetensors")));
    }
    let nameless = message(net.save(store.path().join("..")));
    assert_says(&nameless, &["does not name a card", "models/NAME.json"]);
}

/// Pipes and devices are not read. If they were, `timeout` would end the program without the error.
#[test]
#[cfg(unix)]
fn weights_and_cards_that_are_pipes_or_devices() {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    let fifo = |path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    let load = |card: &Path| {
        let mut limited = Command::new("timeout");
        limited.args(["60", "bash", "-c", "ulimit -v 40000000; exec \"$@\"", "bash"]);
        limited.current_dir(common::ROOT);
        limited.arg(env!("CARGO_BIN_EXE_ror")).args(["predict", "tests/photos/plain.jpg"]);
        words(&limited.arg("--model").arg(card).output().unwrap())
    };
    let weights = "both-64px.safetensors";
    let (folder, card) = changed_card(|_| {});
    fs::remove_file(folder.path().join(weights)).unwrap();
    fifo(&folder.path().join(weights));
    assert_says(&load(&card), &["not a file", weights]);
    fs::remove_file(folder.path().join(weights)).unwrap();
    symlink("/dev/zero", folder.path().join(weights)).unwrap();
    assert_says(&load(&card), &["not a file", weights]);
    // In a store, where every card is read.
    let models = folder.path().join("models");
    fs::create_dir(&models).unwrap();
    fifo(&models.join("pipe.json"));
    // Nothing is wrong with the network of a program that has an architecture of its own.
    let (own, _) = changed_card(|card| card["net"]["architecture"] = "two convolutions".into());
    fs::create_dir_all(models.join("runs/own")).unwrap();
    fs::copy(own.path().join("both-64px.json"), models.join("runs/own/card.json")).unwrap();
    let mut limited = Command::new("timeout");
    limited.arg("60").arg(env!("CARGO_BIN_EXE_ror")).arg("lineage").env("ROR_MODELS", &models);
    let said = words(&limited.output().unwrap());
    assert_says(&said, &["skipping a network", "pipe.json", "not a file"]);
    assert!(!said.contains("two convolutions"), "{said}");
}

#[test]
fn a_cache_that_cannot_be_written() {
    let folder = faces_folder(150);
    let place = TempDir::new().unwrap();
    // A file in place of the cache folder: not even root can write below it.
    File::create(place.path().join("cache")).unwrap().write_all(b"not a folder").unwrap();
    let output = program(place.path(), folder.path()).arg("data").output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
    assert_says(&words(&output), &["150 images", "for the next run", "cache"]);

    let packed = place.path().join("UTKFace.tar.gz");
    archive(&packed, 10, str::to_owned);
    let output = program(place.path(), &packed).arg("data").output().unwrap();
    assert!(!output.status.success());
    assert_says(&words(&output), &["cannot unpack", "ROR_CACHE"]);
}

#[test]
#[cfg(unix)]
fn a_disk_that_is_full() {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    let folder = faces_folder(400);
    let place = TempDir::new().unwrap();
    // No file may exceed 64 blocks, so that writes fail like on a full disk.
    let mut limited = Command::new("bash");
    limited.arg0("bash").args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "bash"]);
    limited
        .arg(env!("CARGO_BIN_EXE_ror"))
        .args(["train", "gender", "--epochs", "1", "--net", "small"]);
    limited.env("ROR_CACHE", place.path().join("cache"));
    limited.env("ROR_MODELS", place.path().join("models"));
    limited.env("ROR_DATA", folder.path());
    let output = limited.output().unwrap();
    assert!(!output.status.success());
    assert_says(&words(&output), &["for the next run", "is the disk full", "cannot write"]);
    let left: Vec<_> =
        walk(place.path()).into_iter().filter(|p| p.contains("safetensors")).collect();
    assert!(left.is_empty(), "half-written files stay behind: {left:?}");
}

fn walk(folder: &Path) -> Vec<String> {
    let mut out = vec![];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { out.extend(walk(&path)) } else { out.push(path.display().to_string()) }
    }
    out
}

#[test]
fn an_error_in_libtorch_comes_back_as_a_value() {
    let net = Net::new(RorConfig::small(1), Device::Cpu, 0).unwrap();
    let pictures = ror::tch::Tensor::zeros([1, 16, 16, 3], (ror::tch::Kind::Uint8, Device::Cpu));
    assert_says(&message(net.logits(&pictures)), &["[1, 16, 16, 3]", "[n, 32, 32, 3]"]);
    let a = ror::tch::Tensor::zeros([2, 3], (ror::tch::Kind::Float, Device::Cpu));
    assert!(a.f_matmul(&a).unwrap_err().to_string().contains("shapes cannot be multiplied"));
}
