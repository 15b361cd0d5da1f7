//! Shards: every image is answered exactly once, also after kills and damage and with existing
//! answers.

#[path = "../../../tests/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use common::{CHOSEN_PYTHON, program, run_python, words};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use synthetic::population;
use tempfile::TempDir;

fn project() -> &'static Path {
    Path::new(common::ROOT)
}

/// `ror predict` with the shipped models, on one core.
fn predict(place: &Path) -> Command {
    let mut command = program(place, Path::new("/no/data"));
    command.env("ROR_MODELS", project().join("models"));
    for name in ["RANK", "WORLD_SIZE", "SLURM_ARRAY_TASK_ID", "SLURM_PROCID", "SLURM_JOB_ID"] {
        command.env_remove(name);
    }
    command.arg("predict");
    command
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

fn succeeds(command: &mut Command) -> String {
    let output = run(command);
    assert!(output.status.success(), "{}", words(&output));
    words(&output)
}

fn fails(command: &mut Command) -> String {
    let output = run(command);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    words(&output)
}

fn says(said: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(said.contains(part), "{part:?} is not in: {said}"));
}

/// Writes a complete tar file.
fn tar(path: &Path, members: &[(&str, Vec<u8>)]) {
    let mut tar = tar::Builder::new(File::create(path).unwrap());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    tar.finish().unwrap();
}

/// Writes shards `000`, `001`, ... with `faces` synthetic faces each, and returns their members.
fn shards(folder: &Path, n: usize, faces: usize) -> BTreeMap<String, Vec<String>> {
    fs::create_dir_all(folder).unwrap();
    let people = population(n * faces, 3);
    let shard = |(i, people): (usize, &[synthetic::Person])| {
        let members = people.iter().enumerate();
        let members: Vec<(String, Vec<u8>)> = members
            .map(|(j, person)| (format!("{:04}.jpg", i * faces + j), person.jpeg().unwrap()))
            .collect();
        let of: Vec<_> = members.iter().map(|(name, jpeg)| (&name[..], jpeg.clone())).collect();
        tar(&folder.join(format!("{i:03}.tar")), &of);
        (format!("{i:03}"), members.into_iter().map(|(name, _)| name).collect())
    };
    people.chunks(faces).enumerate().map(shard).collect()
}

/// Reads the rows of a file of answers.
fn rows(path: &Path) -> Vec<Row> {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    reader.get_row_iter(None).unwrap().collect::<Result<_, _>>().unwrap()
}

fn field<'a>(row: &'a Row, name: &str) -> &'a Field {
    row.get_column_iter().find(|(own, _)| *own == name).unwrap().1
}

fn text(row: &Row, name: &str) -> Option<String> {
    match field(row, name) {
        Field::Str(text) => Some(text.clone()),
        Field::Null => None,
        other => panic!("{name} is {other}"),
    }
}

fn number(row: &Row, name: &str) -> Option<f64> {
    match field(row, name) {
        Field::Double(number) => Some(*number),
        Field::Long(number) => Some(*number as f64),
        Field::Null => None,
        other => panic!("{name} is {other}"),
    }
}

/// Returns the images in a file of answers, in order. Asserts that each is there once and that each
/// row has a face, no face, or an error.
fn answered(path: &Path) -> Vec<String> {
    let mut paths = vec![];
    let mut last_face = None;
    for row in rows(path) {
        assert_eq!(text(&row, "shard").unwrap(), path.file_stem().unwrap().to_string_lossy());
        let (picture, age) = (number(&row, "picture").unwrap() as usize, number(&row, "age"));
        let face = number(&row, "face");
        assert_eq!(face.is_some(), age.is_some());
        if picture < paths.len() {
            assert_eq!(picture + 1, paths.len(), "out of order");
            // Another face in the same photo.
            assert_eq!(face, last_face.map(|last| last + 1.0));
        } else {
            assert_eq!(picture, paths.len(), "a picture is missing");
            assert!(face.is_none_or(|face| face == 1.0));
            assert!(face.is_none() || text(&row, "error").is_none());
            paths.push(text(&row, "path").unwrap());
        }
        last_face = face;
    }
    paths
}

/// Asserts that every image of every shard is answered once, and that there are no other files.
fn all_answered(to: &Path, shards: &BTreeMap<String, Vec<String>>) {
    let mut names: Vec<String> =
        fs::read_dir(to).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let expected: Vec<String> = shards.keys().map(|name| format!("{name}.parquet")).collect();
    assert_eq!(names, expected);
    for (name, pictures) in shards {
        assert_eq!(answered(&to.join(format!("{name}.parquet"))), *pictures, "of {name}");
    }
}

/// Returns the files of answers in a folder with their modification times.
fn times(to: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let Ok(entries) = fs::read_dir(to) else { return BTreeMap::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let whole = paths.filter(|path| path.extension().is_some_and(|e| e == "parquet"));
    whole.map(|path| (path.clone(), fs::metadata(path).unwrap().modified().unwrap())).collect()
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(240), "{what} takes too long");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A different number in every run of the tests.
fn random(below: u64) -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::from(now.subsec_micros()) % below
}

#[test]
fn every_picture_is_answered_once_though_a_worker_is_killed_twice() {
    let place = TempDir::new().unwrap();
    let (from, to) = (place.path().join("shards"), place.path().join("answers"));
    let shards = shards(&from, 20, 12);
    let start = |worker: usize| -> Child {
        let mut command = predict(place.path());
        command.arg(&from).arg("--to").arg(&to).arg("--shard").arg(format!("{worker}/3"));
        command.stderr(Stdio::null()).spawn().unwrap()
    };
    let own = || times(&to).keys().filter(|path| share_of(path) == 1).count();
    let others = [start(0), start(2)];
    let mut killed = start(1);
    let mut before = BTreeMap::new();
    for round in 0..2 {
        // Somewhere in one of the next shards.
        let (done, after) = (own() + random(2) as usize, random(150));
        wait_until("a worker", || own() >= done);
        std::thread::sleep(Duration::from_millis(after));
        assert!(killed.try_wait().unwrap().is_none(), "it was done before kill {round}");
        killed.kill().unwrap(); // SIGKILL
        killed.wait().unwrap();
        let now = times(&to);
        unchanged(&before, &now);
        before.extend(now.into_iter().filter(|(path, _)| share_of(path) == 1));
        killed = start(1);
    }
    for mut worker in others.into_iter().chain([killed]) {
        assert!(worker.wait().unwrap().success());
    }
    all_answered(&to, &shards);
    let after = times(&to);
    unchanged(&before, &after);
    let again = succeeds(predict(place.path()).arg(&from).arg("--to").arg(&to));
    says(&again, &["shards: 0 answered, 20 already done"]);
    assert_eq!(times(&to), after);
    opens_in_python(&to, "240 pictures, ");
}

/// Asserts that shards answered before a kill are not answered again.
fn unchanged(before: &BTreeMap<PathBuf, SystemTime>, after: &BTreeMap<PathBuf, SystemTime>) {
    before.iter().for_each(|(path, time)| assert_eq!(after[path], *time, "{}", path.display()));
}

/// Which of three workers made a file of answers.
fn share_of(answers: &Path) -> usize {
    answers.file_stem().unwrap().to_string_lossy().parse::<usize>().unwrap() % 3
}

#[test]
fn answers_are_those_of_predict_on_the_same_files() {
    let place = TempDir::new().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::create_dir(at("photos")).unwrap();
    let photos = project().join("tests/photos");
    for name in ["group.jpg", "lossy.webp", "plain.jpg"] {
        fs::copy(photos.join(name), at("photos").join(name)).unwrap();
    }
    let blank = image::RgbImage::from_pixel(300, 200, image::Rgb([90, 120, 90]));
    blank.save(at("photos/nobody.png")).unwrap();
    fs::write(at("photos/broken.jpg"), b"no picture").unwrap();
    let csv = at("plain.csv");
    fails(predict(place.path()).arg(at("photos")).arg("--csv").arg(&csv));

    // As a folder, as a list, and as a tar file with other members, on two cores.
    let list = fs::read_dir(at("photos")).unwrap().map(|e| e.unwrap().path().display().to_string());
    let mut list: Vec<String> = list.collect();
    list.sort();
    fs::write(at("list.txt"), list.join("\n")).unwrap();
    let mut tar = tar::Builder::new(File::create(at("tar.tar")).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    for path in &list {
        tar.append_path_with_name(path, Path::new(path).file_name().unwrap()).unwrap();
        let mut label = tar::Header::new_gnu();
        label.set_size(2);
        tar.append_data(&mut label, "group.json", &b"{}"[..]).unwrap();
    }
    tar.append_link(&mut header, "link.jpg", "/etc/passwd").unwrap();
    tar.append_dir("folder.jpg", at("photos")).unwrap();
    tar.into_inner().unwrap().flush().unwrap();
    let to = at("answers");
    let said = succeeds(
        predict(place.path())
            .args([at("photos"), at("list.txt"), at("tar.tar")])
            .arg("--to")
            .arg(&to)
            .env("OMP_NUM_THREADS", "2"),
    );
    says(&said, &["shards: 3 answered", "4 unreadable", "broken.jpg: ", "images per second"]);

    let mut plain = csv::Reader::from_path(&csv).unwrap();
    let mut plain: Vec<BTreeMap<String, String>> =
        plain.deserialize().map(Result::unwrap).collect();
    plain.retain(|row| row["status"] == "ok");
    assert_eq!(plain.len(), 9);
    for (name, pictures) in [("photos", 5), ("list", 5), ("tar", 6)] {
        let path = to.join(format!("{name}.parquet"));
        assert_eq!(answered(&path).len(), pictures);
        let rows = rows(&path);
        let (faces, others): (Vec<_>, Vec<_>) =
            rows.iter().partition(|row| number(row, "face").is_some());
        assert_eq!(faces.len(), plain.len());
        for (row, plain) in faces.iter().zip(&plain) {
            assert!(plain["path"].ends_with(&text(row, "path").unwrap()));
            for exact in ["face", "x", "y", "width", "height", "score"] {
                assert_eq!(number(row, exact).unwrap(), plain[exact].parse::<f64>().unwrap());
            }
            // bf16 and another batch, so not exactly equal.
            let (age, other) = (number(row, "age").unwrap(), plain["age"].parse::<f64>().unwrap());
            assert!((age - other).abs() < 0.5, "{age}, {other}");
            assert_eq!(text(row, "notes").unwrap(), plain["notes"]);
        }
        let said: Vec<_> = others.iter().map(|row| text(row, "error")).collect();
        assert_eq!(said.iter().filter(|error| error.is_none()).count(), 1, "{said:?}");
        assert_eq!(said.len(), pictures - 3);
        if name == "tar" {
            assert!(said.contains(&Some("a link or a device, not a file".to_owned())), "{said:?}");
        }
    }

    // Without --to, a list is a list of images, and a tar file is an error.
    let lines = run(predict(place.path()).arg(at("list.txt")));
    assert_eq!(String::from_utf8(lines.stdout).unwrap().lines().count(), 9);
    says(&fails(predict(place.path()).arg(at("tar.tar"))), &["tar.tar", "--to FOLDER"]);
}

#[test]
fn a_damaged_shard_is_named_and_the_others_go_on() {
    let place = TempDir::new().unwrap();
    let (from, to) = (place.path().join("shards"), place.path().join("answers"));
    let mut shards = shards(&from, 6, 3);
    let at = |name: &str| from.join(name);
    let change = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(at(name)).unwrap();
        change(&mut bytes);
        fs::write(at(name), bytes).unwrap();
    };
    // Cut off in an image; cut off between two members; a changed header; not a tar file.
    change("001.tar", &|bytes| bytes.truncate(bytes.len() / 2));
    change("002.tar", &|bytes| {
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() / 512 * 512 + 512;
        bytes.truncate(end);
    });
    change("003.tar", &|bytes| bytes[3] ^= 1);
    fs::write(at("004.tar"), "no tar file").unwrap();
    // Two concatenated tar files are one shard.
    change("005.tar", &|bytes| bytes.extend(fs::read(at("000.tar")).unwrap()));
    let first = shards["000"].clone();
    shards.get_mut("005").unwrap().extend(first);
    let mut command = predict(place.path());
    command.arg("--aligned").arg(&from).arg(at("none.tar")).arg("--to").arg(&to);
    let said = fails(&mut command);
    says(&said, &["shards: 2 answered, 5 failed", "5 of 7 shards failed"]);
    for name in ["001", "002", "003", "004", "none"] {
        says(&said, &[&format!("error: {}: ", at(&format!("{name}.tar")).display())]);
        shards.remove(name);
    }
    assert_eq!(said.matches("cut off or damaged").count(), 4, "{said}");
    let rows_of = |name: &str| rows(&to.join(name)).len();
    assert_eq!((rows_of("000.parquet"), rows_of("005.parquet")), (3, 6));
    assert_eq!(times(&to).len(), 2);
    assert_eq!(fs::read_dir(&to).unwrap().count(), 2, "a part was left");

    // Replaced by an intact file.
    let bytes = fs::read(at("000.tar")).unwrap();
    fs::write(at("001.tar"), bytes).unwrap();
    says(&fails(&mut command), &["shards: 1 answered, 2 already done, 4 failed"]);
}

#[test]
fn answers_that_are_there_are_taken_made_again_or_refused() {
    let place = TempDir::new().unwrap();
    let (from, to) = (place.path().join("shards"), place.path().join("answers"));
    let shards = shards(&from, 3, 4);
    let command = |more: &[&str]| {
        let mut command = predict(place.path());
        command.arg("--aligned").arg(&from).arg("--to").arg(&to).args(more);
        command
    };
    succeeds(&mut command(&[]));
    let whole = times(&to);
    let answers = to.join("001.parquet");
    let bytes = fs::read(&answers).unwrap();
    for length in [bytes.len() / 2, bytes.len() - 1, 2, 0] {
        fs::write(&answers, &bytes[..length]).unwrap();
        says(&succeeds(&mut command(&[])), &["shards: 1 answered, 2 already done"]);
        assert!(fs::read(&answers).unwrap() == bytes, "other answers than before");
    }
    // Partial files of killed processes are removed; a file that is being written stays.
    let [left, written, other] = ["001.parquet-a1B2c3", "002.parquet-a1B2c3", "009.parquet-a1B2c3"]
        .map(|name| to.join(format!(".{name}")));
    [&left, &other].iter().for_each(|path| fs::write(path, "half").unwrap());
    let locked = File::create(&written).unwrap();
    locked.lock().unwrap();
    says(&succeeds(&mut command(&[])), &["shards: 0 answered, 3 already done"]);
    assert!(!left.exists() && written.exists() && other.exists());
    drop(locked);
    fs::remove_file(other).unwrap();

    // A shard that has changed is answered again.
    let (_, names) = shards.first_key_value().unwrap();
    let person = &population(1, 9)[0];
    let picture = (names[0].as_str(), person.jpeg().unwrap());
    tar(&from.join("000.tar"), &[picture]);
    says(&succeeds(&mut command(&[])), &["shards: 1 answered, 2 already done"]);
    assert_eq!(rows(&to.join("000.parquet")).len(), 1);
    let after = times(&to);
    assert_eq!(after.iter().filter(|(path, time)| whole[*path] == **time).count(), 1);

    // Answers of other networks, or of photos, are not mixed with these.
    let small = ["--model", "both-32px"];
    says(&fails(&mut command(&small)), &["000.parquet contains answers of other networks", "--to"]);
    let mut photographs = predict(place.path());
    photographs.arg(&from).arg("--to").arg(&to);
    says(&fails(&mut photographs), &["another --aligned"]);
    // A foreign file stays, and is reported before anything is answered.
    for (foreign, why) in [
        (bytes.replace(b"\x03ror", b"\x03roz"), "not made by this program"),
        (b"a letter".to_vec(), "not a Parquet"),
    ] {
        fs::write(&answers, &foreign).unwrap();
        fs::remove_file(to.join("002.parquet")).ok();
        says(&fails(&mut command(&[])), &[why, "001.parquet"]);
        assert!(fs::read(&answers).unwrap() == foreign && !to.join("002.parquet").exists());
    }
}

/// Replaces a part of some bytes.
trait Replace {
    fn replace(&self, part: &[u8], by: &[u8]) -> Vec<u8>;
}

impl Replace for Vec<u8> {
    fn replace(&self, part: &[u8], by: &[u8]) -> Vec<u8> {
        let at = self.windows(part.len()).position(|window| window == part).expect("the part");
        [&self[..at], by, &self[at + part.len()..]].concat()
    }
}

#[test]
fn torchrun_and_slurm_say_which_share_is_whose() {
    let place = TempDir::new().unwrap();
    let from = place.path().join("shards");
    let shards = shards(&from, 5, 2);
    type Variables = fn(usize) -> Vec<(&'static str, usize)>;
    let torchrun: Variables = |i| vec![("RANK", i), ("WORLD_SIZE", 3)];
    let array: Variables = |i| {
        vec![
            ("SLURM_JOB_ID", 70 + i),
            ("SLURM_ARRAY_TASK_ID", 1 + i),
            ("SLURM_ARRAY_TASK_COUNT", 3),
            ("SLURM_ARRAY_TASK_MIN", 1),
            ("SLURM_ARRAY_TASK_MAX", 3),
            ("SLURM_ARRAY_TASK_STEP", 1),
            ("SLURM_PROCID", 0),
        ]
    };
    let srun: Variables = |i| vec![("SLURM_PROCID", i), ("SLURM_NTASKS", 3)];
    for (name, variables) in [("torchrun", torchrun), ("array", array), ("srun", srun)] {
        let to = place.path().join(name);
        for (worker, share) in [2, 2, 1].into_iter().enumerate() {
            // Start it like a user of Slurm.
            let mut command = match name {
                "array" => {
                    let mut script = Command::new("bash");
                    let like = predict(place.path());
                    script.envs(like.get_envs().filter_map(|(k, v)| Some((k, v?))));
                    script.env("ROR", like.get_program());
                    script.arg(project().join("examples/scale/slurm.sh"));
                    script.arg(&to).arg("--aligned").arg(&from);
                    script
                }
                _ => {
                    let mut command = predict(place.path());
                    command.arg("--aligned").arg(&from).arg("--to").arg(&to);
                    command
                }
            };
            let values = variables(worker).into_iter().map(|(k, v)| (k, v.to_string()));
            let said = succeeds(command.envs(values));
            let own = format!("share {worker}/3 by ");
            says(
                &said,
                &[&own, &format!(": {share} of 5 shards"), &format!("\nshards: {share} answered")],
            );
        }
        assert_eq!(times(&to).len(), 5);
        let rows = shards.keys().map(|shard| rows(&to.join(format!("{shard}.parquet"))).len());
        assert_eq!(rows.sum::<usize>(), 10);
    }
    let mut command = predict(place.path());
    command.arg(&from).arg("--to").arg(place.path().join("none"));
    says(&fails(command.env("RANK", "3").env("WORLD_SIZE", "3")), &["share 3 of 3", "from 0"]);
    let output = run(command.args(["--shard", "3/3"]));
    assert!(!output.status.success());
    says(&words(&output), &["shares are numbered from 0"]);
}

/// If one worker fails, torchrun ends and restarts all of them. A damaged shard must not prevent
/// the other shards from being answered.
#[test]
fn torchrun_goes_on_beside_a_damaged_shard() {
    let place = TempDir::new().unwrap();
    let (from, to) = (place.path().join("shards"), place.path().join("answers"));
    let mut shards = shards(&from, 7, 2);
    fs::write(from.join("000.tar"), "no tar file").unwrap();
    shards.remove("000");
    let like = predict(place.path());
    let mut script = Command::new("bash");
    script.args([
        "-c",
        "source setup/env.sh && exec examples/scale/torchrun.sh \"$@\"",
        "bash",
        "3",
    ]);
    script.arg(&to).arg("--aligned").arg(&from).current_dir(project());
    script.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let said = fails(script.env("ROR", like.get_program()));
    for worker in 0..3 {
        says(&said, &[&format!("share {worker}/3 by RANK and WORLD_SIZE: ")]);
    }
    says(
        &said,
        &["000.tar: it is cut off or damaged", "shards: 0 answered, 6 already done, 1 failed"],
    );
    assert_eq!(times(&to).len(), 6);
    let rows = shards.keys().map(|shard| rows(&to.join(format!("{shard}.parquet"))).len());
    assert_eq!(rows.sum::<usize>(), 12);
}

const INSTALL: &str =
    "set ROR_PYTHON=$(setup/python.sh), or install what examples/scale/requirements.txt lists";

/// Runs a script in `tests/scale/`. Returns `None` if a package is missing.
fn script(name: &str, arguments: &[PathBuf]) -> Option<String> {
    run_python(CHOSEN_PYTHON, &project().join("tests/scale").join(name), arguments, INSTALL)
}

/// Asserts that polars and pyarrow read the answers and count this many images.
fn opens_in_python(to: &Path, pictures: &str) {
    if let Some(said) = script("answers.py", &[to.to_owned()]) {
        says(&said, &[pictures, " 0 not read"]);
    }
}

#[test]
fn ray_hands_out_shards_and_tries_again_what_is_killed() {
    if script("has_ray.py", &[]).is_none() {
        return;
    }
    let place = TempDir::new().unwrap();
    let (from, to) = (place.path().join("shards"), place.path().join("answers"));
    let shards = shards(&from, 20, 12);
    let like = predict(place.path());
    let mut driver = Command::new("bash");
    let ray = format!("exec \"{CHOSEN_PYTHON}\" examples/scale/ray_predict.py \"$@\"");
    driver.args(["-c", &format!("source setup/env.sh && {ray}"), "bash"]);
    driver.args([&to, &from]).current_dir(project());
    driver.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    driver.env("ROR", like.get_program()).env("RAY_USAGE_STATS_ENABLED", "0");
    let driver = driver.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(random(1500)));
        let mut found = None;
        wait_until("a task of Ray", || {
            found = answering(&to);
            found.is_some()
        });
        assert!(Command::new("kill").args(["-9", &found.unwrap()]).status().unwrap().success());
    }
    let output = driver.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
    says(&words(&output), &["240 pictures of 20 shards; failed: []", "SIGKILL"]);
    all_answered(&to, &shards);
    opens_in_python(&to, "240 pictures, ");
}

/// Returns the ID of a process that writes answers to a folder.
fn answering(to: &Path) -> Option<String> {
    let to = to.as_os_str().as_encoded_bytes();
    fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let words = fs::read(entry.path().join("cmdline")).ok()?;
        let mut words = words.split(|byte| *byte == 0);
        let is_ours = words.nth(1) == Some(b"predict") && words.any(|word| word == to);
        is_ours.then(|| entry.file_name().to_string_lossy().into_owned())
    })
}
