//! Names, files and tables from elsewhere: nothing in them runs, and one bad item costs only itself.

#![cfg(unix)]

#[path = "../../../tests/common/mod.rs"]
mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{faces_folder, gz, pictures, program, tar, words};
use ror::data::Faces;
use serde_json::Value;
use tempfile::TempDir;

fn photo(name: &str) -> PathBuf {
    Path::new(common::ROOT).join("tests/photos").join(name)
}

/// `ror` with the shipped models, in a folder.
fn ror(place: &TempDir, words: &[&str]) -> Command {
    let mut command = program(&place.path().join(".ror"), Path::new("/no/data"));
    command.env("ROR_MODELS", Path::new(common::ROOT).join("models"));
    command.current_dir(place.path()).args(words);
    command
}

fn run(place: &TempDir, arguments: &[&str]) -> Output {
    ror(place, arguments).output().unwrap()
}

/// Rows of a CSV file.
fn rows(path: &Path) -> Vec<csv::StringRecord> {
    csv::Reader::from_path(path).unwrap().into_records().map(Result::unwrap).collect()
}

/// Names that move a cursor, begin a line, are markup, formulas or messages to a kernel.
const NAMES: [&str; 9] = [
    "\u{1b}[31mred\u{1b}]0;title\u{7}.jpg",
    "x\nerror: forged.jpg",
    "x\r\u{9b}2J.jpg",
    "=cmd|' '!A0.jpg",
    "@SUM(1).jpg",
    "\u{202e}gpj.exe.jpg",
    "<img src=x onerror=alert(1)>.jpg",
    "'\"><script>.jpg",
    "x\nEVCXR_END_CONTENT\nEVCXR_FRONT {}\n.jpg",
];

#[test]
fn no_name_gets_through_to_a_terminal_a_page_a_spreadsheet_or_a_kernel() {
    let place = TempDir::new().unwrap();
    for (number, name) in NAMES.into_iter().enumerate() {
        match number % 3 {
            0 => drop(fs::copy(photo("plain.jpg"), place.path().join(name)).unwrap()),
            1 => image::RgbImage::new(40, 40)
                .save_with_format(place.path().join(name), image::ImageFormat::Png)
                .unwrap(),
            _ => fs::write(place.path().join(name), "no picture").unwrap(),
        }
    }
    for form in [&[][..], &["--json"], &["--aligned"], &["--aligned", "--json"]] {
        let page = if form.contains(&"--aligned") { &[][..] } else { &["--html", "page.html"] };
        // As a folder, and by their own names.
        for what in [&["."][..], &NAMES] {
            let output =
                run(&place, &[&["predict"], form, page, what, &["--csv", "t.csv"]].concat());
            let said = words(&output);
            for c in ['\u{1b}', '\u{7}', '\r', '\u{9b}', '\u{202e}'] {
                assert!(!said.contains(c), "{c:?} gets through: {said}");
            }
            assert!(!said.contains("EVCXR_"), "{said}");
            assert!(!said.lines().any(|line| line.starts_with("error: forged")), "{said}");
            let table = fs::read_to_string(place.path().join("t.csv")).unwrap();
            assert!(!table.contains(['\u{1b}', '\u{7}', '\r', '\u{9b}']), "{table}");
            let table = rows(&place.path().join("t.csv"));
            assert_eq!(table.len(), NAMES.len(), "{table:?}");
            assert!(!table.iter().any(|row| row[0].starts_with(['=', '@'])), "{table:?}");
            if form == ["--json"] {
                let paths: Vec<String> = std::str::from_utf8(&output.stdout)
                    .unwrap()
                    .lines()
                    .map(|line| serde_json::from_str::<Value>(line).unwrap())
                    .map(|line| line["path"].as_str().unwrap().trim_start_matches("./").to_owned())
                    .collect();
                assert!(NAMES.iter().all(|name| paths.contains(&(*name).to_owned())), "{paths:?}");
            }
        }
    }
    let page = fs::read_to_string(place.path().join("page.html")).unwrap();
    for markup in ["<img src=x", "<script>.jpg", "\u{1b}", "EVCXR_"] {
        assert!(!page.contains(markup), "{markup:?} gets through");
    }
}

#[test]
fn a_set_with_such_names_is_described_without_them() {
    let members: Vec<common::Member> = NAMES
        .iter()
        .map(|name| (b'0', format!("set/{name}"), vec![1]))
        .chain(common::files("set/", &pictures(3)))
        .collect();
    let place = TempDir::new().unwrap();
    let archive = place.path().join("names.tar.gz");
    fs::write(&archive, gz(&tar(&members))).unwrap();
    let faces = Faces::open_at(&archive).unwrap();
    let shown = faces.to_string();
    assert_eq!((faces.len(), faces.unparsed().len(), shown.lines().count()), (3, 9, 2), "{shown}");
    assert!(!shown.contains(['\u{1b}', '\r', '\u{9b}']) && !shown.contains("EVCXR_"), "{shown}");
}

#[test]
fn every_file_has_a_row_with_its_status() {
    let place = TempDir::new().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::copy(photo("plain.jpg"), at("face.jpg")).unwrap();
    image::RgbImage::from_pixel(300, 200, image::Rgb([90, 120, 90]))
        .save(at("noface.png"))
        .unwrap();
    fs::write(at("cut.jpg"), &fs::read(photo("plain.jpg")).unwrap()[..6000]).unwrap();
    // A name of the longest kind keeps its answer, with its drawing.
    let long = format!("{}.jpg", "n".repeat(251));
    fs::copy(photo("plain.jpg"), at(&long)).unwrap();
    let what = ["predict", "face.jpg", "noface.png", "cut.jpg", &long, "gone.jpg", "nothing"];
    fs::create_dir(at("nothing")).unwrap();
    let output = run(&place, &[&what[..], &["--csv", "t.csv", "--draw", "drawn"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let status = |table: &str| -> Vec<(String, String)> {
        let mut found: Vec<_> = rows(&at(table))
            .iter()
            .map(|row| (row[0].to_owned(), row[row.len() - 2].to_owned()))
            .collect();
        found.sort();
        found
    };
    let expected = |wanted: [(&str, &str); 6]| {
        let mut wanted = wanted.map(|(name, status)| (name.to_owned(), status.to_owned()));
        wanted.sort();
        wanted.to_vec()
    };
    let photos = [
        ("face.jpg", "ok"),
        ("noface.png", "no face"),
        ("cut.jpg", "error"),
        (&long, "ok"),
        ("gone.jpg", "error"),
        ("nothing", "error"),
    ];
    assert_eq!(status("t.csv"), expected(photos));
    assert_eq!(fs::read_dir(at("drawn")).unwrap().count(), 3);
    run(&place, &[&what[..], &["--aligned", "--csv", "t.csv"]].concat());
    let crops =
        photos.map(|(name, status)| (name, if status == "no face" { "ok" } else { status }));
    assert_eq!(status("t.csv"), expected(crops));
    let cut = rows(&at("t.csv")).into_iter().find(|row| &row[0] == "cut.jpg").unwrap();
    assert!(!cut[cut.len() - 1].is_empty() && cut[1].is_empty(), "{cut:?}");
}

#[test]
fn images_of_all_kinds_are_read_or_named_with_the_command_that_converts_them() {
    let place = TempDir::new().unwrap();
    let at = |name: &str| place.path().join("kinds").join(name);
    fs::create_dir(place.path().join("kinds")).unwrap();
    let plain = fs::read(photo("plain.jpg")).unwrap();
    for name in ["a.jpg", "b.jfif", "c.JPE", "d.jpeg"] {
        fs::write(at(name), &plain).unwrap();
    }
    let picture = image::open(photo("plain.jpg")).unwrap().to_rgb8();
    for name in ["e.bmp", "f.tif", "g.gif", "h.webp"] {
        let kind = image::ImageFormat::from_path(at(name)).unwrap();
        // A GIF has an alpha channel.
        match name {
            "g.gif" => image::DynamicImage::from(picture.clone())
                .to_rgba8()
                .save_with_format(at(name), kind),
            _ => picture.save_with_format(at(name), kind),
        }
        .unwrap();
    }
    for (name, bytes) in [
        ("i.heic", &b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..]),
        ("j.avif", b"\0\0\0\x20ftypavif\0\0\0\0avif"),
        ("k.jpg", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic"),
        ("._a.jpg", b"\0\x05\x16\x07 attributes of macOS"),
        ("film.mp4", b"\0\0\0\x18ftypmp42"),
    ] {
        fs::write(at(name), bytes).unwrap();
    }
    let output = run(&place, &["predict", "kinds", "--csv", "t.csv"]);
    let said = words(&output);
    let table = rows(&place.path().join("t.csv"));
    let found = table.iter().filter(|row| &row[row.len() - 2] == "ok").count();
    assert_eq!((found, table.len()), (8, 11), "{said}");
    for (name, command) in
        [("i.heic", "heif-convert"), ("j.avif", "avifdec"), ("k.jpg", "heif-convert")]
    {
        let line = said.lines().find(|line| line.contains(name)).unwrap();
        assert!(line.contains(command), "{line}");
    }
    assert!(!said.contains("._a") && !said.contains("film"), "{said}");
    // The exact kinds give the same ages.
    let age = |name: &str| {
        let row = table.iter().find(|row| row[0].ends_with(name)).unwrap();
        row[11].parse::<f64>().unwrap()
    };
    for name in ["b.jfif", "e.bmp", "f.tif", "h.webp"] {
        assert!((age(name) - age("a.jpg")).abs() < 0.5, "{name}: {} {}", age(name), age("a.jpg"));
    }
    assert!((age("g.gif") - age("a.jpg")).abs() < 8.0, "{}", age("g.gif"));
}

#[test]
fn lists_of_other_systems_are_read() {
    let place = TempDir::new().unwrap();
    fs::create_dir(place.path().join("sub")).unwrap();
    for name in ["a.jpg", "sub/b.jpg", "Ame\u{301}lie.jpg"] {
        fs::copy(photo("plain.jpg"), place.path().join(name)).unwrap();
    }
    let list = "\u{feff}a.jpg\r\nsub\\b.jpg\r\n\"Amélie.jpg\"\r\nD:\\Fotos\\c.jpg\r\n";
    let utf16: Vec<u8> = list.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bytes in [list.as_bytes(), &utf16] {
        fs::write(place.path().join("list.txt"), bytes).unwrap();
        let output = run(&place, &["predict", "--aligned", "list.txt"]);
        let said = words(&output);
        assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 3, "{said}");
        assert!(said.contains("c.jpg: error: ") && said.contains("a path of Windows"), "{said}");
    }
}

/// A set of faces with a table of labels.
fn labelled(table: &str) -> TempDir {
    let place = TempDir::new().unwrap();
    let faces = Faces::synthetic(3, 0).unwrap();
    for (index, name) in ["a.jpg", "b.jpg", "c.jpg"].iter().enumerate() {
        fs::write(place.path().join(name), faces.bytes(index).unwrap()).unwrap();
    }
    fs::write(place.path().join("labels.csv"), table).unwrap();
    place
}

const TABLE: &str = "file,age,gender\na.jpg,30,male\nb.jpg,31,female\nc.jpg,32,male\n";

#[test]
fn one_bad_image_does_not_cost_an_evaluation_or_a_training() {
    for (name, bytes) in
        [("b.jpg", Some(&b""[..])), ("c.jpg", Some(b"no picture")), ("a.jpg", None)]
    {
        let place = labelled(TABLE);
        let path = place.path().join(name);
        match bytes {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let output = run(&place, &["evaluate", "--data", ".", "--json", "--model", "both-64px"]);
        assert!(output.status.success(), "{}", words(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["heads"][0]["pictures"], 2);
        let said = words(&output);
        assert!(said.contains("1 file left out") && said.contains(name), "{said}");
    }
    let (place, data) = (TempDir::new().unwrap(), faces_folder(120));
    let mut names: Vec<PathBuf> =
        fs::read_dir(data.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    fs::write(&names[7], "").unwrap();
    fs::write(&names[50], &fs::read(&names[51]).unwrap()[..900]).unwrap();
    let config = "protocol = 'random-80-10-10'\ntask = 'gender'\n[net]\nwidths = [8, 8, 8, 8]\n\
                  blocks = [1, 1, 1, 1]\ninput = 16\n[recipe]\nepochs = 1\nbatch = 32\n";
    fs::write(place.path().join("tiny.toml"), config).unwrap();
    for more in [&[][..], &["--workers", "2", "--retrain"]] {
        let mut train = ror(&place, &["train", "--config", "tiny.toml", "--data"]);
        train.arg(data.path()).args(more).env("ROR_MODELS", place.path().join("models"));
        let output = train.output().unwrap();
        let said = words(&output);
        assert!(output.status.success(), "{said}");
        let name = |at: usize| names[at].file_name().unwrap().to_string_lossy().into_owned();
        assert!(said.contains("2 files left out"), "{said}");
        assert!(said.contains(&name(7)) && said.contains(&name(50)), "{said}");
    }
}

#[test]
fn tables_of_other_programs_are_read_or_the_message_says_what_to_write() {
    let excel = TABLE.replace(',', ";").replace("male", "Male").replace("30", "30.0");
    let labels = |table: &str| {
        let place = labelled(table);
        run(&place, &["evaluate", "--data", ".", "--json", "--model", "both-64px"])
    };
    let plain = labels(TABLE);
    let other = labels(&format!("\u{feff}{}", excel.replace('\n', "\r\n")));
    assert!(plain.status.success() && other.status.success(), "{}", words(&other));
    assert_eq!(plain.stdout, other.stdout);
    let numbers = labels(&TABLE.replace("female", "1").replace("male", "0"));
    assert_eq!(numbers.stdout, plain.stdout);
    assert!(words(&numbers).contains("0 is read as male and 1 as female"), "{}", words(&numbers));
    for (table, says) in [
        (TABLE.replace("female", "2").replace("male", "1"), "male, female, 0 (male) or 1 (female)"),
        (TABLE.replace(',', "|"), "commas, semicolons or tabs"),
        (TABLE.replace("30", "30,5"), "the row has 4 values, and the first line has 3"),
    ] {
        let output = labels(&table);
        assert!(!output.status.success() && words(&output).contains(says), "{}", words(&output));
    }
}

/// Tables of kilobytes in an archive that would take gigabytes to read.
#[test]
#[cfg(target_os = "linux")]
fn a_table_that_inflates_takes_no_memory() {
    let place = TempDir::new().unwrap();
    let jpeg = pictures(1).remove(0).1;
    let table = |name: &str, bytes: Vec<u8>| {
        let members =
            [(b'0', "s/labels.csv".to_owned(), bytes), (b'0', "s/a.jpg".to_owned(), jpeg.clone())];
        let path = place.path().join(name);
        fs::write(&path, gz(&tar(&members))).unwrap();
        path
    };
    const MANY: usize = 50 << 20;
    let columns = [vec![b','; MANY], b"\na\n".to_vec()].concat();
    let field = [b"file,age,gender,x\na.jpg,3,male,\"".to_vec(), vec![b'x'; MANY]].concat();
    let rows = "\"\n\",".repeat(MANY / 4).into_bytes();
    for (name, bytes, says) in [
        ("columns.tar.gz", columns, "more than 1000 columns"),
        ("field.tar.gz", field, "a row of more than"),
        ("rows.tar.gz", rows, "more than 1000 columns"),
        ("size.tar.gz", vec![b'\n'; 65 << 20], "at most 64 MiB"),
    ] {
        let mut data = ror(&place, &["data"]);
        // 400 MB of addresses beyond what the program maps anyway.
        data.env("ROR_DATA", table(name, bytes)).env("MALLOC_ARENA_MAX", "1");
        let output = data.output().unwrap();
        assert!(!output.status.success() && words(&output).contains(says), "{}", words(&output));
        let peak = peak(&mut data);
        assert!(peak < 500 << 20, "{name}: {} MiB", peak >> 20);
    }
}

/// Peak memory of a program in bytes.
#[cfg(target_os = "linux")]
#[allow(clippy::zombie_processes)] // wait4 waits for it
fn peak(command: &mut Command) -> u64 {
    use std::process::Stdio;
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (mut status, mut usage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
    // SAFETY: the call writes both, and zeros are valid for both.
    let usage = unsafe {
        assert!(libc::wait4(child.id() as i32, &mut status, 0, usage.as_mut_ptr()) > 0);
        usage.assume_init()
    };
    1024 * usage.ru_maxrss as u64
}

/// A copied clone would use the PyTorch of the original, to which its program is linked.
#[test]
fn a_clone_that_was_copied_or_moved_says_so() {
    use std::os::unix::fs::PermissionsExt;

    let place = TempDir::new().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::create_dir_all(at("target/bin")).unwrap();
    fs::copy(Path::new(common::ROOT).join("ror"), at("ror")).unwrap();
    fs::write(at("target/bin/started"), "").unwrap();
    fs::write(at("target/bin/ror"), "#!/bin/sh\necho \"runs in $ROR_HOME\"\n").unwrap();
    fs::set_permissions(at("target/bin/ror"), fs::Permissions::from_mode(0o755)).unwrap();
    let run = |home: &str| {
        let output = Command::new(at("ror")).env("ROR_HOME", home).output().unwrap();
        (output.status.success(), words(&output))
    };
    let own = place.path().canonicalize().unwrap();
    let shown = own.display().to_string();
    for built in [None, Some(&shown)] {
        if let Some(built) = built {
            fs::write(at("target/bin/root"), format!("{built}\n")).unwrap();
        }
        assert_eq!(run(""), (true, format!("runs in {shown}\n")));
    }
    let (done, said) = run(common::ROOT);
    assert!(done && said.contains("note: using the models and data of"), "{said}");
    fs::write(at("target/bin/root"), "/somewhere/else\n").unwrap();
    let (done, said) = run("");
    assert!(!done && said.contains("copied or moved from /somewhere/else"), "{said}");
    assert!(said.contains("make -C"), "{said}");
}

/// Where locks don't work at all, a training says so and goes on.
#[test]
#[cfg(target_os = "linux")]
fn a_training_without_locks_says_so_and_goes_on() {
    let (place, data) = (TempDir::new().unwrap(), faces_folder(100));
    let source = "#include <errno.h>\nint flock(int d, int o) { errno = ENOSYS; return -1; }\n";
    fs::write(place.path().join("no_locks.c"), source).unwrap();
    let library = place.path().join("no_locks.so");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(place.path().join("no_locks.c"))
        .status();
    assert!(compiled.is_ok_and(|status| status.success()), "a C compiler is needed anyway");
    let config = "protocol = 'random-80-10-10'\ntask = 'gender'\n[net]\nwidths = [8, 8, 8, 8]\n\
                  blocks = [1, 1, 1, 1]\ninput = 16\n[recipe]\nepochs = 1\nbatch = 32\n";
    fs::write(place.path().join("tiny.toml"), config).unwrap();
    let mut train = ror(&place, &["train", "--config", "tiny.toml"]);
    train.env("ROR_DATA", data.path()).env("ROR_MODELS", place.path().join("models"));
    let output = train.env("LD_PRELOAD", library).output().unwrap();
    let said = words(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("without locks") && said.contains("not implemented"), "{said}");
}
