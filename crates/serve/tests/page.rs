//! The page in a browser, with a camera whose video is a file. It is reported as skipped without Chromium.

mod common;

use std::fs::File;
use std::io::{BufWriter, Write, stderr};
use std::path::Path;
use std::process::Command;

use common::{Running, root};
use image::imageops::{FilterType, overlay, resize};
use image::{Rgb, RgbImage};
use tempfile::TempDir;

const SIZE: (u32, u32) = (640, 480);

/// Writes a video in which a face moves to and fro.
fn write_video(to: &Path) {
    let face = image::open(root().join("tests/photos/plain.jpg")).unwrap().to_rgb8();
    let high = SIZE.1 * 9 / 10;
    let face = resize(&face, face.width() * high / face.height(), high, FilterType::Triangle);
    let mut out = BufWriter::new(File::create(to).unwrap());
    writeln!(out, "YUV4MPEG2 W{} H{} F15:1 Ip A1:1 C420jpeg", SIZE.0, SIZE.1).unwrap();
    for frame in 0..60 {
        let mut picture = RgbImage::from_pixel(SIZE.0, SIZE.1, Rgb([120, 130, 140]));
        let turn = f64::from(frame) / 60.0 * std::f64::consts::TAU;
        let middle = (f64::from(SIZE.0) - f64::from(face.width())) / 2.0;
        overlay(&mut picture, &face, (middle + 90.0 * turn.sin()) as i64, 20);
        writeln!(out, "FRAME").unwrap();
        out.write_all(&planes(&picture)).unwrap();
    }
}

/// Brightness of every pixel, then blue and red differences of every second in both directions.
fn planes(picture: &RgbImage) -> Vec<u8> {
    let mix = |pixel: &Rgb<u8>, by: [f64; 3], from: f64| {
        let sum: f64 = pixel.0.iter().zip(by).map(|(value, by)| f64::from(*value) * by).sum();
        (from + sum).round() as u8
    };
    let mut bytes: Vec<u8> =
        picture.pixels().map(|pixel| mix(pixel, [0.299, 0.587, 0.114], 0.0)).collect();
    for by in [[-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]] {
        for y in (0..SIZE.1).step_by(2) {
            bytes.extend((0..SIZE.0).step_by(2).map(|x| mix(picture.get_pixel(x, y), by, 128.0)));
        }
    }
    bytes
}

#[test]
fn photos_and_the_camera_are_answered_in_a_browser() {
    let place = TempDir::new().unwrap();
    let video = place.path().join("camera.y4m");
    write_video(&video);
    let mut photos = vec![];
    for n in 0..10 {
        let name = ["plain.jpg", "group.jpg", "lossy.webp", "party.jpg"][n % 4];
        let photo = place.path().join(format!("{n} {name}"));
        std::fs::copy(root().join("tests/photos").join(name), &photo).unwrap();
        photos.push(photo);
    }
    let server = Running::start(&[]);
    let output = Command::new("bash")
        .args(["-c", "source setup/env.sh && exec \"$python\" \"$@\"", "bash"])
        .args(["tests/browser/serve.py", &format!("http://{}/", server.address)])
        .arg(&video)
        .args(&photos)
        .args(
            std::env::var_os("ROR_SCREENSHOTS")
                .map(|folder| ["--screenshots".into(), folder])
                .into_iter()
                .flatten(),
        )
        .current_dir(root())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    match output.status.code() {
        // Not by eprintln, which a test that passes does not show.
        Some(77) => writeln!(stderr(), "SKIPPED the page in a browser: {said}").unwrap(),
        code => assert_eq!(code, Some(0), "{said}"),
    }
}
