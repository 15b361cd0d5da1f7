//! Images that a network has seen, in whatever folder they are, are left out of its evaluation.

#[path = "../../../tests/common/mod.rs"]
mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use common::{faces_folder, files, gz, program, tar, words};
use ror::data::{ContentList, Faces};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with a model that was trained on the first 20 of some images and selected on the next 10.
struct Place {
    folder: TempDir,
    model: PathBuf,
    data: TempDir,
    names: Vec<String>,
}

fn place() -> Place {
    let (folder, data) = (TempDir::new().unwrap(), faces_folder(60));
    common::place();
    let faces = Faces::open_at(data.path()).unwrap();
    let records: Vec<_> = (0..60).map(|i| faces.record(i).unwrap().clone()).collect();
    let hashes = |from: usize, to: usize| {
        records[from..to].iter().map(|record| record.content[..10].to_owned()).collect()
    };
    let list =
        ContentList { train: hashes(0, 20), validation: hashes(20, 30), test: hashes(30, 60) };
    assert_eq!(list.train.len() + list.validation.len() + list.test.len(), 60);
    let model = folder.path().join("own.json");
    let shipped = Path::new(common::ROOT).join("models");
    let mut card: Value =
        serde_json::from_slice(&fs::read(shipped.join("both-32px.json")).unwrap()).unwrap();
    for (field, value) in [
        ("protocol", Value::Null),
        ("start", Value::Null),
        ("teachers", json!([])),
        ("split", list.fingerprint().into()),
        ("weights", "own.safetensors".into()),
    ] {
        card[field] = value;
    }
    fs::write(&model, card.to_string()).unwrap();
    fs::copy(shipped.join("both-32px.safetensors"), folder.path().join("own.safetensors")).unwrap();
    list.write(&folder.path().join("own.contents.txt"), "A split.").unwrap();
    let names = records.into_iter().map(|record| record.file).collect();
    Place { folder, model, data, names }
}

impl Place {
    fn evaluate(&self, data: &Path, args: &[&str]) -> Output {
        let mut program = program(self.folder.path(), self.data.path());
        program.args(["evaluate", "--json", "--model"]).arg(&self.model).arg("--data").arg(data);
        program.args(args).output().unwrap()
    }

    /// The number of images that were measured, and the report's counts of seen ones.
    fn measured(&self, data: &Path, args: &[&str]) -> (u64, Value, String) {
        let output = self.evaluate(data, args);
        assert!(output.status.success(), "{}", words(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (report["heads"][0]["pictures"].as_u64().unwrap(), report["seen"].clone(), said)
    }

    /// A folder of some of the images, each under the name that `name` makes of its own.
    fn folder_of(
        &self,
        images: impl Iterator<Item = usize>,
        name: impl Fn(&str) -> String,
    ) -> TempDir {
        let folder = TempDir::new().unwrap();
        for i in images {
            let from = self.data.path().join(&self.names[i]);
            fs::copy(from, folder.path().join(name(&self.names[i]))).unwrap();
        }
        folder
    }
}

#[test]
fn images_that_a_network_has_seen_are_left_out_wherever_they_are() {
    let place = place();
    let seen = |trained: u64, selected: u64, kept: bool| json!({ "trained": trained, "selected": selected, "kept": kept });
    // A copy, a part, and images under other names.
    let copy = place.folder_of(0..60, str::to_owned);
    let part = place.folder_of(10..40, str::to_owned);
    let renamed = place.folder_of(15..35, |name| name.replace("_20", "_19"));
    for (folder, trained, selected, new) in
        [(&copy, 20, 10, 30), (&part, 10, 10, 10), (&renamed, 5, 10, 5)]
    {
        let (measured, counts, said) = place.measured(folder.path(), &[]);
        assert_eq!((measured, &counts), (new, &seen(trained, selected, false)), "{said}");
        let note = format!(
            "of these {} images, {trained} were used to train the network and {selected} to select it",
            trained + selected + new
        );
        assert!(said.contains(&note) && said.contains("left out"), "{said}");
        let (measured, counts, said) = place.measured(folder.path(), &["--keep-seen"]);
        assert_eq!(measured, trained + selected + new);
        assert_eq!(counts, seen(trained, selected, true));
        assert!(said.contains(&note) && !said.contains("left out"), "{said}");
    }
    // An archive; labels of another source; every image twice.
    let pictures: Vec<(String, Vec<u8>)> = (25..45)
        .map(|i| &place.names[i])
        .map(|name| (name.clone(), fs::read(place.data.path().join(name)).unwrap()))
        .collect();
    let archive = place.folder.path().join("some.tar.gz");
    fs::write(&archive, gz(&tar(&files("faces/", &pictures)))).unwrap();
    assert_eq!(place.measured(&archive, &[]).0, 15);
    let labelled = place.folder_of(0..40, |name| format!("face-{name}"));
    let rows = place.names[..40].iter().map(|name| format!("face-{name},31,male\n"));
    let csv = format!("file,age,gender\n{}", rows.collect::<String>());
    fs::write(labelled.path().join("labels.csv"), csv).unwrap();
    assert_eq!(place.measured(labelled.path(), &[]).0, 10);
    let twice = place.folder_of(19..32, str::to_owned);
    for name in &place.names[19..32] {
        let to = twice.path().join(name.replace("_20", "_19"));
        fs::copy(place.data.path().join(name), to).unwrap();
    }
    let (measured, counts, _) = place.measured(twice.path(), &[]);
    assert_eq!((measured, counts), (4, seen(2, 20, false)));
}

#[test]
fn without_a_new_image_nothing_is_measured_and_unknown_training_data_is_said() {
    let place = place();
    let old = place.folder_of(0..30, str::to_owned);
    let output = place.evaluate(old.path(), &[]);
    assert!(!output.status.success());
    assert!(words(&output).contains("no image is left"), "{}", words(&output));
    assert_eq!(place.measured(old.path(), &["--keep-seen"]).0, 30);
    // New images alone need no word.
    let new = place.folder_of(30..60, str::to_owned);
    let (measured, counts, said) = place.measured(new.path(), &[]);
    assert_eq!((measured, &counts["trained"]), (30, &json!(0)));
    assert!(!said.contains("of these"), "{said}");
    fs::remove_file(place.folder.path().join("own.contents.txt")).unwrap();
    let (measured, counts, said) = place.measured(new.path(), &[]);
    assert_eq!((measured, counts), (30, Value::Null));
    assert!(said.contains("may have seen some of these images"), "{said}");
}

/// With UTKFace: a part of it under other names.
#[test]
fn a_part_of_utkface_is_recognized_by_the_shipped_cards_alone() {
    let Some(utkface) = common::utkface("a_part_of_utkface_is_recognized") else { return };
    common::place();
    let faces = Faces::open_at(utkface).unwrap();
    let (folder, place) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    for i in (0..faces.len()).step_by(40) {
        let name = faces.record(i).unwrap().file.replace("_20", "_19");
        fs::write(folder.path().join(name), faces.bytes(i).unwrap()).unwrap();
    }
    let mut program = program(place.path(), Path::new("/no/data"));
    program.env("ROR_MODELS", Path::new(common::ROOT).join("models"));
    let output =
        program.args(["evaluate", "--json", "--data"]).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let [trained, selected] =
        ["trained", "selected"].map(|what| report["seen"][what].as_u64().unwrap());
    let all = faces.len().div_ceil(40) as u64;
    // About 80 and 10 %, and some that were in no set.
    assert!(trained > all * 7 / 10 && selected > all / 20, "{trained}, {selected} of {all}");
    let measured = report["heads"][0]["pictures"].as_u64().unwrap();
    assert_eq!(measured + trained + selected, all);
}
