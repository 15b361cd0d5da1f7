//! What is fuzzed: each target takes any bytes, and must return. `tests/fuzz.rs` runs them on the
//! corpus and on seeded mutations of it, `fuzz/src/main.rs` under libFuzzer.
//!
//! They use the public API. A checkpoint has none, so its target exists only where setup/fuzz.sh sets
//! `cfg(fuzzing)`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use ror::data::{Faces, decode, parse_name, resize};
use ror::experiment::Experiment;
use ror::image::{ImageReader, Rgb, RgbImage};
use ror::model::{Net, RorConfig};
use ror::store::Trained;
use ror::tch::Device;
#[cfg(fuzzing)]
use ror::train::look_at_checkpoint;
use shards::Shard;
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64;

/// A target's name, which is that of its corpus, and what it does with some bytes.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: &[Target] = &[
    ("names", names),
    ("archive", archive),
    ("shard", shard),
    ("picture", picture),
    ("weights", weights),
    ("card", card),
    ("experiment", experiment),
    ("index", index),
    ("cache", cache),
    #[cfg(fuzzing)]
    ("checkpoint", checkpoint),
];

/// Pictures that declare more are left to tests of their limits: each would take a second.
const MOST_PIXELS: u64 = 4_000_000;

/// Where the targets write, in memory where the system has such a folder.
pub fn place() -> &'static Path {
    static PLACE: OnceLock<TempDir> = OnceLock::new();
    let made = PLACE.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let place = match memory.is_dir() {
            true => TempDir::new_in(memory),
            false => TempDir::new(),
        };
        let place = place.expect("a temporary folder");
        // SAFETY: set once, before this process's first use of the crate.
        unsafe {
            std::env::set_var("ROR_CACHE", place.path().join("cache"));
            std::env::set_var("ROR_MODELS", place.path().join("models"));
        }
        place
    });
    made.path()
}

/// A file of a target's own, in a folder of its own.
fn write(target: &str, name: &str, bytes: &[u8]) -> PathBuf {
    let folder = place().join(target);
    fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(name);
    fs::write(&path, bytes).expect("a file");
    path
}

fn names(bytes: &[u8]) {
    if let Some(label) = parse_name(&String::from_utf8_lossy(bytes)) {
        assert!(label.age <= 130 && label.race.is_none_or(|race| race < 5));
    }
}

/// The bytes are a tar file, which is compressed: mutations behind a checksum would reach nothing.
fn archive(bytes: &[u8]) {
    let mut packed = GzEncoder::new(vec![], Compression::fast());
    packed.write_all(bytes).expect("in memory");
    let path = write("archive", "set.tar.gz", &packed.finish().expect("in memory"));
    let _ = Faces::open_at(&path);
    let outside = fs::read_dir(place().join("archive")).expect("the folder").count();
    assert_eq!(outside, 1, "a member was written outside of its folder");
    for path in cached("unpacked-") {
        let _ = fs::remove_dir_all(path);
    }
    for path in cached("lock-") {
        let _ = fs::remove_file(path);
    }
}

fn shard(bytes: &[u8]) {
    let path = write("shard", "some.tar", bytes);
    for shard in Shard::find(&[path], false).expect("a tar file by its name") {
        let _ = shard.verify();
    }
}

/// Decoding, where the picture does not declare too much of it.
fn picture(bytes: &[u8]) {
    let reader = ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format();
    let size = reader.ok().and_then(|reader| reader.into_dimensions().ok());
    if size.is_some_and(|(width, height)| u64::from(width) * u64::from(height) > MOST_PIXELS) {
        return;
    }
    if let Ok(picture) = decode(bytes) {
        assert_eq!(resize(&picture, 32).expect("a picture of some pixels").dimensions(), (32, 32));
    }
}

/// The net whose weights and checkpoints are read.
pub fn tiny() -> RorConfig {
    RorConfig { widths: [2; 4], blocks: [1; 4], dense: 2, survival: 1.0, ..RorConfig::new(1) }
}

fn weights(bytes: &[u8]) {
    let path = write("weights", "net.safetensors", bytes);
    let _ = Net::open(tiny(), &path, Device::Cpu);
}

fn card(bytes: &[u8]) {
    let path = write("card", "net.json", bytes);
    assert!(Trained::open(&path, Device::Cpu).is_err(), "there are no weights");
}

fn experiment(bytes: &[u8]) {
    let _ = String::from_utf8_lossy(bytes).parse::<Experiment>();
}

/// A folder of two small pictures under UTKFace's names, opened.
fn two_faces(target: &str) -> (PathBuf, Faces) {
    let folder = place().join(format!("{target}-faces"));
    if !folder.is_dir() {
        fs::create_dir_all(&folder).expect("a folder");
        for i in 0..2 {
            let picture = RgbImage::from_pixel(8, 8, Rgb([90 + 60 * i, 120, 90]));
            let name = format!("{}_0_1_2017011617452512{i}.png", 30 + i);
            picture.save(folder.join(name)).expect("a file");
        }
    }
    let faces = Faces::open_at(&folder).expect("a folder of faces");
    (folder, faces)
}

/// The files of the cache whose names begin so.
fn cached(begin: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(place().join("cache")).into_iter().flatten().flatten();
    let found = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(begin));
    found.map(|entry| entry.path()).collect()
}

/// How an index begins, before its checksum.
const INDEX: &str = "ror contents 2";

/// What an earlier run has noted of a folder's contents, behind a checksum that is right, as mutations
/// behind another would reach nothing: the folder opens.
fn index(bytes: &[u8]) {
    static READY: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    let (folder, index) = READY.get_or_init(|| {
        let others = cached("contents-");
        let (folder, _) = two_faces("index");
        let mut new = cached("contents-").into_iter().filter(|path| !others.contains(path));
        let index = new.next().expect("an index");
        assert!(fs::read(&index).expect("a file").starts_with(INDEX.as_bytes()));
        (folder, index)
    });
    let mut sealed = format!("{INDEX} {:016x}\n", xxh3_64(bytes)).into_bytes();
    sealed.extend(bytes);
    fs::write(index, sealed).expect("a file");
    assert_eq!(Faces::open_at(folder).expect("a folder of faces").len(), 2);
}

/// Resized pictures of an earlier run: whole, or made again.
fn cache(bytes: &[u8]) {
    static READY: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    let (folder, file) = READY.get_or_init(|| {
        let (folder, faces) = two_faces("cache");
        let _ = faces.pictures(8).expect("pictures");
        (folder, cached("pictures-8px-").pop().expect("pictures"))
    });
    fs::write(file, bytes).expect("a file");
    let faces = Faces::open_at(folder).expect("a folder of faces");
    assert_eq!(faces.pictures(8).expect("pictures").size()[0], 2);
}

/// The note of a checkpoint, beside no state.
#[cfg(fuzzing)]
fn checkpoint(bytes: &[u8]) {
    let path = write("checkpoint", "checkpoint.json", bytes);
    thread_local! {
        static NET: Net = Net::new(tiny(), Device::Cpu, 0).expect("a net");
    }
    NET.with(|net| {
        let _ = look_at_checkpoint(path.parent().expect("a folder"), net);
    });
}
