//! Damaged and unusual images, through every way into the program.

#[path = "../../../tests/common/mod.rs"]
mod common;
#[path = "../../../tests/common/jpeg.rs"]
mod jpeg;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Output;

use common::{CHOSEN_PYTHON, file, program, run_python, tar};
use image::{DynamicImage, imageops};
use imaging::{decode, encode_jpeg};
use jpeg::scans;
use parquet::file::reader::{FileReader, SerializedFileReader};
use ror::data::Faces;
use serde_json::Value;
use tempfile::TempDir;
use utils::random::Random;

const PLAIN: &[u8] = include_bytes!("../../../tests/photos/plain.jpg");

/// Where the data of the only scan of a baseline JPEG begins.
fn scan(jpeg: &[u8]) -> usize {
    jpeg.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap() + 14
}

fn half(jpeg: &[u8]) -> Vec<u8> {
    let start = scan(jpeg);
    [&jpeg[..start + (jpeg.len() - start) / 2], &[0xFF, 0xD9]].concat()
}

fn flipped(jpeg: &[u8]) -> Vec<u8> {
    let mut bytes = jpeg.to_vec();
    for at in (scan(jpeg) + 200..jpeg.len() - 200).step_by(997) {
        bytes[at] ^= if matches!(bytes[at], 0 | 0xFF) { 0 } else { 0x55 };
    }
    bytes
}

/// A JPEG with an EXIF block of an orientation and of a thumbnail.
fn with_exif(jpeg: &[u8], orientation: u8, thumbnail: &[u8]) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    exif.extend(thumbnail);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xFF, 0xE1], &length, &exif, &jpeg[2..]].concat()
}

fn cut_behind_thumbnail(jpeg: &[u8]) -> Vec<u8> {
    let small = imageops::thumbnail(&decode(jpeg).unwrap(), 120, 120);
    let whole = with_exif(jpeg, 1, &encode_jpeg(&small, 80).unwrap());
    let start = whole.len() - jpeg.len() + scan(jpeg);
    whole[..start + 1000].to_vec()
}

fn damaged(jpeg: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    [
        ("half.jpg", half(jpeg)),
        ("flipped.jpg", flipped(jpeg)),
        ("thumbnail.jpg", cut_behind_thumbnail(jpeg)),
    ]
}

/// Runs `predict` with shipped models.
fn predict(args: &[&str], paths: &[&Path]) -> Output {
    let place = TempDir::new().unwrap();
    let mut program = program(place.path(), Path::new("/no/data"));
    program.env("ROR_MODELS", Path::new(common::ROOT).join("models"));
    program.args(["predict", "--model", "both-32px"]).args(args).args(paths).output().unwrap()
}

/// The objects of `predict --json` by file name.
fn answers(args: &[&str], folder: &Path) -> std::collections::BTreeMap<String, Value> {
    let output = predict(&[&["--json"], args].concat(), &[folder]);
    let text = String::from_utf8(output.stdout).unwrap();
    let name = |path: &str| Path::new(path).file_name().unwrap().to_string_lossy().into_owned();
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|value| (name(value["path"].as_str().unwrap()), value))
        .collect()
}

#[test]
fn a_damaged_jpeg_is_an_error_of_its_image_everywhere() {
    let folder = TempDir::new().unwrap();
    let video = [PLAIN, b"\0\0\0\x18ftypmp42", &[0; 8000]].concat();
    let mut members = vec![("plain.jpg", PLAIN.to_vec()), ("motion.jpg", video)];
    members.extend(damaged(PLAIN));
    for (name, bytes) in &members {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    for args in [&[][..], &["--aligned"]] {
        let answers = answers(args, folder.path());
        assert_eq!(answers.len(), 5, "{answers:?}");
        for (name, answer) in &answers {
            let error = answer["error"].as_str();
            match ["plain.jpg", "motion.jpg"].contains(&&name[..]) {
                true => assert_eq!(error, None, "{name}"),
                false => assert!(error.unwrap().contains("damaged or truncated"), "{name}"),
            }
        }
        let [mut plain, mut motion] = ["plain.jpg", "motion.jpg"].map(|name| answers[name].clone());
        (plain["path"], motion["path"]) = (Value::Null, Value::Null);
        assert_eq!(plain, motion);

        // The same from a shard.
        let (shard, to) = (folder.path().join("some.tar"), folder.path().join("to"));
        let entries =
            members.iter().map(|(name, bytes)| file("", &((*name).to_owned(), bytes.clone())));
        fs::write(&shard, tar(&entries.collect::<Vec<_>>())).unwrap();
        predict(&[args, &["--to", to.to_str().unwrap()]].concat(), &[&shard]);
        let parquet = fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().path());
        let parquet: Vec<PathBuf> =
            parquet.filter(|path| path.extension().is_some_and(|e| e == "parquet")).collect();
        let reader = SerializedFileReader::new(File::open(&parquet[0]).unwrap()).unwrap();
        let rows = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string());
        let rows: Vec<String> = rows.collect();
        let refused = rows.iter().filter(|row| row.contains("damaged or truncated"));
        assert_eq!((refused.count(), rows.len()), (3, 5), "{rows:?}");
        fs::remove_file(shard).unwrap();
        fs::remove_dir_all(to).unwrap();
    }
}

#[test]
fn a_damaged_jpeg_is_not_trained_on() {
    common::place();
    let folder = common::faces_folder(30);
    let faces = Faces::open_at(folder.path()).unwrap();
    let path = folder.path().join(&faces.record(7).unwrap().file);
    let jpeg = fs::read(&path).unwrap();
    for (name, bytes) in [("half", half(&jpeg)), ("cut", cut_behind_thumbnail(&jpeg))] {
        fs::write(&path, bytes).unwrap();
        let faces = Faces::open_at(folder.path()).unwrap();
        for error in [faces.picture(7).err(), faces.pictures(32).err()] {
            let error = format!("{:#}", error.unwrap());
            assert!(error.contains("damaged or truncated"), "{name}: {error}");
        }
    }
}

/// EXIF orientation and transparency count for photos and aligned crops alike.
#[test]
fn aligned_crops_are_upright_by_their_exif_too() {
    let folder = TempDir::new().unwrap();
    let plain = decode(PLAIN).unwrap();
    let on = |name: &str| folder.path().join(name);
    fs::write(on("plain.jpg"), encode_jpeg(&plain, 98).unwrap()).unwrap();
    for (orientation, stored) in [
        (3, imageops::rotate180(&plain)),
        (6, imageops::rotate270(&plain)),
        (8, imageops::rotate90(&plain)),
    ] {
        let jpeg = with_exif(&encode_jpeg(&stored, 98).unwrap(), orientation, &[]);
        fs::write(on(&format!("exif{orientation}.jpg")), jpeg).unwrap();
    }
    let mut clear = DynamicImage::from(plain.clone()).into_rgba8();
    clear.pixels_mut().take(9000).for_each(|pixel| pixel.0 = [0; 4]);
    clear.save(on("transparent.png")).unwrap();
    let mut white = plain;
    white.pixels_mut().take(9000).for_each(|pixel| pixel.0 = [255; 3]);
    white.save(on("white.png")).unwrap();

    let answers = answers(&["--aligned"], folder.path());
    let age = |name: &str| answers[name]["age"].as_f64().unwrap();
    let apart = |one: &str, other: &str| (age(one) - age(other)).abs();
    for name in ["exif3.jpg", "exif6.jpg", "exif8.jpg"] {
        assert!(apart(name, "plain.jpg") < 0.5, "{answers:?}");
    }
    // Where they stand in the batch may change the last digit.
    assert!(apart("transparent.png", "white.png") < 1e-9, "{answers:?}");
}

/// `python/ror.py` reads and refuses the same files: Pillow alone would read all of them.
#[test]
fn ror_py_reads_and_refuses_the_same_images() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    for (name, bytes) in damaged(PLAIN) {
        write(name, &bytes);
    }
    let root = Path::new(common::ROOT);
    let progressive = fs::read(root.join("tests/photos/progressive.jpg")).unwrap();
    let restart = fs::read(root.join("crates/imaging/tests/restart.jpg")).unwrap();
    let cmyk = fs::read(root.join("tests/photos/cmyk.jpg")).unwrap();
    for (name, whole) in [("progressive", &progressive), ("restart", &restart), ("cmyk", &cmyk)] {
        write(&format!("{name}.jpg"), whole);
        let (start, end) = scans(whole)[0];
        for share in [1, 3, 7] {
            let at = start + (end - start) * share / 8;
            let cut = [&whole[..at], &whole[end..]].concat();
            write(&format!("{name}-{share}.jpg"), &cut);
        }
    }
    write("plain.jpg", PLAIN);
    write("motion.jpg", &[PLAIN, b"\0\0\0\x18ftypmp42", &[0; 8000]].concat());
    write("exif3.jpg", &with_exif(PLAIN, 3, &[]));
    write("exif6.jpg", &with_exif(PLAIN, 6, &[]));
    let dynamic = DynamicImage::from(decode(PLAIN).unwrap());
    let gray16 = DynamicImage::from(dynamic.to_luma16());
    let mut clear = dynamic.to_rgba8();
    clear.pixels_mut().skip(30_000).take(30_000).for_each(|pixel| pixel.0[3] = 70);
    let kinds = [
        ("gray8", DynamicImage::from(dynamic.to_luma8())),
        ("gray16", gray16),
        ("gray16-alpha", DynamicImage::from(dynamic.to_luma_alpha16())),
        ("rgb16", DynamicImage::from(dynamic.to_rgb16())),
        ("transparent", DynamicImage::from(clear)),
    ];
    for (name, picture) in kinds {
        picture.save(folder.path().join(format!("{name}.png"))).unwrap();
    }
    let answers = answers(&["--aligned"], folder.path());
    let refused = answers.values().filter(|answer| !answer["error"].is_null()).count();
    assert_eq!((refused, answers.len()), (12, 24), "{answers:?}");
    let lines = TempDir::new().unwrap();
    let path = lines.path().join("answers.json");
    fs::write(&path, serde_json::to_string(&answers).unwrap()).unwrap();
    let args = [folder.path().to_owned(), path, "both-32px".into()];
    let install = "set ROR_PYTHON=$(setup/python.sh)";
    if let Some(said) =
        run_python(CHOSEN_PYTHON, &root.join("tests/python/pictures.py"), &args, install)
    {
        assert_eq!(said.trim(), "12 read, 12 refused");
    }
}

/// Damages a scan in one of many ways.
fn mutate(jpeg: &[u8], scans: &[(usize, usize)], random: &mut Random) -> Vec<u8> {
    let (start, end) = scans[random.index(scans.len())];
    let mut bytes = jpeg.to_vec();
    let at = start + random.index(end - start);
    let length = [1, 2, 3, 8, 40, 200][random.index(6)].min(end - at);
    let restarts: Vec<usize> = (start..end)
        .filter(|at| jpeg[*at] == 0xFF && matches!(jpeg[at + 1], 0xD0..=0xD7))
        .collect();
    match random.index(12) {
        0 => bytes[at] ^= 1 << random.index(8),
        1 => (0..=length).for_each(|_| bytes[start + random.index(end - start)] ^= 0x10),
        2 => bytes[at..at + length].iter_mut().for_each(|byte| *byte = random.next_u64() as u8),
        3 => bytes[at..at + length].fill([0, 0xFF, 0x80][random.index(3)]),
        4 => drop(bytes.drain(at..at + length)),
        5 => drop(bytes.splice(at..at, (0..length).map(|_| random.next_u64() as u8))),
        6 => bytes.extend_from_within(at..end),
        7 => bytes = [&jpeg[..at], &[0xFF, 0xD9]].concat(),
        8 => drop(bytes.drain(at..end)),
        9 => bytes.truncate(at),
        10 => {
            let other = start + random.index(end - start);
            (0..length.min(end - other)).for_each(|i| bytes.swap(at + i, other + i));
        }
        _ if restarts.len() < 3 => drop(bytes.splice(at..at, [0xFF, 0xD0 + random.index(8) as u8])),
        _ => {
            let i = random.index(restarts.len() - 2);
            let [a, b, c] = [restarts[i], restarts[i + 1], restarts[i + 2]];
            match random.index(3) {
                0 => bytes[a..c].rotate_left(b - a),
                1 => drop(bytes.drain(a..b)),
                _ => bytes[a + 1] = 0xD0 + random.index(8) as u8,
            }
        }
    }
    bytes
}

/// `ROR_MUTANTS` is their number. Those that decode to other pixels are shown to Pillow: damage after
/// which an image has just as many blocks, which end where the data does, can't be told by anyone.
#[test]
fn what_is_read_of_damaged_scans_pillow_reads_too() {
    let runs = std::env::var("ROR_MUTANTS").map_or(1500, |runs| runs.parse().unwrap());
    let seeds: Vec<Vec<u8>> = ["tests/photos/plain.jpg", "tests/photos/progressive.jpg"]
        .into_iter()
        .chain(["tests/photos/cmyk.jpg", "crates/imaging/tests/restart.jpg"])
        .map(|path| fs::read(Path::new(common::ROOT).join(path)).unwrap())
        .collect();
    let known: Vec<_> = seeds.iter().map(|jpeg| (scans(jpeg), decode(jpeg).unwrap())).collect();
    let folder = TempDir::new().unwrap();
    let (mut random, mut changed, mut read) = (Random::new(1), 0, 0);
    for run in 0..runs {
        let seed = run % seeds.len();
        let (scans, plain) = &known[seed];
        let bytes = mutate(&seeds[seed], scans, &mut random);
        match decode(&bytes) {
            Ok(picture) if picture == *plain => continue,
            Ok(_) => {
                read += 1;
                fs::write(folder.path().join(format!("{run}.jpg")), bytes).unwrap();
            }
            Err(_) => {}
        }
        changed += 1;
    }
    assert!(4 * read < changed, "{read} of {changed} damaged images are read");
    let script = Path::new(common::ROOT).join("tests/python/pillow.py");
    let install = "set ROR_PYTHON=$(setup/python.sh)";
    if let Some(said) = run_python(CHOSEN_PYTHON, &script, &[folder.path().to_owned()], install) {
        assert_eq!(said.trim(), format!("{read} read"), "of {changed}");
    }
}
