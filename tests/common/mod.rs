//! What the tests share: a place of their own, small sets of synthetic faces, the program.

#![allow(dead_code)] // each test file uses its own part

use std::io::{Read, Write, stderr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, OnceLock};

use ror::data::Faces;
use synthetic::{population, write_folder};
use tempfile::TempDir;

/// The project's folder, from whichever package a test is of.
pub const ROOT: &str = match option_env!("CARGO_BIN_EXE_ror") {
    Some(_) => concat!(env!("CARGO_MANIFEST_DIR"), "/../.."),
    None => env!("CARGO_MANIFEST_DIR"),
};

/// A folder for this process's cache and models, so that no test sees what another run left.
pub fn place() -> &'static Path {
    static PLACE: OnceLock<TempDir> = OnceLock::new();
    PLACE
        .get_or_init(|| {
            let place = TempDir::new().expect("a temporary folder");
            // SAFETY: set once, before this process's first use of the crate.
            unsafe {
                std::env::set_var("ROR_CACHE", place.path().join("cache"));
                std::env::set_var("ROR_MODELS", place.path().join("models"));
            }
            place
        })
        .path()
}

/// This test's turn: libtorch has one random generator a process, so tests that depend on what
/// it draws run one after the other.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A folder of `n` synthetic faces under UTKFace's names.
pub fn faces_folder(n: usize) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    write_folder(folder.path(), &population(n, 3)).expect("synthetic faces");
    folder
}

/// The program on one thread, with a cache and models in `place`, on the data set at `data`. Tests
/// compare results bit by bit, and on a busy machine a training would choose its number of threads.
pub fn program(place: &Path, data: &Path) -> Command {
    let Some(program) = option_env!("CARGO_BIN_EXE_ror") else {
        panic!("the program is for tests of crates/cli");
    };
    let mut command = Command::new(program);
    command
        .current_dir(ROOT)
        .env("ROR_CACHE", place.join("cache"))
        .env("ROR_MODELS", place.join("models"))
        .env("ROR_DATA", data)
        .env("OMP_NUM_THREADS", "1");
    command
}

/// Standard output and standard error together.
pub fn words(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The pictures of `n` synthetic faces: name and bytes.
pub fn pictures(n: usize) -> Vec<(String, Vec<u8>)> {
    let faces = Faces::synthetic(n, 5).unwrap();
    let one = |i| (faces.record(i).unwrap().file.clone(), faces.bytes(i).unwrap());
    (0..n).map(one).collect()
}

/// A member of a tar file: its type as the format has it, its name, and its bytes or, of a link,
/// where it leads.
pub type Member = (u8, String, Vec<u8>);

/// A picture in a folder of an archive, whose name ends with `/`.
pub fn file(folder: &str, (name, bytes): &(String, Vec<u8>)) -> Member {
    (b'0', format!("{folder}{name}"), bytes.clone())
}

/// A tar file.
pub fn tar(members: &[Member]) -> Vec<u8> {
    let mut tar = tar::Builder::new(vec![]);
    for (kind, name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::new(*kind));
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_mode(0o644);
        let is_file = matches!(kind, b'0' | b'7');
        if !is_file {
            header.set_link_name_literal(bytes).unwrap();
        }
        header.set_size(if is_file { bytes.len() as u64 } else { 0 });
        header.set_cksum();
        tar.append(&header, if is_file { &bytes[..] } else { &[] }).unwrap();
    }
    tar.into_inner().unwrap()
}

/// Bytes compressed by gzip.
pub fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

/// A `.tar.gz` that begins with a member of so many zeros, a thousandth of them on the disk.
pub fn zeros(path: &Path, kind: u8, name: &str, size: u64, then: &[Member]) {
    let mut header =
        tar::Header::from_byte_slice(&tar(&[(kind, name.to_owned(), vec![])])[..512]).clone();
    header.set_size(size);
    header.set_cksum();
    let file = std::fs::File::create(path).unwrap();
    let mut out = flate2::write::GzEncoder::new(file, flate2::Compression::default());
    out.write_all(header.as_bytes()).unwrap();
    std::io::copy(&mut std::io::repeat(0).take(size.next_multiple_of(512)), &mut out).unwrap();
    out.write_all(&tar(then)).unwrap();
    out.finish().unwrap();
}

/// Pictures in a folder of an archive.
pub fn files(folder: &str, pictures: &[(String, Vec<u8>)]) -> Vec<Member> {
    pictures.iter().map(|picture| file(folder, picture)).collect()
}

/// Copies the files right in some folders of the project to the same folders in `place`.
pub fn copied(folders: &[&str], place: &Path) {
    for folder in folders {
        std::fs::create_dir_all(place.join(folder)).unwrap();
        for entry in std::fs::read_dir(PathBuf::from(ROOT).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                std::fs::copy(&path, place.join(folder).join(path.file_name().unwrap())).unwrap();
            }
        }
    }
}

/// All files below a folder.
pub fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(below(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// What a script ends with where something is not installed that it needs.
const SKIPPED: i32 = 77;

/// The project's Python.
pub const OWN_PYTHON: &str = "$python";
/// That of `$ROR_PYTHON`, where it is set.
pub const CHOSEN_PYTHON: &str = "${ROR_PYTHON:-$python}";

/// What a script says, run by one of these; nothing, which is said aloud, where something is not
/// installed: then what `install` says helps.
pub fn run_python(python: &str, script: &Path, args: &[PathBuf], install: &str) -> Option<String> {
    let root = Path::new(ROOT);
    let command = format!("source setup/env.sh && exec \"{python}\" \"$@\"");
    let output = Command::new("bash")
        .args(["-c", &command, "bash"])
        .arg(script)
        .args(args)
        .env("PYTHONPATH", root.join("python"))
        .env("ROR_MODELS", root.join("models"))
        .current_dir(root)
        .output()
        .expect("bash");
    if output.status.code() == Some(SKIPPED) {
        let name = script.strip_prefix(root).unwrap_or(script).display();
        skipped(&name.to_string(), &format!("{}; {install}", words(&output).trim()));
        return None;
    }
    assert!(output.status.success(), "{}: {}", script.display(), words(&output));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Says that a test is left out, and why. Not by eprintln, which a test that passes does not show.
pub fn skipped(test: &str, why: &str) {
    stderr().write_all(format!("SKIPPED {test}: {why}\n").as_bytes()).expect("standard error");
}

/// Where the real data set is, if it is; says so where it is not.
pub fn utkface(test: &str) -> Option<PathBuf> {
    let path = std::env::var_os("ROR_DATA").map(PathBuf::from).filter(|path| path.exists());
    if path.is_none() {
        eprintln!("SKIPPED {test}: it needs UTKFace; set ROR_DATA to it");
    }
    path
}
