//! The networks in Python: compares ror.py, ONNX and exported folders with the crate, and runs the
//! README's example and the other examples. Tests are reported as skipped if a package is missing.

#[path = "../../../tests/common/mod.rs"]
mod common;

use std::fs;
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use common::{CHOSEN_PYTHON, faces_folder, program, run_python, words};
use lab::export::{Format, export};
use ror::Task;
use ror::data::{Faces, decode, resize};
use ror::image::RgbImage;
use ror::metrics::Predictions;
use ror::model::KerasBaselineConfig;
use ror::store::{DEFAULT_MODEL, ModelStore, Trained};
use ror::tch::{Device, Kind, Tensor};
use serde_json::{Value, json};
use tempfile::TempDir;

const INSTALL: &str =
    "set ROR_PYTHON=$(setup/python.sh), or install what examples/python/requirements.txt lists";

fn root() -> &'static Path {
    Path::new(common::ROOT)
}

fn store() -> ModelStore {
    ModelStore::new(root().join("models"))
}

fn open(name: &str) -> Trained {
    store().open_on(name, Device::Cpu).unwrap()
}

/// Runs a script in `tests/python/`.
fn script(name: &str, args: &[PathBuf]) -> Option<String> {
    run_python(CHOSEN_PYTHON, &root().join("tests/python").join(name), args, INSTALL)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Not `println!`, which is not shown for a test that passes.
fn say(line: &str) {
    stderr().write_all(line.as_bytes()).unwrap();
}

/// Files of UTKFace if it is available, otherwise synthetic faces.
static JPEGS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let faces = match common::utkface("tests/python.rs, in part") {
        Some(path) => Faces::open_at(path).unwrap(),
        None => Faces::synthetic(PICTURES, 0).unwrap(),
    };
    let step = faces.len() / PICTURES;
    (0..PICTURES).map(|i| faces.bytes(i * step).unwrap()).collect()
});
const PICTURES: usize = 200;

fn pictures(n: usize) -> Vec<RgbImage> {
    JPEGS[..n].iter().map(|jpeg| decode(jpeg).unwrap()).collect()
}

/// Images in the network's input size, and the crate's predictions for them in f32.
struct Given {
    pictures: Vec<u8>,
    logits: Vec<u8>,
    said: String,
}

impl Given {
    fn of(name: &str, n: usize) -> Self {
        let trained = open(name);
        let side = trained.net.config().input();
        let mut bytes = vec![];
        for picture in pictures(n) {
            bytes.extend_from_slice(resize(&picture, side).unwrap().as_raw());
        }
        let shape = [n as i64, i64::from(side), i64::from(side), 3];
        let tensor = Tensor::from_data_size(&bytes, &shape, Kind::Uint8);
        let logits = |pictures: &Tensor| {
            let parts = pictures.split(100, 0);
            let parts: Vec<Tensor> =
                parts.iter().map(|some| trained.net.logits(some).unwrap()).collect();
            Tensor::cat(&parts, 0)
        };
        let (plain, mirrored) = (logits(&tensor), logits(&tensor.flip([2])));
        let ways = Tensor::stack(&[&plain, &mirrored], 0);
        let card = &trained.card;
        let heads = Predictions::from_logits(card.task, &card.temperatures, &ways).unwrap();
        let heads: serde_json::Map<String, Value> = heads
            .into_iter()
            .map(|head| {
                let said = json!({ "probabilities": head.probabilities, "years": head.years });
                (head.task.name(), said)
            })
            .collect();
        let plain: Vec<f32> = plain.flatten(0, -1).try_into().unwrap();
        Self {
            pictures: bytes,
            logits: plain.iter().flat_map(|logit| logit.to_le_bytes()).collect(),
            said: json!({ "side": side, "heads": heads }).to_string(),
        }
    }

    fn write(&self, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("pictures"), &self.pictures).unwrap();
        fs::write(folder.join("logits"), &self.logits).unwrap();
        fs::write(folder.join("said.json"), &self.said).unwrap();
    }
}

/// Writes the first `n` images and the predictions of a network where the scripts in
/// `tests/python/` read them.
fn give(place: &Path, name: &str, n: usize) {
    static OF_DEFAULT: LazyLock<Given> = LazyLock::new(|| Given::of(DEFAULT_MODEL, PICTURES));
    match (name, n) {
        (DEFAULT_MODEL, PICTURES) => OF_DEFAULT.write(&place.join(name)),
        _ => Given::of(name, n).write(&place.join(name)),
    }
}

/// Runs `ror export` with the tests' Python. Returns `None` if it lacks packages for ONNX.
fn exported(name: &str, to: &Path, format: &str) -> Option<()> {
    let output = program(to, Path::new("/none"))
        .env("ROR_MODELS", root().join("models"))
        .args(["export", name, "--format", format, "--to"])
        .arg(to)
        .output()
        .unwrap();
    if !output.status.success() && words(&output).contains(" lacks onnx") {
        let said = words(&output);
        let (_, why) = said.trim().rsplit_once("as ONNX: ").unwrap();
        say(&format!(
            "SKIPPED {name} as ONNX: {why}, or set ROR_PYTHON to a Python that has them\n"
        ));
        assert!(!to.exists());
        return None;
    }
    assert!(output.status.success(), "{}", words(&output));
    Some(())
}

#[test]
fn ror_py_has_the_logits_and_predictions_of_every_net() {
    let given = TempDir::new().unwrap();
    let mut names = vec![];
    for model in store().pretrained() {
        let n = if model.name == DEFAULT_MODEL { PICTURES } else { 20 };
        give(given.path(), &model.name, n);
        names.push(PathBuf::from(model.name));
    }
    assert!(names.len() >= 4);
    let args = [vec![given.path().to_owned()], names.clone()].concat();
    let said = script("logits.py", &args).expect("it needs torch and numpy alone");
    assert_eq!(said.lines().count(), names.len(), "{said}");
    let of_default = said.lines().find(|line| line.starts_with(DEFAULT_MODEL)).unwrap();
    assert!(of_default.contains(&format!("{PICTURES} pictures")), "{said}");
    say(&format!("{of_default}\n"));
}

#[test]
fn ror_py_reads_predictions_as_predict_aligned_does() {
    let given = TempDir::new().unwrap();
    // PNG files in the network's input size, so that decoding and resizing make no difference.
    let folder = given.path().join("both");
    fs::create_dir(&folder).unwrap();
    give(given.path(), DEFAULT_MODEL, 30);
    let side = store().open(DEFAULT_MODEL).unwrap().card.net.input();
    for (i, picture) in pictures(30).iter().enumerate() {
        resize(picture, side).unwrap().save(folder.join(format!("{i:02}.png"))).unwrap();
    }
    let output = program(given.path(), Path::new("/none"))
        .env("ROR_MODELS", root().join("models"))
        .args(["predict", "--aligned", "--json"])
        .arg(&folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", words(&output));
    fs::write(given.path().join(DEFAULT_MODEL).join("lines.jsonl"), &output.stdout).unwrap();
    let said = script("fields.py", &[given.path().to_owned(), DEFAULT_MODEL.into()]);
    assert_eq!(said.expect("it needs torch and numpy alone").trim(), "30 lines");
}

/// Pillow's decoder and Lanczos filter round differently from the crate's.
#[test]
fn files_read_by_pillow_are_predicted_alike() {
    let given = TempDir::new().unwrap();
    give(given.path(), DEFAULT_MODEL, PICTURES);
    let folder = given.path().join("files");
    fs::create_dir(&folder).unwrap();
    for (i, jpeg) in JPEGS.iter().enumerate() {
        fs::write(folder.join(format!("{i:03}.jpg")), jpeg).unwrap();
    }
    if let Some(said) = script("files.py", &[given.path().to_owned(), DEFAULT_MODEL.into()]) {
        assert!(said.contains(&format!("{PICTURES} files")), "{said}");
        say(&said);
    }
}

#[test]
fn onnxruntime_has_the_logits_and_both_heads() {
    let given = TempDir::new().unwrap();
    // A network with both heads, and one with one.
    for (name, n) in [(DEFAULT_MODEL, PICTURES), ("groups-32px", 50)] {
        let to = given.path().join(format!("{name}-onnx"));
        if exported(name, &to, "onnx").is_none() {
            return;
        }
        let expected = ["README.md", "config.json", "model.onnx"].map(|name| to.join(name));
        assert_eq!(files(&to), expected);
        give(given.path(), name, n);
        let args = [given.path().to_owned(), name.into(), to.clone()];
        let Some(said) = script("runtime.py", &args) else { return };
        assert!(said.contains(&format!("{n} pictures")), "{said}");
        if name == DEFAULT_MODEL {
            say(&said);
            the_examples_predict_alike(&to);
        }
    }
}

#[test]
fn an_exported_folder_is_what_hugging_face_loads() {
    let given = TempDir::new().unwrap();
    for name in [DEFAULT_MODEL, "both-64px", "groups-32px"] {
        let to = given.path().join(name);
        exported(name, &to, "hf").unwrap();
        // The weights are equal bit for bit, and the metadata for loaders is there.
        let weights = fs::read(to.join("model.safetensors")).unwrap();
        let length = u64::from_le_bytes(weights[..8].try_into().unwrap()) as usize;
        let header: Value = serde_json::from_slice(&weights[8..8 + length]).unwrap();
        assert_eq!(header["__metadata__"]["format"], "pt");
        let saved = |path: &Path| Tensor::read_safetensors(path).unwrap();
        let mut own = saved(&root().join(format!("models/{name}.safetensors")));
        let mut theirs = saved(&to.join("model.safetensors"));
        own.sort_by(|a, b| a.0.cmp(&b.0));
        theirs.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(own.len(), theirs.len());
        for ((name, value), (same, copy)) in own.iter().zip(&theirs) {
            assert_eq!((name, value.kind()), (same, copy.kind()));
            assert!(value.equal(copy), "{name}");
        }
        // The crate writes the same age groups that ror.py derives from the task.
        let config: Value =
            serde_json::from_str(&fs::read_to_string(to.join("config.json")).unwrap()).unwrap();
        let task = if name == "groups-32px" { Task::age_group() } else { Task::Years };
        assert_eq!(config["age_groups"], json!(task.classes()));
        // The model card has the results with their intervals, and the license.
        let text = fs::read_to_string(to.join("README.md")).unwrap();
        let docs = fs::read_to_string(root().join("docs/accuracy.md")).unwrap();
        let rows: Vec<&str> =
            docs.lines().filter(|line| line.contains(&format!("| {name} |"))).collect();
        assert!(!rows.is_empty() && rows.iter().all(|row| text.contains(row)), "{text}");
        assert!(text.contains("license: other\n") && text.contains("non-commercial research"));
        assert!(text.contains("| male |") && text.contains("Not for decisions about a person"));
        // A second export is refused, and the folder stays.
        let again = export(&open(name), &to, Format::HuggingFace).unwrap_err();
        assert!(format!("{again:#}").contains("already exists"), "{again:#}");
        if let Some(said) = script("hub.py", &[to, name.into()]) {
            assert!(said.ends_with(" numbers\n"), "{said}");
        }
        let _ = fs::remove_dir_all(given.path().join("again"));
    }
}

#[test]
fn what_is_not_a_net_of_ror_py_leaves_no_folder() {
    let given = TempDir::new().unwrap();
    let to = given.path().join("net");
    let mut trained = open("both-32px");
    trained.card.net = KerasBaselineConfig::new(1).into();
    let error = format!("{:#}", export(&trained, &to, Format::HuggingFace).unwrap_err());
    assert!(error.contains("keras_baseline"), "{error}");
    let broken = program(given.path(), Path::new("/none"))
        .env("ROR_MODELS", root().join("models"))
        .env("ROR_PYTHON", "/none/python")
        .args(["export", "both-32px", "--format", "onnx", "--to"])
        .arg(&to)
        .output()
        .unwrap();
    assert!(!broken.status.success());
    let error = words(&broken);
    assert!(error.contains("/none/python") && error.contains("ROR_PYTHON"), "{error}");
    assert_eq!(fs::read_dir(given.path()).unwrap().count(), 0, "a half-written folder");
    let wrong = "tf".parse::<Format>().unwrap_err().to_string();
    assert!(wrong.contains("hf or onnx"), "{wrong}");
}

#[test]
fn ror_py_says_what_is_wrong() {
    let given = TempDir::new().unwrap();
    let said = script("refusals.py", &[given.path().to_owned()]);
    assert_eq!(said.expect("it needs torch and numpy alone").trim(), "refused");
}

/// Runs the Python example in README.md in a folder with a face.jpg.
#[test]
fn the_lines_of_the_readme_run() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, rest) = readme.split_once("```python\n").expect("README.md has lines of Python");
    let (lines, _) = rest.split_once("```").unwrap();
    assert_eq!(lines.lines().filter(|line| !line.trim().is_empty()).count(), 3, "{lines}");
    let (given, data) = (TempDir::new().unwrap(), faces_folder(1));
    let face = fs::read_dir(data.path()).unwrap().next().unwrap().unwrap().path();
    fs::copy(face, given.path().join("face.jpg")).unwrap();
    fs::write(given.path().join("readme.py"), lines).unwrap();
    if let Some(said) = script("readme.py", &[given.path().to_owned()]) {
        let fields = ["'gender': ", "'age': ", "'age_range': [", "'age_group': "];
        assert!(fields.iter().all(|field| said.contains(field)), "{said}");
    }
}

/// Runs an example if the module it needs is installed.
fn example(name: &str, needs: &str, args: &[PathBuf]) -> Option<String> {
    let path = root().join("examples/python").join(name);
    script("example.py", &[vec![needs.into(), path], args.to_vec()].concat())
}

#[test]
fn the_example_in_pytorch_predicts() {
    let data = faces_folder(3);
    let faces = files(data.path());
    let Some(said) = example("pytorch.py", "torch", &faces) else { return };
    assert_eq!(said.lines().count(), 3, "{said}");
    for (line, face) in said.lines().zip(&faces) {
        let path = face.display().to_string();
        assert!(line.starts_with(&path) && line.contains(" years (80 %: "), "{line}");
    }
}

fn the_examples_predict_alike(onnx: &Path) {
    let data = faces_folder(20);
    let faces = files(data.path());
    let Some(torch) = example("pytorch.py", "torch", &faces) else { return };
    let args = [vec![onnx.to_owned()], faces].concat();
    let Some(onnx) = example("with_onnxruntime.py", "onnxruntime", &args) else { return };
    assert_eq!((torch.lines().count(), onnx.lines().count()), (20, 20), "{torch}");
    for (torch, onnx) in torch.lines().zip(onnx.lines()) {
        assert!(torch.starts_with(onnx), "{torch}; {onnx}");
    }
}

/// At most 20 lines each.
#[test]
fn the_examples_in_python_are_short() {
    let mut found = 0;
    for entry in fs::read_dir(root().join("examples/python")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "py") {
            assert!(fs::read_to_string(&path).unwrap().lines().count() <= 20, "{}", path.display());
            found += 1;
        }
    }
    assert_eq!(found, 2);
}
