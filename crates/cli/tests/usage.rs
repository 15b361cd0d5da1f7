//! What the command line does for whoever types it: suggestions, completions, lists, standard input,
//! and words about what was written.

#[path = "../../../tests/common/mod.rs"]
mod common;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::{copied, faces_folder, program, words};
use serde_json::Value;
use tempfile::TempDir;

/// The program with the shipped models, in a place without a data set.
fn ror(place: &TempDir, arguments: &[&str]) -> Command {
    let mut ror = program(place.path(), Path::new(""));
    ror.env("ROR_MODELS", PathBuf::from(common::ROOT).join("models"));
    ror.env_remove("ROR_DATA").env("ROR_HOME", place.path()).args(arguments);
    let temporary = place.path().join("tmp");
    fs::create_dir_all(&temporary).unwrap();
    ror.env("TMPDIR", temporary);
    ror
}

fn run(place: &TempDir, arguments: &[&str]) -> Output {
    ror(place, arguments).stdin(Stdio::null()).output().unwrap()
}

/// Runs the program with a file as standard input.
fn run_with(place: &TempDir, arguments: &[&str], input: &Path) -> Output {
    ror(place, arguments).stdin(File::open(input).unwrap()).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn photo(name: &str) -> PathBuf {
    PathBuf::from(common::ROOT).join("tests/photos").join(name)
}

#[test]
fn a_typo_gets_the_nearest_name() {
    let place = TempDir::new().unwrap();
    for (arguments, meant) in [
        (&["pedict"][..], "'predict'"),
        (&["predict", "--modle", "both-64px", "a.jpg"], "'--model'"),
        (&["predict", "--model", "both-64", "a.jpg"], "did you mean both-64px?"),
        (&["export", "both64.json", "--to", "x"], "did you mean both-64px?"),
        (&["evaluate", "--protocol", "random"], "'random-80-10-10'"),
        (&["protocols", "orignal-age"], "'original-age'"),
        (
            &["train", "--config", "experiments/both32.toml"],
            "did you mean experiments/both-32px.toml?",
        ),
        (&["predict", "--device", "cdua", "a.jpg"], "did you mean cuda?"),
    ] {
        let output = run(&place, arguments);
        let said = words(&output);
        assert!(!output.status.success() && said.contains(meant), "{arguments:?}: {said}");
    }
}

#[test]
fn a_device_that_is_not_there_is_an_error() {
    let place = TempDir::new().unwrap();
    let one = photo("plain.jpg");
    let on = |device: &str| run(&place, &["predict", "--device", device, one.to_str().unwrap()]);
    assert!(on("cpu").status.success());
    for device in ["cuda:97", "cuda:", "gpu"] {
        let output = on(device);
        let said = words(&output);
        assert!(!output.status.success() && out(&output).is_empty(), "{said}");
        assert!(["no usable GPU", "no GPU", "unknown device"].iter().any(|it| said.contains(it)));
    }
}

#[test]
fn bash_completes_commands_options_and_names() {
    let place = TempDir::new().unwrap();
    let script = out(&run(&place, &["completions", "bash"]));
    fs::write(place.path().join("ror.bash"), script).unwrap();
    for (words, completed) in [
        ("ror pre", "predict"),
        ("ror predict --mod", "--model"),
        ("ror predict --model both-3", "both-32px"),
        ("ror export groups", "groups-32px"),
        ("ror evaluate --protocol rand", "random-80-10-10"),
    ] {
        let typed = format!(
            "source ror.bash; COMP_WORDS=({words}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); \
             _ror ror \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; \
             echo \"${{COMPREPLY[@]}}\""
        );
        let mut bash = Command::new("bash");
        let output = bash.args(["-c", &typed]).current_dir(place.path()).output().unwrap();
        assert_eq!(out(&output).trim(), completed, "{words}: {}", common::words(&output));
    }
    for shell in ["zsh", "fish"] {
        let script = out(&run(&place, &["completions", shell]));
        assert!(script.contains("predict") && script.contains("pretrained-both"), "{script}");
    }
}

#[test]
fn a_network_whose_name_is_code_is_not_in_the_shell_script() {
    let place = TempDir::new().unwrap();
    copied(&["models"], place.path());
    let models = place.path().join("models");
    fs::copy(models.join("both-32px.json"), models.join("$(touch x).json")).unwrap();
    let mut completions = ror(&place, &["completions", "bash"]);
    let script = out(&completions.env("ROR_MODELS", &models).output().unwrap());
    assert!(script.contains("both-32px") && !script.contains("touch"), "{script}");
}

#[test]
fn models_lists_what_the_cards_say() {
    let place = TempDir::new().unwrap();
    copied(&["models"], place.path());
    let models = place.path().join("models");
    let list = |arguments: &[&str]| {
        let output = ror(&place, arguments).env("ROR_MODELS", &models).output().unwrap();
        assert!(output.status.success(), "{}", words(&output));
        out(&output)
    };
    let objects = || -> Vec<Value> {
        let text = list(&["models", "--json"]);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = objects();
    assert_eq!(all.len(), 5);
    let default: Vec<_> = all.iter().filter(|one| one["default"] == true).collect();
    assert!(default.len() == 1 && default[0]["name"] == "pretrained-both");
    assert_eq!(default[0]["trained_on"], "UTKFace and other faces");
    let weights = fs::metadata(models.join("pretrained-both.safetensors")).unwrap().len();
    assert_eq!(default[0]["bytes"], weights);

    // Other numbers in a card are other numbers in the list.
    let path = models.join("both-64px.json");
    let mut card: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    card["tests"][0]["heads"][0]["accuracy"]["value"] = 0.1234.into();
    fs::write(&path, card.to_string()).unwrap();
    fs::remove_file(models.join("both-64px.safetensors")).unwrap();
    let changed = objects().into_iter().find(|one| one["name"] == "both-64px").unwrap();
    let first = &changed["published"][0];
    assert_eq!(
        (&first["task"], &first["metric"], &first["value"]),
        (&"gender".into(), &"accuracy".into(), &0.1234.into())
    );
    assert!(changed["bytes"].is_null());
    let table = list(&["models"]);
    assert_eq!(table.lines().count(), 6, "{table}");
    let row = |name: &str| table.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(row("both-64px").contains("64 px") && row("both-64px").contains("missing"), "{table}");
    assert!(row("both-64px").contains("12.3 %") && row("both-64px").contains("random-80-10-10"));
    assert!(
        row("pretrained-both *").contains("gender, years") && row("groups").contains("age-group")
    );
}

#[test]
fn an_image_from_standard_input_is_predicted() {
    let place = TempDir::new().unwrap();
    let object = |arguments: &[&str]| -> Value {
        let output = run_with(&place, arguments, &photo("plain.jpg"));
        assert!(output.status.success(), "{}", words(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let mut piped = object(&["predict", "-", "--json"]);
    assert_eq!(piped["path"], "-");
    let plain = photo("plain.jpg");
    piped["path"] = plain.to_str().unwrap().into();
    assert_eq!(piped, object(&["predict", plain.to_str().unwrap(), "--json"]));
    let crop = object(&["predict", "--aligned", "-", "--json"]);
    assert!(crop["path"] == "-" && crop["gender"].is_string());

    // Beside files, in tables, pages and drawings.
    let at = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let group = photo("group.jpg");
    let arguments = ["predict", "-", group.to_str().unwrap(), "--csv", &at("t.csv")];
    let more = ["--html", &at("page.html"), "--draw", &at("drawn")];
    let output = run_with(&place, &[&arguments[..], &more].concat(), &plain);
    let said = words(&output);
    assert!(output.status.success() && out(&output).starts_with("- ["), "{said}");
    assert!(fs::read_to_string(at("t.csv")).unwrap().contains("\n-,1,"));
    assert!(Path::new(&at("drawn")).join("stdin.png").is_file());
    for line in [
        format!("wrote {}: 8 rows", at("t.csv")),
        format!("wrote {}: 8 faces in 2 photos", at("page.html")),
        format!("wrote {}: 8 faces in 2 photos", at("drawn")),
    ] {
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(stderr.lines().filter(|said| **said == line).count(), 1, "{line}: {stderr}");
    }
    assert_eq!(fs::read_dir(place.path().join("tmp")).unwrap().count(), 0, "nothing is left");
}

#[test]
fn standard_input_that_is_no_image_is_an_error_of_its_own() {
    let place = TempDir::new().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::write(at("text"), "no image").unwrap();
    fs::write(at("empty"), "").unwrap();
    File::create(at("large")).unwrap().set_len((256 << 20) + 1).unwrap();
    let plain = photo("plain.jpg");
    for (input, says) in [("text", "-: error: "), ("empty", "is empty"), ("large", "256 MiB")] {
        let output = run_with(&place, &["predict", "-", plain.to_str().unwrap()], &at(input));
        let said = words(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(says) && said.contains("1 of 2 images"), "{input}: {said}");
        assert!(out(&output).contains("plain.jpg ["), "the other is predicted: {said}");
    }
    let twice = run(&place, &["predict", "-", "--list", "-"]);
    assert!(!twice.status.success() && words(&twice).contains("read once"), "{}", words(&twice));
    let shards = run(&place, &["predict", "-", "--to", at("answers").to_str().unwrap()]);
    assert!(words(&shards).contains("not with standard input"), "{}", words(&shards));
}

#[test]
fn a_list_of_paths_comes_from_standard_input_or_any_file() {
    let place = TempDir::new().unwrap();
    let list = place.path().join("paths");
    let text = format!(
        "{}\n{}\nmissing.jpg\n",
        photo("plain.jpg").display(),
        photo("group.jpg").display()
    );
    fs::write(&list, text).unwrap();
    for arguments in [
        &["predict", "--json", "--list", "-"][..],
        &["predict", "--json", "--list", list.to_str().unwrap()],
    ] {
        let output = run_with(&place, arguments, &list);
        let lines: Vec<Value> =
            out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 3, "{}", words(&output));
        assert!(lines[0]["path"].as_str().unwrap().ends_with("plain.jpg"));
        assert!(lines[2]["error"].is_string() && words(&output).contains("1 of 3 images"));
    }
}

/// The program must not wait for what nobody knows to type.
#[test]
#[cfg(unix)]
fn standard_input_that_is_a_terminal_is_refused() {
    use std::os::fd::{FromRawFd, OwnedFd};

    let place = TempDir::new().unwrap();
    for arguments in [&["predict", "-"][..], &["predict", "--list", "-"]] {
        let (mut own, mut terminal) = (0, 0);
        let null = std::ptr::null_mut();
        // SAFETY: both are written, and belong to nobody else; the other arguments may be null.
        let (_own, terminal) = unsafe {
            assert_eq!(libc::openpty(&mut own, &mut terminal, null, null.cast(), null.cast()), 0);
            (OwnedFd::from_raw_fd(own), OwnedFd::from_raw_fd(terminal))
        };
        let output = ror(&place, arguments).stdin(terminal).output().unwrap();
        let said = words(&output);
        assert!(!output.status.success() && said.contains("is a terminal"), "{said}");
    }
}

#[test]
fn a_protocol_is_named_once() {
    let (place, data) = (TempDir::new().unwrap(), faces_folder(200));
    let output = ror(&place, &["protocols"]).env("ROR_DATA", data.path()).output().unwrap();
    let said = out(&output);
    assert!(output.status.success(), "{}", words(&output));
    for name in ["original-gender", "original-age", "random-80-10-10", "age-21-60"] {
        assert_eq!(said.matches(name).count(), 1, "{said}");
    }
    assert!(said.contains("original-gender, by sizes as this is not UTKFace: "), "{said}");
}

#[test]
fn without_a_data_set_nothing_long_begins_on_synthetic_faces() {
    let place = TempDir::new().unwrap();
    for arguments in [
        &["evaluate"][..],
        &["train", "gender"],
        &["train", "--config", "experiments/both-32px.toml"],
        &["ablate", "--config", "experiments/ablation-32px.toml"],
        &["predict", "5"],
    ] {
        let output = run(&place, arguments);
        let said = words(&output);
        assert!(!output.status.success() && out(&output).is_empty(), "{arguments:?}: {said}");
        for part in ["no data set", "data/README.md", "--synthetic"] {
            assert!(said.contains(part), "{arguments:?}: {said}");
        }
    }
    // Asked for, they are used. An index outside needs no network.
    let output = run(&place, &["predict", "--synthetic", "23708"]);
    assert!(words(&output).contains("this set has 23,708"), "{}", words(&output));
}
