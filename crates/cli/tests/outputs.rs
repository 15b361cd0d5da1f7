//! Outputs never cost the user a file: what a command may replace, and what it writes through.

#![cfg(unix)]

#[path = "../../../tests/common/mod.rs"]
mod common;

use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::{below, faces_folder, program, words};
use parquet::file::reader::{FileReader, SerializedFileReader};
use tempfile::TempDir;

/// A folder with photographs, and the program that runs in it.
struct Place(TempDir);

impl Place {
    /// `photos` are copies of a photograph with a face, made different by bytes behind the end.
    fn new(photos: &[&str]) -> Self {
        let place = Self(TempDir::new().unwrap());
        for name in photos {
            place.photo(name);
        }
        place
    }

    fn photo(&self, name: &str) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(Path::new(common::ROOT).join("tests/photos/plain.jpg"), path).unwrap();
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `ror` with these words, in the folder. Words that begin with `@` are paths outside of it.
    fn ror(&self, words: &[&str]) -> Command {
        let mut command = program(&self.at(".ror"), Path::new("/no/data"));
        command.env("ROR_MODELS", Path::new(common::ROOT).join("models"));
        command.current_dir(self.0.path()).args(words);
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.ror(words).output().unwrap()
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", words(&output));
        words(&output)
    }

    /// The files and their bytes.
    fn state(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = below(self.0.path()).into_iter().filter(|path| path.is_file());
        files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }

    /// Asserts that a command is refused with these words, and that no file has changed.
    fn refused(&self, arguments: &[&str], part: &str) {
        let before = self.state();
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", words(&output));
        assert!(words(&output).contains(part), "{part:?} is not in: {}", words(&output));
        assert!(output.stdout.is_empty(), "it began to work: {}", words(&output));
        assert!(self.state() == before, "{arguments:?} changed a file");
    }
}

#[test]
fn an_input_is_never_an_output_not_even_by_force() {
    let place = Place::new(&["1.jpg", "2.jpg", "family.png", "sub/3.jpg"]);
    fs::write(place.at("list.txt"), "1.jpg\n").unwrap();
    fs::hard_link(place.at("2.jpg"), place.at("table.csv")).unwrap();
    symlink("1.jpg", place.at("page.html")).unwrap();
    // What the shell makes of `--csv *.jpg`.
    place.refused(&["predict", "--csv", "1.jpg", "2.jpg", "--force"], "is the name of an image");
    for arguments in [
        &["predict", "2.jpg", "--csv", "table.csv"][..],
        &["predict", "1.jpg", "--html", "page.html"],
        &["predict", "list.txt", "--parquet", "./sub/../list.txt"],
        &["predict", "list.txt", "1.jpg", "--aligned", "--csv", "list.txt"],
    ] {
        place.refused(&[arguments, &["--force"]].concat(), "is one of the files to read");
    }
    for arguments in [
        &["predict", ".", "--draw", "."][..],
        &["predict", "1.jpg", "--draw", "sub/.."],
        &["predict", "sub", "--draw", "sub"],
    ] {
        place.refused(&[arguments, &["--force"]].concat(), "is the folder of");
    }
}

#[test]
fn two_outputs_are_never_one_file() {
    let place = Place::new(&["a.jpg"]);
    for arguments in [
        ["--csv", "t", "--parquet", "t"],
        ["--html", "t", "--csv", "./t"],
        ["--parquet", "new/../t", "--html", "t"],
        ["--csv", "drawn/a.x", "--draw", "drawn"],
    ] {
        let output = place.run(&[&["predict", "a.jpg"], &arguments[..]].concat());
        let is_last = arguments[1] == "drawn/a.x";
        assert_eq!(output.status.success(), is_last, "{}", words(&output));
        assert!(is_last || words(&output).contains("are the same file"), "{}", words(&output));
    }
    assert!(!place.at("t").exists() && place.at("drawn/a.png").is_file());
}

#[test]
fn a_file_of_others_stays_without_force_and_ours_is_replaced() {
    let place = Place::new(&["a.jpg"]);
    let outputs =
        ["--csv", "t.csv", "--parquet", "t.parquet", "--html", "t.html", "--draw", "drawn"];
    let command = [&["predict", "a.jpg"], &outputs[..]].concat();
    place.succeeds(&command);
    let first = place.state();
    place.succeeds(&command);
    assert!(place.state() == first, "the same command writes something else");
    place.succeeds(&["predict", "a.jpg", "--aligned", "--csv", "t.csv"]);
    for pair in outputs.chunks(2) {
        let file = if pair[0] == "--draw" { "drawn/a.png" } else { pair[1] };
        let ours = fs::read(place.at(file)).unwrap();
        fs::write(place.at(file), "my notes").unwrap();
        let one = ["predict", "a.jpg", pair[0], pair[1]];
        place.refused(&one, "use --force to replace it");
        place.succeeds(&[&one[..], &["--force"]].concat());
        assert_ne!(fs::read(place.at(file)).unwrap(), b"my notes");
        fs::write(place.at(file), ours).unwrap();
    }
    // A table to which a column was added is not ours any more; an empty file is nobody's.
    fs::write(place.at("t.csv"), "path,gender,mine\na.jpg,male,x\n").unwrap();
    place.refused(&["predict", "a.jpg", "--csv", "t.csv"], "--force");
    fs::write(place.at("empty.csv"), "").unwrap();
    place.succeeds(&["predict", "a.jpg", "--csv", "empty.csv"]);
    place.refused(&["predict", "a.jpg", "--csv", "drawn"], "is a folder");
    place.refused(&["predict", "a.jpg", "--csv", "a.jpg/t.csv"], "a.jpg");
}

#[test]
fn pipes_devices_and_links_are_written_through() {
    let place = Place::new(&["a.jpg"]);
    fs::write(place.at("real.csv"), "").unwrap();
    symlink("real.csv", place.at("link.csv")).unwrap();
    symlink("later.html", place.at("dangling.html")).unwrap();
    place.succeeds(&["predict", "a.jpg", "--csv", "link.csv", "--html", "dangling.html"]);
    for link in ["link.csv", "dangling.html"] {
        assert!(fs::symlink_metadata(place.at(link)).unwrap().is_symlink());
    }
    let table = fs::read_to_string(place.at("real.csv")).unwrap();
    assert!(table.contains("a.jpg,1,") && place.at("later.html").is_file(), "{table}");

    assert!(Command::new("mkfifo").arg(place.at("pipe")).status().unwrap().success());
    for option in ["--csv", "--html", "--parquet"] {
        let mut child = place.ror(&["predict", "a.jpg", option, "pipe"]);
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let got = fs::read(place.at("pipe")).unwrap();
        assert!(child.wait().unwrap().success());
        assert!(option != "--csv" || got == table.as_bytes());
        assert!(got.len() > 100, "{option}: {} bytes", got.len());
        assert!(fs::symlink_metadata(place.at("pipe")).unwrap().file_type().is_fifo());
    }
    place.refused(&["predict", "a.jpg", "--csv", "pipe", "--html", "pipe"], "are the same file");

    // Standard output, also where it is a file: what was printed stays.
    let out = File::create(place.at("out.txt")).unwrap();
    let mut predict = place.ror(&["predict", "a.jpg", "--csv", "/dev/stdout"]);
    assert!(predict.stdout(out).status().unwrap().success());
    let said = fs::read_to_string(place.at("out.txt")).unwrap();
    assert!(said.starts_with("a.jpg [") && said.ends_with(&table), "{said}");

    // A device of our own: as root only, and where the folder allows devices.
    let null = place.at("null");
    let made =
        Command::new("mknod").arg(&null).args(["c", "1", "3"]).stderr(Stdio::null()).status();
    if made.is_ok_and(|made| made.success()) && File::options().write(true).open(&null).is_ok() {
        place.succeeds(&[
            "predict",
            "a.jpg",
            "--csv",
            "null",
            "--parquet",
            "null",
            "--html",
            "null",
        ]);
        assert!(fs::symlink_metadata(&null).unwrap().file_type().is_char_device());
    }
}

#[test]
fn photographs_of_one_name_have_a_drawing_each() {
    let place = Place::new(&["2021/IMG_1.jpg", "2022/IMG_1.jpg", "2022/img_1.jpeg", "b.jpg"]);
    let long = format!("{}.jpg", "n".repeat(251));
    place.photo(&long);
    let blank = image::RgbImage::from_pixel(300, 200, image::Rgb([90, 120, 90]));
    blank.save(place.at("b.png")).unwrap();
    let run = ["predict", "2021", "2022", "b.jpg", "b.png", "b.jpg", &long, "--draw", "drawn"];
    place.succeeds(&run);
    let drawn = below(&place.at("drawn"));
    assert_eq!(drawn.len(), 6, "{drawn:?}");
    place.succeeds(&run);
    assert_eq!(below(&place.at("drawn")), drawn);
}

/// A page or a drawing that fails, or a full standard output, does not cost the table.
#[test]
fn an_output_that_fails_does_not_cost_the_others() {
    let place = Place::new(&["a.jpg"]);
    // Links to where nothing can be made.
    symlink("/proc/no/page", place.at("page.html")).unwrap();
    fs::create_dir(place.at("drawn")).unwrap();
    symlink("/proc/no/drawing", place.at("drawn/a.png")).unwrap();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    for (number, (option, to)) in
        [("--html", "page.html"), ("--draw", "drawn"), ("--json", "--json")].into_iter().enumerate()
    {
        let table = format!("{number}.csv");
        let mut predict = place.ror(&["predict", "a.jpg", "--csv", &table, option]);
        match option {
            "--json" => predict.stdout(full()),
            _ => predict.arg(to),
        };
        let output = predict.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", words(&output));
        let written = fs::read_to_string(place.at(&table)).unwrap_or_default();
        match option {
            "--json" => assert!(written.contains("a.jpg,1,"), "{}", words(&output)),
            // Refused before any work.
            _ => assert!(written.is_empty() && words(&output).contains(to), "{}", words(&output)),
        }
    }
}

/// Whether the answers of `photos` are those of the images that are there now.
fn answers(place: &Place, to: &str) -> Vec<String> {
    let file = File::open(place.at(to)).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let rows = reader.get_row_iter(None).unwrap();
    let text = |row: parquet::record::Row, name: &str| {
        row.get_column_iter().find(|(own, _)| *own == name).unwrap().1.to_string()
    };
    rows.map(|row| text(row.unwrap(), "face")).collect()
}

#[test]
fn answers_of_another_folder_are_neither_replaced_nor_kept_wrongly() {
    let place = Place::new(&["2021/photos/a.jpg", "2022/photos/b.jpg"]);
    let blank = image::RgbImage::from_pixel(300, 200, image::Rgb([90, 120, 90]));
    blank.save(place.at("2021/photos/b.png")).unwrap();
    let of = |year: &'static str| ["predict", year, "--to", "answers"];
    place.succeeds(&of("2021/photos"));
    let first = answers(&place, "answers/photos.parquet");
    assert_eq!(first, ["1", "null"]);
    place.refused(&of("2022/photos"), "2021/photos");
    // A copy of the folder, and a folder that was moved, have the same names and contents.
    fs::create_dir_all(place.at("copy/photos")).unwrap();
    for name in ["a.jpg", "b.png"] {
        fs::copy(place.at("2021/photos").join(name), place.at("copy/photos").join(name)).unwrap();
    }
    assert!(place.succeeds(&of("copy/photos")).contains("1 already done"));
    // Two files swap their names; the bytes and times stay.
    let [a, b] = ["a.jpg", "b.png"].map(|name| place.at("2021/photos").join(name));
    fs::rename(&a, place.at("x")).unwrap();
    fs::rename(&b, &a).unwrap();
    fs::rename(place.at("x"), &b).unwrap();
    assert!(place.succeeds(&of("2021/photos")).contains("answered again"));
    assert_eq!(answers(&place, "answers/photos.parquet"), ["null", "1"]);
    place.succeeds(&["predict", "2022/photos", "--to", "answers", "--force"]);
    assert_eq!(answers(&place, "answers/photos.parquet"), ["1"]);
    // A pipe where the answers would be, and a name of the longest kind.
    assert!(
        Command::new("mkfifo").arg(place.at("answers/more.parquet")).status().unwrap().success()
    );
    place.photo("more/a.jpg");
    let output = place.run(&["predict", "more", "--to", "answers"]);
    assert!(words(&output).contains("is a pipe or a device"), "{}", words(&output));
    let long = "n".repeat(255);
    place.photo(&format!("{long}/a.jpg"));
    place.succeeds(&["predict", &long, "--to", "long"]);
    assert_eq!(below(&place.at("long")).len(), 1);
}

#[test]
fn a_saved_network_is_replaced_by_the_same_training_alone() {
    let (place, data) = (Place::new(&[]), faces_folder(120));
    let train = |more: &[&str]| {
        let mut train = program(place.0.path(), data.path());
        train.current_dir(place.0.path());
        let config = "protocol = 'random-80-10-10'\ntask = 'gender'\n[net]\nwidths = [8, 8, 8, 8]\n\
                      blocks = [1, 1, 1, 1]\ninput = 16\n[recipe]\nepochs = 1\nbatch = 32\n";
        fs::write(place.at("tiny.toml"), config).unwrap();
        train.args(["train", "--config", "tiny.toml", "--save", "mine.json"]).args(more);
        train.output().unwrap()
    };
    let right = |output: Output| assert!(output.status.success(), "{}", words(&output));
    right(train(&[]));
    right(train(&[])); // the same again
    let card = fs::read(place.at("mine.json")).unwrap();
    let other = train(&["--seed", "7"]);
    assert_eq!(other.status.code(), Some(1), "{}", words(&other));
    assert!(words(&other).contains("--save mine.json exists") && words(&other).contains("--force"));
    assert!(!words(&other).contains("epoch"), "it trained first: {}", words(&other));
    assert!(fs::read(place.at("mine.json")).unwrap() == card);
    right(train(&["--seed", "7", "--force"]));
    assert!(fs::read(place.at("mine.json")).unwrap() != card);
    // Somebody else's weights or lists of that name.
    fs::remove_file(place.at("mine.json")).unwrap();
    fs::write(place.at("mine.safetensors"), "my weights").unwrap();
    let other = train(&[]);
    assert!(words(&other).contains("mine.safetensors exists"), "{}", words(&other));
    assert_eq!(fs::read(place.at("mine.safetensors")).unwrap(), b"my weights");
}
