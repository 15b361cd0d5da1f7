//! The command line: its JSON output, and how it fails.

#[path = "../../../tests/common/mod.rs"]
mod common;

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use common::{copied, faces_folder, program, words};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use serde_json::Value;
use tempfile::TempDir;

/// The program with the shipped models.
fn with_models(place: &TempDir, data: &TempDir) -> Command {
    let mut program = program(place.path(), data.path());
    program.env("ROR_MODELS", PathBuf::from(common::ROOT).join("models"));
    program
}

/// Parses the output of `--json`, one object per line.
fn objects(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn evaluate_measures_any_folder_and_prints_json() {
    let (place, data) = (TempDir::new().unwrap(), faces_folder(60));
    let output = with_models(&place, &data)
        .args(["evaluate", "--json", "--data"])
        .arg(data.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", words(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["part"], "all");
    assert!(report["protocol"].is_null());
    let heads = report["heads"].as_array().unwrap();
    assert_eq!((&heads[0]["task"], &heads[1]["task"]), (&"gender".into(), &"years".into()));
    for head in heads {
        assert_eq!(head["pictures"], 60);
        let value = |key: &str| head["accuracy"][key].as_f64().unwrap();
        assert!(value("low") <= value("value") && value("value") <= value("high"));
        assert!(head["ece"].is_number() && !head["slices"].as_array().unwrap().is_empty());
    }
    assert!(heads[1]["mae"]["value"].is_number() && heads[0]["mae"].is_null());

    // The test set needs the data set that the network was trained on.
    let output = with_models(&place, &data).args(["evaluate", "--part", "test"]).output().unwrap();
    assert!(!output.status.success());
    assert!(words(&output).contains("--part all"), "{}", words(&output));
}

#[test]
fn evaluate_measures_corrupted_pictures() {
    let (place, data) = (TempDir::new().unwrap(), faces_folder(12));
    let output = with_models(&place, &data)
        .args(["evaluate", "--corrupted", "--model", "groups-32px", "--data"])
        .arg(data.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", words(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("clean (12 images)") && said.contains("| tighter | "), "{said}");
    // One line per corruption with three severities, and the mean.
    assert_eq!(said.lines().filter(|line| line.matches(", ").count() == 4).count(), 11, "{said}");
}

#[test]
fn predict_finds_the_faces_in_photographs() {
    let (place, data) = (TempDir::new().unwrap(), faces_folder(1));
    let photos = PathBuf::from(common::ROOT).join("tests/photos");
    let blank = place.path().join("blank.png");
    image::RgbImage::from_pixel(300, 200, image::Rgb([90, 120, 90])).save(&blank).unwrap();
    let out = |name: &str| place.path().join(name);
    let mut predict = with_models(&place, &data);
    predict.args(["predict", "--json"]).arg(photos.join("group.jpg")).arg(photos.join("plain.jpg"));
    predict.arg(&blank).arg(out("missing.jpg"));
    predict.arg("--csv").arg(out("faces.csv")).arg("--html").arg(out("faces.html"));
    predict.arg("--parquet").arg(out("faces.parquet"));
    let output = predict.arg("--draw").arg(out("drawn")).output().unwrap();
    assert!(!output.status.success(), "one file is missing");
    let lines = objects(&output);
    assert_eq!(lines.len(), 4, "{}", words(&output));
    let faces = |line: &Value| line["faces"].as_array().map(Vec::len);
    assert_eq!((faces(&lines[0]), faces(&lines[1]), faces(&lines[2])), (Some(7), Some(1), Some(0)));
    assert!(lines[3]["error"].as_str().unwrap().contains("cannot be read"));
    assert_eq!((&lines[1]["width"], &lines[1]["height"]), (&360.into(), &300.into()));
    let face = &lines[1]["faces"][0];
    // The face was pasted at 80, 50 in 200 x 200 pixels.
    let corners = face["chip"].as_array().unwrap();
    for (axis, middle) in [(0, 180.0), (1, 150.0)] {
        let at = corners.iter().map(|corner| corner[axis].as_f64().unwrap()).sum::<f64>() / 4.0;
        assert!((at - middle).abs() < 40.0, "{corners:?}");
    }
    let [low, high] = [0, 1].map(|i| face["age_range"][i].as_f64().unwrap());
    let age = face["age"].as_f64().unwrap();
    assert!(low < age && age < high && face["score"].as_f64().unwrap() > 0.7);
    assert_eq!(face["landmarks"].as_array().unwrap().len(), 5);
    assert!(face["notes"].as_array().unwrap().is_empty());

    let table = fs::read_to_string(out("faces.csv")).unwrap();
    assert_eq!(table.lines().count(), 11, "one row per face, and one for each other file: {table}");
    assert!(table.contains("blank.png,") && table.contains(",no face,\n"), "{table}");
    let parquet = SerializedFileReader::new(fs::File::open(out("faces.parquet")).unwrap()).unwrap();
    let rows = parquet.get_row_iter(None).unwrap().map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!(rows.len(), 10);
    for (row, line) in rows.iter().zip(table.lines().skip(1)) {
        let path = row.get_string(0).unwrap();
        let face = row.get_long(1).map_or_else(|_| String::new(), |face| face.to_string());
        assert!(line.starts_with(&format!("{path},{face},")), "{line}");
    }
    let page = fs::read_to_string(out("faces.html")).unwrap();
    assert_eq!(page.matches("<figure ").count(), 8);
    assert!(page.contains("missing.jpg: cannot be read") && !page.contains("http"));
    assert!(out("drawn").join("group.png").is_file() && out("drawn").join("blank.png").is_file());
}

#[test]
fn predict_takes_files_and_folders_and_names_what_it_cannot_read() {
    let (place, data) = (TempDir::new().unwrap(), faces_folder(5));
    let broken = place.path().join("broken.jpg");
    fs::write(&broken, b"no picture").unwrap();
    let output = with_models(&place, &data)
        .args(["predict", "--aligned", "--json"])
        .arg(data.path())
        .arg(&broken)
        .arg("--csv")
        .arg(place.path().join("chips.csv"))
        .output()
        .unwrap();
    assert!(!output.status.success(), "one could not be predicted");
    let lines = objects(&output);
    assert_eq!(lines.len(), 6, "{}", words(&output));
    for line in &lines[..5] {
        assert!(["male", "female"].contains(&line["gender"].as_str().unwrap()));
        assert!((0.0..=1.0).contains(&line["female"].as_f64().unwrap()));
        assert!((0.0..=116.0).contains(&line["age"].as_f64().unwrap()));
        assert_eq!(line["groups"].as_array().unwrap().len(), 24);
    }
    assert!(lines[5]["error"].as_str().unwrap().contains("JPEG"));
    assert!(words(&output).contains("1 of 6 images"));
    let table = fs::read_to_string(place.path().join("chips.csv")).unwrap();
    let heading = "path,gender,female,age,age_low,age_high,age_group,status,error\n";
    assert!(table.starts_with(heading), "{table}");
    assert_eq!(table.lines().count(), 7, "what could not be read has a row");
    assert!(table.contains("broken.jpg,,,,,,,error,"), "{table}");

    let picture = lines[0]["path"].as_str().unwrap();
    let output = with_models(&place, &data).args(["predict", picture]).output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
    let text = words(&output);
    assert!(text.contains(" years (") && text.contains("%), "), "{text}");
}

/// Each path that is not an image has its own error, and the others are predicted.
#[test]
#[cfg(unix)]
fn predict_answers_the_rest_beside_entries_that_name_nothing() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    let (place, data) = (TempDir::new().unwrap(), faces_folder(8));
    let at = |name: &[u8]| place.path().join(OsStr::from_bytes(name));
    let first = fs::read_dir(data.path()).unwrap().next().unwrap().unwrap().path();
    for folder in [&b"empty"[..], b"folder.jpg"] {
        fs::create_dir(at(folder)).unwrap();
    }
    symlink("/no/such/picture", at(b"dangling.jpg")).unwrap();
    let odd = at(b"odd \xff\xfe.jpg");
    fs::copy(&first, &odd).unwrap();
    // A list with file names as raw bytes.
    fs::write(at(b"list.txt"), [odd.as_os_str().as_bytes(), b"\n\xf0.jpg\n"].concat()).unwrap();
    let bad = [&b"empty"[..], b"folder.jpg", b"missing.txt", b"some.tar", b"dangling.jpg"];
    for form in ["--aligned", "--recursive"] {
        let mut predict = with_models(&place, &data);
        predict.args(["predict", "--json", form]).args(bad.map(at));
        let output = predict.args([&odd, &at(b"list.txt"), &first]).arg("7").output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", words(&output));
        let lines = objects(&output);
        let (wrong, right): (Vec<_>, Vec<_>) =
            lines.iter().partition(|line| line["error"].is_string());
        // A file that is named twice counts twice, and the list has a missing file.
        assert_eq!((wrong.len(), right.len()), (7, 3), "{}", words(&output));
        let says = |path: &str, part: &str| {
            let mut errors =
                wrong.iter().filter(|line| line["path"].as_str().unwrap().ends_with(path));
            errors.any(|line| line["error"].as_str().unwrap().contains(part))
        };
        for (path, part) in [
            ("empty", "no JPEG"),
            ("folder.jpg", "no JPEG"),
            ("missing.txt", "cannot be read"),
            ("some.tar", "--to FOLDER"),
            ("dangling.jpg", "cannot be read"),
            ("\u{fffd}.jpg", "cannot be read"),
            ("7", "data set indices can't be combined with paths"),
        ] {
            assert!(says(path, part), "{path}: {}", words(&output));
        }
        assert!(words(&output).contains("7 of 10 images could not be predicted"));
    }
}

#[test]
fn predict_takes_several_indices_of_the_data_set() {
    let (place, data) = (TempDir::new().unwrap(), faces_folder(8));
    let run = |what: [&str; 3]| {
        with_models(&place, &data).args(["predict", "--json"]).args(what).output().unwrap()
    };
    let output = run(["5", "99", "6"]);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    let mut lines = objects(&output);
    let wrong = lines.remove(1);
    assert!(wrong["error"].as_str().unwrap().contains("no image 99") && wrong["path"] == "99");
    assert!(run(["5", "7", "6"]).status.success());
    let refused = run(["5", "--csv", "faces.csv"]);
    assert!(!refused.status.success() && words(&refused).contains("not with data set indices"));
    // An error of the data set is printed once, not once per index.
    let mut predict = with_models(&place, &data);
    predict.env("ROR_DATA", "/no/such/folder").args(["predict", "5", "6"]);
    let said = words(&predict.output().unwrap());
    assert!(said.matches("/no/such/folder").count() == 1 && !said.contains("of 2"), "{said}");
    assert_eq!(
        lines.iter().map(|line| line["index"].as_u64()).collect::<Vec<_>>(),
        [Some(5), Some(6)]
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_standard_output_is_an_error() {
    let (place, data) = (TempDir::new().unwrap(), faces_folder(1));
    let photo = PathBuf::from(common::ROOT).join("tests/photos/plain.jpg");
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    for command in [&["predict", "--aligned"][..], &["predict", "--json"], &["predict"]] {
        let mut predict = with_models(&place, &data);
        predict.args(command).arg(&photo).stdout(full());
        let output = predict.output().unwrap();
        let said = words(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("cannot write to standard output") && !said.contains("panicked"),
            "{said}"
        );
        // If standard error is full too, there is still the exit status.
        let output = predict.stderr(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
    }
}

/// Like `ror lineage | head -0`.
#[test]
#[cfg(unix)]
fn a_closed_pipe_ends_the_program_without_a_word() {
    use std::os::unix::process::ExitStatusExt;

    let (place, data) = (TempDir::new().unwrap(), faces_folder(1));
    let mut lineage = with_models(&place, &data);
    let mut child =
        lineage.arg("lineage").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(libc::SIGPIPE), "{}", words(&output));
    assert_eq!(words(&output), "");
}

/// Runs a program and returns its peak memory in bytes and whether it succeeded.
#[cfg(target_os = "linux")]
#[allow(clippy::zombie_processes)] // wait4 waits for it
fn peak_memory(command: &mut Command) -> (u64, bool) {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().unwrap();
    let (mut status, mut usage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
    // SAFETY: the call writes both, and zeros are valid for both.
    let usage = unsafe {
        assert!(libc::wait4(child.id() as i32, &mut status, 0, usage.as_mut_ptr()) > 0);
        usage.assume_init()
    };
    (1024 * usage.ru_maxrss as u64, status == 0)
}

/// 24 images of 48 MB, or two images of 200 MB on two threads, are not in memory at the same time.
#[test]
#[cfg(target_os = "linux")]
fn large_pictures_are_not_held_together() {
    let (place, data) = (TempDir::new().unwrap(), faces_folder(1));
    let folder = |name: &str, side: u32, n: usize| {
        let folder = place.path().join(name);
        fs::create_dir(&folder).unwrap();
        let first = folder.join("0.png");
        image::RgbImage::from_pixel(side, side, image::Rgb([90, 120, 90])).save(&first).unwrap();
        for i in 1..n {
            fs::hard_link(&first, folder.join(format!("{i}.png"))).unwrap();
        }
        folder
    };
    let folders = [folder("many", 4000, 24), folder("large", 8200, 2)];
    for form in ["--aligned", "--recursive"] {
        for folder in &folders {
            let mut predict = with_models(&place, &data);
            predict.env("OMP_NUM_THREADS", "2").args(["predict", form]).arg(folder);
            let (bytes, success) = peak_memory(&mut predict);
            assert!(success && bytes < 600 << 20, "{form} {}: {bytes}", folder.display());
        }
    }
}

#[test]
fn an_experiment_is_trained_from_its_file_and_an_ablation_writes_its_trials() {
    let (place, data) = (TempDir::new().unwrap(), faces_folder(400));
    let config = place.path().join("tiny.toml");
    let tiny = "protocol = 'random-80-10-10'\ntask = 'both'\nseeds = [0, 1]\n\
                [net]\nwidths = [8, 8, 16, 16]\nblocks = [1, 1, 1, 1]\n\
                [recipe]\nepochs = 1\nbatch = 32\n\
                [[variant]]\nname = 'no root shortcut'\nnet.root_shortcut = false\n";
    fs::write(&config, tiny).unwrap();
    let run = |words: &[&str]| {
        program(place.path(), data.path())
            .args(words)
            .arg("--config")
            .arg(&config)
            .output()
            .unwrap()
    };
    let output = run(&["ablate"]);
    assert!(output.status.success(), "{}", words(&output));
    let csv = fs::read_to_string(place.path().join("models/tiny.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 4, "{csv}");
    assert!(words(&output).contains("no root shortcut"));

    // An experiment has neither seeds nor variants.
    let output = run(&["train"]);
    assert!(!output.status.success());
    assert!(words(&output).contains("seeds"), "{}", words(&output));
    let plain = tiny.split("[[variant]]").next().unwrap().replace("seeds = [0, 1]\n", "");
    fs::write(&config, plain).unwrap();
    let output = run(&["train"]);
    assert!(output.status.success(), "{}", words(&output));
    assert!(words(&output).contains("validation, gender"), "{}", words(&output));
    assert!(words(&output).contains("MAE"), "{}", words(&output));
    // Saving it later records the new command.
    let saved = place.path().join("models/saved.json");
    let output = run(&["train", "--save", saved.to_str().unwrap()]);
    assert!(output.status.success(), "{}", words(&output));
    let card: Value = serde_json::from_str(&fs::read_to_string(&saved).unwrap()).unwrap();
    let command = card["command"].as_str().unwrap();
    assert!(command.contains("--save") && command.contains("saved.json"), "{command}");
}

#[test]
fn a_pretrained_net_is_fine_tuned_on_a_folder_with_its_own_labels() {
    let (place, folder) = (TempDir::new().unwrap(), faces_folder(260));
    // The same images under other names, with a table of labels.
    let own = TempDir::new().unwrap();
    let mut labels = "file,age,gender,photographer\n".to_owned();
    for (i, entry) in fs::read_dir(folder.path()).unwrap().enumerate() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut words = name.split('_');
        let (age, gender) = (words.next().unwrap(), words.next().unwrap());
        let gender = ["male", "female"][gender.parse::<usize>().unwrap()];
        fs::copy(&path, own.path().join(format!("img{i}.jpg"))).unwrap();
        labels += &format!("img{i}.jpg,{age},{gender},anna\n");
    }
    fs::write(own.path().join("labels.csv"), labels).unwrap();
    // Runs are written next to copies of the pretrained networks.
    let models = place.path().join("models");
    copied(&["models", "models/lineage"], place.path());
    let run = |words: &[&str]| {
        program(place.path(), folder.path())
            .args(words)
            .args(["--start", "both-64px", "--epochs", "1", "--batch", "32", "--data"])
            .arg(own.path())
            .output()
            .unwrap()
    };
    let card = models.join("mine.json");
    let output = run(&["train", "--save", card.to_str().unwrap()]);
    assert!(output.status.success(), "{}", words(&output));
    assert!(words(&output).contains("validation, gender"), "{}", words(&output));
    let card: Value = serde_json::from_str(&fs::read_to_string(card).unwrap()).unwrap();
    assert_eq!(card["task"], "both");
    assert_eq!(card["data"]["pictures"], 260);
    assert!(card["start"].is_string() && card["protocol"].is_null());
    // A list next to it names what it was trained on.
    let list = fs::read_to_string(models.join("mine.contents.txt")).unwrap();
    assert!(list.contains("\nvalidation "), "{list}");

    // Images that the start was trained on are found by their hash, under any name. A subset of the
    // data set is split differently.
    let part = TempDir::new().unwrap();
    for (i, entry) in fs::read_dir(folder.path()).unwrap().enumerate() {
        let path = entry.unwrap().path();
        if i % 2 == 0 {
            fs::copy(&path, part.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let output = program(place.path(), folder.path())
        .args(["train", "--start", "mine", "--epochs", "1", "--data"])
        .arg(part.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let refused = words(&output);
    assert!(
        refused.contains("mine or a network it started or learned from was trained on"),
        "{refused}"
    );
}

/// Files of a megabyte that expand to a gigabyte: a PNG's color profile, and a name in a tar file.
#[test]
#[cfg(target_os = "linux")]
fn what_inflates_to_a_gigabyte_does_not_take_it() {
    const GIGABYTE: u64 = 1 << 30;
    let (place, data) = (TempDir::new().unwrap(), faces_folder(1));
    let at = |name: &str| place.path().join(name);

    image::RgbImage::new(8, 8).save(at("profile.png")).unwrap();
    let mut png = fs::read(at("profile.png")).unwrap();
    let mut profile =
        flate2::write::ZlibEncoder::new(b"iCCPx\0\0".to_vec(), flate2::Compression::default());
    std::io::copy(&mut std::io::repeat(0).take(GIGABYTE), &mut profile).unwrap();
    let profile = profile.finish().unwrap();
    let mut crc = flate2::Crc::new();
    crc.update(&profile);
    let length = (profile.len() as u32 - 4).to_be_bytes();
    // After the header.
    png.splice(33..33, [&length[..], &profile, &crc.sum().to_be_bytes()].concat());
    fs::write(at("profile.png"), &png).unwrap();
    common::zeros(&at("name.tar.gz"), b'L', "././@LongLink", GIGABYTE, &[]);

    let predict = |arguments: &[&str]| {
        let mut predict = with_models(&place, &data);
        predict.args(["predict", "--aligned"]).args(arguments).current_dir(place.path());
        predict
    };
    let mut set = program(place.path(), &at("name.tar.gz"));
    set.arg("data");
    let commands = [
        (predict(&["profile.png"]), true),
        (predict(&["name.tar.gz", "--to", "answers"]), false),
        (set, false),
    ];
    for (mut command, right) in commands {
        let (bytes, success) = peak_memory(&mut command);
        assert!(success == right && bytes < 600 << 20, "{command:?}: {success}, {bytes}");
    }
}
