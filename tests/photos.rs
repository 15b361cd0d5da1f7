//! Photographs: in every form that people have them, with faces and without; and those with known
//! faces, where `ROR_PHOTOS` names a folder of them.

use std::collections::HashMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Instant;

use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, RgbaImage, imageops};
use ror::data::{Faces, decode};
use ror::predict::Predictor;
use ror::predict::{Bounds, Chip, Detector};
use ror::store::ModelStore;

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
    let plain = decode(&file("plain.jpg")).unwrap();
    for name in ["progressive.jpg", "cmyk.jpg", "lossy.webp"] {
        let change = mean_change(&decode(&file(name)).unwrap(), &plain);
        assert!(change < 3.0, "{name}: {change}");
    }
    let dynamic = DynamicImage::from(plain.clone());
    for same in [dynamic.clone(), dynamic.to_rgba8().into(), dynamic.to_rgb16().into()] {
        assert!(decode(&png(&same)).unwrap() == plain, "{:?}", same.color());
    }
    let grey = decode(&png(&dynamic.to_luma8().into())).unwrap();
    assert!(grey == DynamicImage::from(dynamic.to_luma8()).to_rgb8());
    let sixteen: ImageBuffer<Luma<u16>, Vec<u16>> = dynamic.to_luma16();
    let apart = mean_change(&decode(&png(&sixteen.into())).unwrap(), &grey);
    assert!(apart < 1.0, "{apart}");
    // Transparent is white, whatever colour hides there.
    let clear =
        RgbaImage::from_fn(8, 8, |x, _| image::Rgba([200, 0, 0, if x < 4 { 0 } else { 255 }]));
    let white = decode(&png(&clear.into())).unwrap();
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
    let plain = decode(&jpeg).unwrap();
    for exif in 1..=8 {
        let mut upright = DynamicImage::from(plain.clone());
        upright.apply_orientation(Orientation::from_exif(exif).unwrap());
        let found = decode(&with_orientation(&jpeg, exif)).unwrap();
        assert!(found == upright.to_rgb8(), "orientation {exif}");
    }
    // Nonsense there says nothing about the picture.
    assert!(decode(&with_orientation(&jpeg, 77)).unwrap() == plain);
}

#[test]
fn a_face_is_found_and_cut_wherever_it_is() {
    let detector = detector();
    let photo = decode(&file("plain.jpg")).unwrap();
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

/// Turns a picture clockwise by quarters of a full turn, as imageops does.
fn turned(picture: &RgbImage, quarters: u32) -> RgbImage {
    match quarters {
        0 => picture.clone(),
        1 => imageops::rotate90(picture),
        2 => imageops::rotate180(picture),
        _ => imageops::rotate270(picture),
    }
}

/// Where a pixel of a picture is after turning it.
fn turned_point([x, y]: [f64; 2], quarters: u32, picture: &RgbImage) -> [f64; 2] {
    let [right, low] = [picture.width(), picture.height()].map(|side| f64::from(side) - 1.0);
    match quarters {
        0 => [x, y],
        1 => [low - y, x],
        2 => [right - x, low - y],
        _ => [y, right - x],
    }
}

#[test]
fn a_face_in_a_turned_picture_is_the_upright_one() {
    let detector = detector();
    // A drawn face that the detector doubts, and some that are as clear as those of real people.
    let plain = decode(&file("plain.jpg")).unwrap();
    let party = decode(&file("party.jpg")).unwrap();
    // A photograph of a phone, and the faces in a corner of one.
    let (wide, high) = party.dimensions();
    let large = imageops::resize(&party, 3 * wide, 3 * high, imageops::FilterType::CatmullRom);
    let mut corner = RgbImage::from_pixel(wide + 200, high + 100, Rgb([120, 150, 170]));
    imageops::replace(&mut corner, &party, 190, 90);
    for (name, photo) in [("plain", plain), ("party", party), ("large", large), ("corner", corner)]
    {
        let upright = detector.detect(&photo).unwrap();
        assert!(!upright.is_empty(), "{name}");
        for quarters in 1..4 {
            let picture = turned(&photo, quarters);
            let found = detector.detect(&picture).unwrap();
            assert_eq!(found.len(), upright.len(), "{name}, {quarters}");
            for face in &upright {
                let at = |point: [f64; 2]| turned_point(point, quarters, &photo);
                let side = face.bounds.width;
                let chip = Chip::new(&face.points);
                let same = found.iter().find(|other| {
                    apart(Chip::new(&other.points).corners()[0], at(chip.corners()[0]))
                        < 0.02 * side
                });
                let same = same.unwrap_or_else(|| panic!("{name}, {quarters}: {found:?}"));
                assert_eq!(Chip::new(&same.points).turned(), 90 * quarters);
                // Its edges are the same too, a pixel being wide.
                let Bounds { x, y, width, height } = face.bounds;
                let [a, b] = [at([x, y]), at([x + width, y + height])];
                assert!((same.bounds.x - a[0].min(b[0])).abs() < 0.02 * side + 1.0, "{name}");
                assert!((same.bounds.y - a[1].min(b[1])).abs() < 0.02 * side + 1.0, "{name}");
                let (own, other) = (chip.cut(&photo), Chip::new(&same.points).cut(&picture));
                assert!(mean_change(&own.unwrap(), &other.unwrap()) < 4.0, "{name}, {quarters}");
            }
        }
    }
}

#[test]
fn the_result_says_that_a_photo_was_turned() {
    let folder = tempfile::tempdir().unwrap();
    let party = decode(&file("party.jpg")).unwrap();
    let predictor =
        Predictor::new(vec![ModelStore::new(project().join("models")).open("both-32px").unwrap()])
            .unwrap();
    let mut ages = vec![];
    for quarters in 0..4 {
        let path = folder.path().join(format!("{quarters}.png"));
        turned(&party, quarters).save(&path).unwrap();
        let photo = predictor.predict_photo(&detector(), &path).unwrap();
        assert_eq!(photo.faces.len(), 7, "{photo:?}");
        let mut years: Vec<f64> = photo.faces.iter().map(|face| face.face.age).collect();
        years.sort_by(f64::total_cmp);
        ages.push(years);
        let note = format!("photo turned by {} degrees", 90 * quarters);
        for face in &photo.faces {
            assert_eq!(face.turned(), 90 * quarters);
            assert_eq!(face.notes.contains(&note), quarters > 0, "{face}");
            assert_eq!(face.to_string().contains(&note), quarters > 0, "{face}");
        }
        let json = serde_json::to_string(&photo).unwrap();
        assert_eq!(json.contains(&note), quarters > 0, "{json}");
        let drawn = ror::plot::photo(&photo).unwrap();
        assert_eq!(drawn.svg().contains("turned by"), quarters > 0);
    }
    for years in &ages {
        assert!(years.iter().zip(&ages[0]).all(|(a, b)| (a - b).abs() < 2.0), "{ages:?}");
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
    let error = format!("{:#}", decode(&huge).unwrap_err());
    assert!(error.contains("65535 x 65535") && start.elapsed().as_secs_f64() < 0.5, "{error}");
    let cut = file("plain.jpg");
    assert!(decode(&cut[..cut.len() / 2]).is_err());
    assert!(decode(b"no picture").is_err());
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
    // On the true chips, and on those that are found in the photo as it is, and turned by 90, 180 and
    // 270 degrees: how many, error in years, and right about gender.
    let mut sums = [[0.0; 3]; 5];
    for (path, (age, female, corners)) in &truths {
        let photo = decode(&std::fs::read(path).unwrap()).unwrap();
        let mut add = |of: usize, chip: RgbImage| {
            let face = predictor.predict(&chip).unwrap();
            sums[of][0] += 1.0;
            sums[of][1] += (face.age - age).abs();
            sums[of][2] += f64::from((face.female > 0.5) == (*female == 1.0));
        };
        let side = apart(corners[0], corners[1]);
        add(0, Chip::from_corners(corners[0], corners[1]).cut(&photo).unwrap());
        for quarters in 0..4 {
            let picture = turned(&photo, quarters);
            let corners = corners.map(|corner| turned_point(corner, quarters, &photo));
            let chips = detector.detect(&picture).unwrap();
            let chips = chips.iter().map(|face| Chip::new(&face.points));
            let near = chips.map(|chip| (apart(centre(&chip.corners()), centre(&corners)), chip));
            let Some((_, chip)) =
                near.filter(|near| near.0 < 0.3 * side).min_by(|a, b| a.0.total_cmp(&b.0))
            else {
                eprintln!("not found, turned by {}: {}", 90 * quarters, path.display());
                continue;
            };
            add(1 + quarters as usize, chip.cut(&picture).unwrap());
            if quarters == 0 {
                let found = chip.corners();
                let off = found.iter().zip(corners).map(|(a, b)| apart(*a, b)).sum::<f64>() / 4.0;
                errors.push(200.0 * off / side);
            }
        }
    }
    errors.sort_by(f64::total_cmp);
    let (median, ninetieth) = (errors[errors.len() / 2], errors[errors.len() * 9 / 10]);
    eprintln!("corners off by {median:.2} px of 200 (median), {ninetieth:.2} (90th percentile)");
    let results = sums.map(|[n, error, right]| (n, error / n, 100.0 * right / n));
    for (name, (n, error, right)) in ["true", "0", "90", "180", "270"].iter().zip(results) {
        eprintln!("{name}: {n} of {}, MAE {error:.3} years, gender {right:.1} %", truths.len());
    }
    assert!(median <= 5.0 && ninetieth <= 12.0);
    let [truth, upright, turned @ ..] = results;
    assert!(upright.0 >= 0.995 * truths.len() as f64);
    assert!(upright.1 <= truth.1 + 0.2 && upright.2 >= truth.2 - 1.0);
    for (n, error, right) in turned {
        assert!(n >= 0.99 * truths.len() as f64);
        assert!((error - upright.1).abs() <= 0.2 && (right - upright.2).abs() <= 1.0);
    }
}
