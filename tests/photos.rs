//! Photographs: in every form that people have them, with faces and without; and those with known
//! faces, where `ROR_PHOTOS` names a folder of them.

use std::collections::HashMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Instant;

use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, RgbaImage, imageops};
use ror::data::{Faces, decode_photo};
use ror::predict::Predictor;
use ror::predict::{Chip, Detector};

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One synthetic face in a larger picture, as a file in `tests/photos/`.
fn file(name: &str) -> Vec<u8> {
    std::fs::read(project().join("tests/photos").join(name)).unwrap()
}

fn detector() -> Detector {
    Detector::open(project().join("models/detector/mtcnn.safetensors")).unwrap()
}

fn png(picture: &DynamicImage) -> Vec<u8> {
    let mut bytes = Cursor::new(vec![]);
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn mean_change(a: &RgbImage, b: &RgbImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let apart = a.iter().zip(b.iter()).map(|(a, b)| f64::from(a.abs_diff(*b)));
    apart.sum::<f64>() / a.len() as f64
}

#[test]
fn every_form_of_a_picture_is_the_plain_one() {
    let plain = decode_photo(&file("plain.jpg")).unwrap();
    for name in ["progressive.jpg", "cmyk.jpg", "lossy.webp"] {
        let change = mean_change(&decode_photo(&file(name)).unwrap(), &plain);
        assert!(change < 3.0, "{name}: {change}");
    }
    let dynamic = DynamicImage::from(plain.clone());
    for same in [dynamic.clone(), dynamic.to_rgba8().into(), dynamic.to_rgb16().into()] {
        assert!(decode_photo(&png(&same)).unwrap() == plain, "{:?}", same.color());
    }
    let grey = decode_photo(&png(&dynamic.to_luma8().into())).unwrap();
    assert!(grey == DynamicImage::from(dynamic.to_luma8()).to_rgb8());
    let sixteen: ImageBuffer<Luma<u16>, Vec<u16>> = dynamic.to_luma16();
    let apart = mean_change(&decode_photo(&png(&sixteen.into())).unwrap(), &grey);
    assert!(apart < 1.0, "{apart}");
    // Transparent is white, whatever colour hides there.
    let clear =
        RgbaImage::from_fn(8, 8, |x, _| image::Rgba([200, 0, 0, if x < 4 { 0 } else { 255 }]));
    let white = decode_photo(&png(&clear.into())).unwrap();
    assert_eq!((white.get_pixel(0, 0).0, white.get_pixel(7, 0).0), ([255; 3], [200, 0, 0]));
}

/// A JPEG with an EXIF block that says how it is turned.
fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    let start = [&jpeg[..2], &[0xFF, 0xE1], &length, &exif].concat();
    [&start, &jpeg[2..]].concat()
}

#[test]
fn a_picture_is_upright_by_its_exif() {
    let jpeg = file("plain.jpg");
    let plain = decode_photo(&jpeg).unwrap();
    for exif in 1..=8 {
        let mut upright = DynamicImage::from(plain.clone());
        upright.apply_orientation(Orientation::from_exif(exif).unwrap());
        let found = decode_photo(&with_orientation(&jpeg, exif)).unwrap();
        assert!(found == upright.to_rgb8(), "orientation {exif}");
    }
    // Nonsense there says nothing about the picture.
    assert!(decode_photo(&with_orientation(&jpeg, 77)).unwrap() == plain);
}

#[test]
fn a_face_is_found_and_cut_wherever_it_is() {
    let detector = detector();
    let photo = decode_photo(&file("plain.jpg")).unwrap();
    let found = detector.detect(&photo).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    let corners = Chip::new(&found[0].points).corners();
    // The same twice as large and moved, and in a photograph of 12 megapixels.
    for (scale, width, height, x, y) in [(2, 900, 800, 100, 150), (4, 4000, 3000, 1900, 700)] {
        let (wide, high) = (photo.width() * scale, photo.height() * scale);
        let larger = imageops::resize(&photo, wide, high, imageops::FilterType::CatmullRom);
        let mut large = RgbImage::from_pixel(width, height, Rgb([120, 150, 170]));
        imageops::replace(&mut large, &larger, x, y);
        let found = detector.detect(&large).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        let chip = Chip::new(&found[0].points);
        let side = 200.0 * chip.scale();
        for (own, small) in chip.corners().iter().zip(corners) {
            let expected =
                [small[0] * f64::from(scale) + x as f64, small[1] * f64::from(scale) + y as f64];
            let off = apart(*own, expected) / side;
            assert!(off < 0.05, "off by {off} of the chip: {own:?}, {expected:?}");
        }
        assert_eq!(chip.cut(&large).unwrap().dimensions(), (200, 200));
    }
}

#[test]
fn what_holds_no_face_gives_none_and_what_is_no_picture_an_error() {
    let detector = detector();
    for (width, height) in [(1, 1), (11, 700), (300, 200)] {
        let blank = RgbImage::from_pixel(width, height, Rgb([90, 120, 90]));
        assert!(detector.detect(&blank).unwrap().is_empty(), "{width} x {height}");
    }
    assert!(detector.detect(&RgbImage::new(0, 0)).is_err());
    assert!(detector.smallest(4.0).unwrap_err().to_string().contains("12 or more"));

    let missing = Detector::open(Path::new("/no/such.safetensors")).unwrap_err();
    assert!(format!("{missing:#}").contains("make setup"), "{missing:#}");
    let other = project().join("models/both-32px.safetensors");
    let other = format!("{:#}", Detector::open(&other).unwrap_err());
    assert!(other.contains("conv1.weight is missing"), "{other}");

    // It declares 65,535 x 65,535 pixels: refused before a byte of them is made.
    let mut huge = file("plain.jpg");
    let frame = huge.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    huge[frame + 5..frame + 9].fill(0xFF);
    let start = Instant::now();
    let error = format!("{:#}", decode_photo(&huge).unwrap_err());
    assert!(error.contains("65535 x 65535") && start.elapsed().as_secs_f64() < 0.5, "{error}");
    let cut = file("plain.jpg");
    assert!(decode_photo(&cut[..cut.len() / 2]).is_err());
    assert!(decode_photo(b"no picture").is_err());
}

#[test]
fn many_faces_are_found_at_once() {
    let faces = Faces::synthetic(200, 5).unwrap();
    let mut crowd = RgbImage::from_pixel(20 * 80, 10 * 80, Rgb([120, 150, 170]));
    for i in 0..200 {
        let face = imageops::thumbnail(&faces.picture(i).unwrap(), 72, 72);
        imageops::replace(&mut crowd, &face, (i % 20 * 80) as i64, (i / 20 * 80) as i64);
    }
    let found = detector().smallest(24.0).unwrap().detect(&crowd).unwrap();
    assert!(found.len() > 100, "{}", found.len());
    for face in &found {
        assert!(face.score > 0.7 && face.bounds.area() > 0.0);
    }
}

/// Age, 1 for female, and the chip's corners: the columns `age`, `gender`, and `x0`, `y0` to `x3`,
/// `y3` of `labels.csv`, which names each picture in the column `photo`.
type Truth = (f64, f64, [[f64; 2]; 4]);

fn truths(folder: &Path) -> Vec<(PathBuf, Truth)> {
    let mut rows = csv::Reader::from_path(folder.join("labels.csv")).unwrap();
    let rows = rows.deserialize::<HashMap<String, String>>().map(Result::unwrap);
    rows.map(|row| {
        let number = |name: &str| row[name].parse::<f64>().unwrap();
        let corners = [0, 1, 2, 3].map(|i| [number(&format!("x{i}")), number(&format!("y{i}"))]);
        (folder.join(&row["photo"]), (number("age"), number("gender"), corners))
    })
    .collect()
}

fn centre(corners: &[[f64; 2]; 4]) -> [f64; 2] {
    [0, 1].map(|axis| corners.iter().map(|corner| corner[axis]).sum::<f64>() / 4.0)
}

fn apart(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

#[test]
fn people_are_found_and_cut_as_they_should_be() {
    let Some(folder) = std::env::var_os("ROR_PHOTOS").map(PathBuf::from) else {
        eprintln!("skipped: ROR_PHOTOS is not set");
        return;
    };
    let (detector, predictor) =
        (ror::predict::detector().unwrap(), Predictor::pretrained().unwrap());
    let truths = truths(&folder);
    let mut errors = vec![];
    // Of the chip that was found, and of the true one: error in years, and right about gender.
    let mut sums = [[0.0; 2]; 2];
    for (path, (age, female, corners)) in &truths {
        let photo = decode_photo(&std::fs::read(path).unwrap()).unwrap();
        let side = apart(corners[0], corners[1]);
        let chips = detector.detect(&photo).unwrap();
        let chips = chips.iter().map(|face| Chip::new(&face.points));
        let near = chips.map(|chip| (apart(centre(&chip.corners()), centre(corners)), chip));
        let Some((_, chip)) =
            near.filter(|near| near.0 < 0.3 * side).min_by(|a, b| a.0.total_cmp(&b.0))
        else {
            eprintln!("not found: {}", path.display());
            continue;
        };
        let found = chip.corners();
        let off = found.iter().zip(corners).map(|(a, b)| apart(*a, *b)).sum::<f64>() / 4.0;
        errors.push(200.0 * off / side);
        for (sums, chip) in sums.iter_mut().zip([chip, Chip::from_corners(corners[0], corners[1])])
        {
            let face = predictor.predict(&chip.cut(&photo).unwrap()).unwrap();
            sums[0] += (face.age - age).abs();
            sums[1] += f64::from((face.female > 0.5) == (*female == 1.0));
        }
    }
    errors.sort_by(f64::total_cmp);
    let n = errors.len();
    let (median, ninetieth) = (errors[n / 2], errors[n * 9 / 10]);
    let [found, truth] = sums.map(|sums| [sums[0] / n as f64, 100.0 * sums[1] / n as f64]);
    eprintln!(
        "{n} of {} found; corners off by {median:.2} px of 200 (median), {ninetieth:.2} (90th \
         percentile)\nas found: MAE {:.3} years, gender {:.1} %; on true chips: {:.3}, {:.1} %",
        truths.len(),
        found[0],
        found[1],
        truth[0],
        truth[1]
    );
    assert!(n as f64 >= 0.995 * truths.len() as f64);
    assert!(median <= 5.0 && ninetieth <= 12.0);
    assert!(found[0] <= truth[0] + 0.2 && found[1] >= truth[1] - 1.0);
}
