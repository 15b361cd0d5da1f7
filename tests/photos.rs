//! Photographs with known faces, where `ROR_PHOTOS` names a folder of them: `labels.csv` with the
//! columns `photo`, `age`, `gender` (0 male, 1 female) and the corners of the true chip, `x0`, `y0`
//! to `x3`, `y3`.

use std::collections::HashMap;
use std::path::PathBuf;

use ror::data::decode_photo;
use ror::detect::{Chip, Detector};
use ror::predict::Predictor;

/// Age, 1 for female, and the chip's corners.
type Truth = (f64, f64, [[f64; 2]; 4]);

fn truths(folder: &std::path::Path) -> Vec<(PathBuf, Truth)> {
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
    let (detector, predictor) = (Detector::open().unwrap(), Predictor::pretrained().unwrap());
    let truths = truths(&folder);
    let mut errors = vec![];
    // Of the chip that was found, and of the true one: error in years, and right about gender.
    let mut sums = [[0.0; 2]; 2];
    for (path, (age, female, corners)) in &truths {
        let photo = decode_photo(&std::fs::read(path).unwrap()).unwrap();
        let side = apart(corners[0], corners[1]);
        let chips = detector.detect(&photo).unwrap();
        let chips = chips.iter().map(|face| Chip::of(&face.points));
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
        for (sums, chip) in sums.iter_mut().zip([chip, Chip::at(corners[0], corners[1])]) {
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
