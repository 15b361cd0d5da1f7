//! Runs the fuzz targets on their corpus and on seeded mutations of it: no panics, no hangs,
//! bounded memory. `make fuzz` runs the same targets under libFuzzer, which is guided by coverage.

#[path = "../../../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::io::{Write, stderr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use utils::random::Random;

/// Default number of mutations per target; `$ROR_FUZZ_RUNS` overrides it.
const RUNS: u64 = 10_000;
const SEED: u64 = 1;
/// An input that takes longer counts as a hang.
const LONGEST: Duration = Duration::from_secs(10);
/// Maximum peak memory of this process in bytes.
const MOST_MEMORY: u64 = 2 << 30;
/// Values that mutations write over numbers.
const NUMBERS: [u64; 8] = [0, 1, 0x7F, 0xFF, 0x7FFF_FFFF, 0xFFFF_FFFF, 1 << 40, u64::MAX];

/// Returns a random input of the corpus with a few changes.
fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = corpus[random.index(corpus.len())].clone();
    for _ in 0..=random.index(4) {
        let at = random.index(bytes.len());
        let end = (at + 1 + random.index(16)).min(bytes.len());
        match random.index(8) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << random.index(8),
            1 if !bytes.is_empty() => bytes[at] = random.next_u64() as u8,
            2 => drop(bytes.drain(at..end)),
            3 => bytes.truncate(at),
            4 => {
                let copy = bytes[at.min(end)..end].to_vec();
                bytes.splice(at..at, copy);
            }
            5 => {
                let number = NUMBERS[random.index(NUMBERS.len())].to_le_bytes();
                let width = [1, 2, 4, 8][random.index(4)].min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&number[..width]);
            }
            6 => {
                // Values that often break parsers of text.
                let words: [&[u8]; 6] =
                    [b"-1", b"1e999", b"99999999999999999999", b"null", b"\"", b"[["];
                bytes.splice(at..end.max(at), words[random.index(words.len())].iter().copied());
            }
            _ => {
                let other = &corpus[random.index(corpus.len())];
                let from = random.index(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from.min(other.len())..]);
            }
        }
    }
    bytes
}

/// Saves an input that broke a target and returns its path.
fn kept(target: &str, input: &[u8]) -> PathBuf {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("target/fuzz");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{target}-broken"));
    fs::write(&path, input).unwrap();
    path
}

/// Returns the peak memory of this process in bytes; `None` except on Linux.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(1024 * line.trim().trim_end_matches(" kB").parse::<u64>().ok()?)
}

/// The current target and input, with the start time.
type Now = Arc<Mutex<Option<(&'static str, Vec<u8>, Instant)>>>;

/// Ends the process if an input hangs.
fn watch(now: &Now) {
    let now = Arc::clone(now);
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_secs(1));
            if let Some((target, input, since)) = &*now.lock().unwrap()
                && since.elapsed() > LONGEST
            {
                let line = format!("{target} hangs on {}\n", kept(target, input).display());
                // Not `eprintln!`, which is not shown when a test ends the process.
                let _ = stderr().write_all(line.as_bytes());
                process::exit(1);
            }
        }
    });
}

/// Runs a target on its corpus and on mutations of it.
fn fuzz(target: &'static str, run: fn(&[u8]), runs: u64, now: &Now) {
    let folder =
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("fuzz/corpus").join(target);
    let mut files: Vec<PathBuf> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let corpus: Vec<Vec<u8>> = files.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(!corpus.is_empty(), "{} is empty", folder.display());
    let mut random = Random::new(SEED);
    let mutations = (0..runs).map(|_| mutated(&corpus, &mut random));
    let start = Instant::now();
    for input in corpus.iter().cloned().chain(mutations) {
        *now.lock().unwrap() = Some((target, input, Instant::now()));
        // Do not hold the lock while it runs.
        let input = now.lock().unwrap().as_ref().map(|(_, input, _)| input.clone()).unwrap();
        if catch_unwind(AssertUnwindSafe(|| run(&input))).is_err() {
            let path = kept(target, &input);
            panic!("{target} panicked: fix it, and add {} to its corpus", path.display());
        }
    }
    *now.lock().unwrap() = None;
    println!("{target}: {} inputs in {:.1} s", runs, start.elapsed().as_secs_f64());
    let peak = peak_memory();
    assert!(peak.is_none_or(|bytes| bytes < MOST_MEMORY), "{target}: {peak:?} bytes");
}

/// Runs two targets at a time.
#[test]
fn nothing_breaks_what_is_read() {
    targets::place();
    let runs = std::env::var("ROR_FUZZ_RUNS").map_or(RUNS, |runs| runs.parse().unwrap());
    let next = AtomicUsize::new(0);
    let work = || {
        let now = Now::default();
        watch(&now);
        while let Some((target, run)) = targets::TARGETS.get(next.fetch_add(1, Relaxed)) {
            fuzz(target, *run, runs, &now);
        }
    };
    thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
}
