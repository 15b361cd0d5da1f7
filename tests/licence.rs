//! No committed notebook contains an image of the data set, whose licence forbids to publish them.
//!
//! `setup/run_notebook.py --commit` takes them out. Here, every embedded bitmap is found and decoded, and
//! must be in the list `tests/notebooks/bitmaps.txt`: someone has looked at it.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use image::imageops::{FilterType, resize};
use image::{ImageFormat, ImageReader, RgbImage};
use ror::data::Faces;
use ror::plot::PHOTOGRAPHS;
use serde_json::{Value, json};
use utils::hash::sha256;

/// How the files of JPEG, PNG, WebP, GIF, BMP, TIFF and gzip begin.
const STARTS: [&[u8]; 8] =
    [b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"\x1f\x8b"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn notebooks() -> Vec<PathBuf> {
    let folders =
        ["notebooks", "tests/notebooks", "docs", "examples"].map(|name| root().join(name));
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let files = files.map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "ipynb")).collect()
}

/// All strings of a JSON document, keys included. Lines of a list also count as one text.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => {
            let lines: Option<String> = items.iter().map(Value::as_str).collect();
            match lines {
                Some(lines) => found.push(lines),
                None => items.iter().for_each(|item| texts(item, found)),
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                found.push(name.clone());
                texts(value, found);
            }
        }
        _ => {}
    }
}

/// Bytes with `%2F` and `&#47;` as what they stand for, as often as they are escaped.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let (mut bytes, mut rest) = (vec![], text);
    while let Some((&first, after)) = rest.split_first() {
        let percent = rest
            .get(..3)
            .filter(|_| first == b'%')
            .and_then(|code| u8::from_str_radix(std::str::from_utf8(&code[1..]).ok()?, 16).ok());
        let entity = rest.strip_prefix(b"&#").and_then(|code| {
            let end = code.iter().take(6).position(|byte| *byte == b';')?;
            let code = std::str::from_utf8(&code[..end]).ok()?;
            let number = match code.strip_prefix(['x', 'X']) {
                Some(hex) => u8::from_str_radix(hex, 16).ok()?,
                None => code.parse().ok()?,
            };
            Some((number, &rest[end + 3..]))
        });
        rest = match (percent, entity) {
            (Some(byte), _) => {
                bytes.push(byte);
                &rest[3..]
            }
            (None, Some((byte, after))) => {
                bytes.push(byte);
                after
            }
            (None, None) => {
                bytes.push(first);
                after
            }
        };
    }
    if bytes == text { bytes } else { unescaped(&bytes) }
}

/// Adds all bitmaps in some bytes by their hash: plain, escaped, in base64 or packed.
fn search(bytes: &[u8], found: &mut BTreeMap<String, Vec<u8>>) {
    let bytes = unescaped(bytes);
    for at in 0..bytes.len() {
        if STARTS.iter().any(|start| bytes[at..].starts_with(start)) {
            file(&bytes[at..], found);
        }
    }
    let dense: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    for run in dense.split(|byte| !is_base64(byte)).filter(|run| run.len() >= 64) {
        let run: Vec<u8> = run
            .iter()
            .map(|byte| match byte {
                b'-' => b'+',
                b'_' => b'/',
                other => *other,
            })
            .collect();
        // Words before it may have become part of the run.
        for from in 0..run.len().saturating_sub(64) {
            let some = STANDARD.decode(&run[from..from + 8]).unwrap_or_default();
            if STARTS.iter().any(|start| some.starts_with(start)) {
                let rest = &run[from..run.len() - usize::from((run.len() - from) % 4 == 1)];
                file(&STANDARD_NO_PAD.decode(rest).unwrap_or_default(), found);
            }
        }
    }
}

/// Adds a file if it is an image, or what is packed in it.
fn file(bytes: &[u8], found: &mut BTreeMap<String, Vec<u8>>) {
    if bytes.starts_with(b"\x1f\x8b") {
        let mut unpacked = vec![];
        let _ = flate2::read::GzDecoder::new(bytes).take(1 << 27).read_to_end(&mut unpacked);
        if !unpacked.is_empty() {
            search(&unpacked, found);
        }
        return;
    }
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().unwrap();
    let unsupported = reader.format().is_some_and(|format| {
        let supported = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP];
        !supported.contains(&format) && format != ImageFormat::Bmp // its start is two letters
    });
    if unsupported || reader.into_dimensions().is_ok() {
        found.insert(sha256(bytes), bytes.to_vec());
    }
}

/// The bitmaps of a notebook, and whether it has the mark of images of the data set.
fn examine(notebook: &Value) -> (BTreeMap<String, Vec<u8>>, bool) {
    let (mut all, mut found, mut marked) = (vec![], BTreeMap::new(), false);
    texts(notebook, &mut all);
    for text in all {
        search(text.as_bytes(), &mut found);
        marked |= String::from_utf8_lossy(&unescaped(text.as_bytes())).contains(PHOTOGRAPHS);
    }
    (found, marked)
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The hashes of the bitmaps that someone has looked at, and what they are.
fn known() -> BTreeMap<String, String> {
    let list = fs::read_to_string(root().join("tests/notebooks/bitmaps.txt")).unwrap();
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.map(|line| line.split_once(' ').unwrap());
    pairs.map(|(hash, what)| (hash.to_owned(), what.to_owned())).collect()
}

#[test]
fn no_notebook_contains_an_image_of_the_data_set() {
    let (mut unused, folder) = (known(), root().join("target/notebooks/unknown"));
    let mut unknown = vec![];
    for path in notebooks() {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let (found, marked) = examine(&read(&path));
        assert!(!marked, "{name} shows photographs: run it with `setup/run_notebook.py --commit`");
        for (hash, bytes) in found {
            if unused.remove(&hash).is_none() && !known().contains_key(&hash) {
                fs::create_dir_all(&folder).unwrap();
                fs::write(folder.join(&hash), bytes).unwrap();
                unknown.push(format!("{hash} {name}"));
            }
        }
    }
    assert!(
        unknown.is_empty(),
        "bitmaps that are not in tests/notebooks/bitmaps.txt: look at them in {}, and add those that \
         show no image of a data set:\n{}",
        folder.display(),
        unknown.join("\n")
    );
    assert!(unused.is_empty(), "in tests/notebooks/bitmaps.txt, but in no notebook: {unused:?}");
}

#[test]
fn a_planted_image_is_found_however_it_is_embedded() {
    let face = Faces::synthetic(8, 5).unwrap().picture(3).unwrap();
    let encoded = |format| {
        let mut bytes = Cursor::new(vec![]);
        face.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    };
    let [jpeg, png, webp] = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP].map(encoded);
    let base64 = STANDARD.encode(&jpeg);
    let gif = STANDARD.encode([b"GIF89a".as_slice(), &[1; 200]].concat());
    let percent =
        |bytes: &[u8]| bytes.iter().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let mut lines: Vec<String> = base64
        .as_bytes()
        .chunks(76)
        .map(|line| String::from_utf8_lossy(line) + "\n")
        .map(Into::into)
        .collect();
    lines.push(String::new());
    let mut packer = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
    serde_json::to_writer(&mut packer, &json!({ "columns": [["a", &base64]] })).unwrap();
    let packed = STANDARD.encode(packer.finish().unwrap());

    let html =
        |text: String| json!({ "data": { "text/html": [text] }, "output_type": "display_data" });
    let stream = |text: &str| json!({ "name": "stdout", "output_type": "stream", "text": [text] });
    let planted = [
        html(format!("<img src='data:image/jpeg;base64,{base64}'>")),
        html(format!("<img src=\"data:;base64,{}\">", percent(base64.as_bytes()))),
        html(format!(
            "<img src=\"data:image/svg+xml,%3Cimage href='data:image/png;base64,{}'/%3E\">",
            STANDARD.encode(&png)
        )),
        html(format!(
            "<img src=\"data:image/svg+xml,{}\">",
            percent(percent(base64.as_bytes()).as_bytes())
        )),
        html(format!("<img src='data:image/png,{}'>", percent(&png))),
        html(format!(
            "<img src='data:image/webp;base64,&#x{:x};{}'>",
            b'U',
            &STANDARD.encode(&webp)[1..]
        )),
        html(format!("<img src='data:image/gif;base64,{gif}'>")),
        html(format!("<div data-ror-table=\"{packed}\"></div>")),
        json!({ "data": { "image/png": STANDARD.encode(&png) }, "output_type": "display_data" }),
        json!({ "data": { "image/jpeg": lines }, "output_type": "display_data" }),
        stream(&format!("some words {base64}")),
        stream(&base64.replace('+', "-").replace('/', "_")),
    ];
    let clean = read(&root().join("notebooks/project.ipynb"));
    let before = examine(&clean).0.len();
    let at = clean["cells"].as_array().unwrap().iter().position(|cell| cell["outputs"].is_array());
    for output in planted {
        let mut notebook = clean.clone();
        notebook["cells"][at.unwrap()]["outputs"].as_array_mut().unwrap().push(output.clone());
        let found = examine(&notebook).0.len();
        assert_eq!(found, before + 1, "{}", &output.to_string()[..120]);
    }
    for place in ["attachments", "metadata"] {
        let mut notebook = clean.clone();
        notebook["cells"][0][place] = json!({ "face.jpg": { "image/jpeg": &base64 } });
        assert_eq!(examine(&notebook).0.len(), before + 1, "{place}");
    }
    let mut notebook = clean.clone();
    notebook["cells"][0]["source"] = json!([format!("%3Cmetadata%3E{PHOTOGRAPHS}")]);
    assert!(examine(&notebook).1 && !examine(&clean).1);
}

/// Brightness in 16 x 16 places, with a mean of 0 and a length of 1.
fn small(picture: &RgbImage) -> Vec<f64> {
    let pixels = resize(picture, 16, 16, FilterType::Triangle);
    let grey: Vec<f64> =
        pixels.pixels().map(|pixel| pixel.0.iter().map(|level| f64::from(*level)).sum()).collect();
    let mean = grey.iter().sum::<f64>() / grey.len() as f64;
    let length = grey.iter().map(|level| (level - mean).powi(2)).sum::<f64>().sqrt().max(1e-9);
    grey.iter().map(|level| (level - mean) / length).collect()
}

/// How similar two images are, at most 1, also where one is mirrored.
fn similarity(a: &[f64], b: &[f64]) -> f64 {
    let plain: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    let mirrored = b.chunks(16).flat_map(|row| row.iter().rev());
    plain.max(a.iter().zip(mirrored).map(|(a, b)| a * b).sum())
}

#[test]
fn no_bitmap_resembles_an_image_of_utkface() -> anyhow::Result<()> {
    let Some(path) = common::utkface("no_bitmap_resembles_an_image_of_utkface") else {
        return Ok(());
    };
    let faces = Faces::open_at(path)?;
    let pixels = Vec::<u8>::try_from(faces.pictures(16)?.f_view([-1])?)?;
    let all = pixels.chunks(3 * 256).map(|each| RgbImage::from_raw(16, 16, each.to_vec()).unwrap());
    let all: Vec<Vec<f64>> = all.map(|each| small(&each)).collect();
    let closest = |picture: &RgbImage| {
        let picture = small(picture);
        all.iter().map(|other| similarity(&picture, other)).fold(0.0, f64::max)
    };
    // What a notebook would show of it: small, compressed, cut a little.
    for index in [0, 9_000, 23_000] {
        let shown = faces.picture(index)?;
        let shown = image::imageops::crop_imm(&shown, 2, 2, 196, 196).to_image();
        let shown = resize(&shown, 124, 124, FilterType::Lanczos3);
        let mut jpeg = Cursor::new(vec![]);
        shown.write_to(&mut jpeg, ImageFormat::Jpeg)?;
        let shown = image::load_from_memory(jpeg.get_ref())?.to_rgb8();
        assert!(closest(&shown) > 0.98, "{index}: {}", closest(&shown));
    }
    for path in notebooks() {
        for (hash, bytes) in examine(&read(&path)).0 {
            let found = closest(&image::load_from_memory(&bytes)?.to_rgb8());
            assert!(
                found < 0.95,
                "{hash} in {} is like an image of UTKFace: {found}",
                path.display()
            );
        }
    }
    Ok(())
}
