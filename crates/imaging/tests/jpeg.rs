//! JPEGs with every kind of damage that decoders tolerate, and whole ones with more behind them.

#[path = "../../../tests/common/jpeg.rs"]
mod jpeg;

use image::RgbImage;
use imaging::{decode, encode_jpeg};
use jpeg::scans;

const PLAIN: &[u8] = include_bytes!("../../../tests/photos/plain.jpg");
const PROGRESSIVE: &[u8] = include_bytes!("../../../tests/photos/progressive.jpg");
const CMYK: &[u8] = include_bytes!("../../../tests/photos/cmyk.jpg");
/// Restart intervals of one row.
const RESTART: &[u8] = include_bytes!("restart.jpg");
const ALL: [(&str, &[u8]); 4] = [
    ("baseline", PLAIN),
    ("progressive", PROGRESSIVE),
    ("CMYK", CMYK),
    ("with restart intervals", RESTART),
];
const END: [u8; 2] = [0xFF, 0xD9];

fn damaged(name: &str, jpeg: &[u8]) {
    let error = decode(jpeg).map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("the JPEG is damaged or truncated: "), "{name}: {error}");
}

#[test]
fn whole_ones_are_read_whatever_follows_their_end() {
    for (name, jpeg) in ALL {
        let plain = decode(jpeg).unwrap();
        let end = jpeg.len() - 2;
        let video = [&b"\0\0\0\x18ftypmp42"[..], &[0; 8000]].concat();
        let noise: Vec<u8> = (0..9000u32).map(|i| ((i * i) >> 5) as u8).collect();
        // A motion photo, padding, a gain map, anything.
        for behind in [&video[..], &[0; 5000], &[0xFF; 5000], RESTART, &RESTART[..999], &noise] {
            assert!(decode(&[jpeg, behind].concat()).unwrap() == plain, "{name}");
        }
        // In front of the end marker: filled up, or a restart marker more.
        for before in [&[0xFF; 3][..], &[0; 2]] {
            let filled = [&jpeg[..end], before, &END].concat();
            assert!(decode(&filled).unwrap() == plain, "{name}");
        }
    }
    // Narrow, low, and small images, whose last blocks may be shorter than a byte.
    for (width, height) in [(1, 1), (8, 900), (900, 8), (17, 33)] {
        for quality in [1, 50, 100] {
            let jpeg = encode_jpeg(&RgbImage::new(width, height), quality).unwrap();
            assert_eq!(decode(&jpeg).unwrap().dimensions(), (width, height));
        }
    }
}

#[test]
fn a_part_of_a_scan_is_no_image() {
    for (name, jpeg) in ALL {
        for (start, end) in scans(jpeg) {
            for share in [0, 1, 4, 8, 12, 15] {
                let at = start + (end - start) * share / 16;
                damaged(name, &[&jpeg[..at], &END].concat());
                damaged(name, &[&jpeg[..at], &jpeg[end..]].concat());
                damaged(name, &jpeg[..at]);
            }
            damaged(name, &[&jpeg[..end], &jpeg[end - 40..]].concat());
        }
        damaged(name, &jpeg[..jpeg.len() - 2]);
    }
}

/// The thumbnail of a camera has an end marker of its own.
#[test]
fn a_thumbnail_does_not_end_the_image() {
    let thumbnail = encode_jpeg(&RgbImage::new(160, 120), 80).unwrap();
    let exif = [&b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"[..], &thumbnail].concat();
    let length = (exif.len() as u16 + 2).to_be_bytes();
    for (name, jpeg) in ALL {
        let with = [&jpeg[..2], &[0xFF, 0xE1], &length, &exif, &jpeg[2..]].concat();
        assert!(decode(&with).unwrap() == decode(jpeg).unwrap(), "{name}");
        damaged(name, &with[..scans(&with)[0].0 + 1000]);
    }
}

/// Not all of them: after some, the image has just as many blocks, which end where the data does.
#[test]
fn changed_and_missing_bytes_are_mostly_found() {
    let (mut found, mut all) = (0, 0);
    for (_, jpeg) in ALL {
        let (start, end) = (scans(jpeg)[0].0, scans(jpeg).last().unwrap().1);
        for (i, change) in (1..=255).step_by(4).enumerate() {
            let mut bytes = jpeg.to_vec();
            for at in (start + 200 + i..end - 200).step_by([997, 499, 211][i % 3]) {
                bytes[at] ^= if matches!(bytes[at], 0 | 0xFF) { 0 } else { change };
            }
            let at = start + (end - start) * i / 64;
            let missing = [&jpeg[..at], &jpeg[end.min(at + 100)..]].concat();
            all += 2;
            found += [bytes, missing].iter().filter(|bytes| decode(bytes).is_err()).count();
        }
    }
    assert!(100 * found >= 90 * all, "{found} of {all}");
}

#[test]
fn restart_intervals_have_an_order_and_scans_are_not_repeated_or_left_out() {
    let [(start, end)] = scans(RESTART)[..] else { panic!("one scan is expected") };
    let is_restart = |at: &usize| RESTART[*at] == 0xFF && matches!(RESTART[at + 1], 0xD0..=0xD7);
    let marks: Vec<usize> = (start..end).filter(is_restart).collect();
    let (a, b, c) = (marks[0], marks[1], marks[2]);
    let [head, tail] = [&RESTART[..a], &RESTART[c..]];
    let (first, second) = (&RESTART[a..b], &RESTART[b..c]);
    damaged("swapped", &[head, second, first, tail].concat());
    damaged("left out", &[head, second, tail].concat());
    damaged("twice", &[head, first, first, second, tail].concat());
    damaged("without a marker", &[head, first, &second[2..], tail].concat());
    // Their contents swapped, under the right markers, cannot be told.
    let markers_kept = [head, &first[..2], &second[2..], &second[..2], &first[2..], tail].concat();
    assert!(decode(&markers_kept).is_ok());
    let last = [&RESTART[..end], &[0xFF, 0xD0 + marks.len() as u8 % 8], &END].concat();
    assert!(decode(&last).unwrap() == decode(RESTART).unwrap(), "a restart marker at the end");

    let scans = scans(PROGRESSIVE);
    assert!(scans.len() > 4);
    for (_, end) in &scans[..scans.len() - 1] {
        damaged("without its last scans", &[&PROGRESSIVE[..*end], &END].concat());
    }
    for pair in scans.windows(2) {
        let (from, to) = (pair[0].1, pair[1].1);
        damaged("a scan left out", &[&PROGRESSIVE[..from], &PROGRESSIVE[to..]].concat());
        damaged("a scan twice", &[&PROGRESSIVE[..to], &PROGRESSIVE[from..]].concat());
    }
}
