use std::collections::{HashMap, HashSet};
use std::time::Instant;

use super::*;

/// UTKFace's size.
const ALL: usize = 23_708;

fn share(people: &[Person], holds: impl Fn(&Person) -> bool) -> f64 {
    people.iter().filter(|person| holds(person)).count() as f64 / people.len() as f64
}

#[track_caller]
fn near(value: f64, expected: f64, tolerance: f64) {
    assert!(
        (value - expected).abs() <= tolerance,
        "{value} is not within {tolerance} of {expected}"
    );
}

/// The labels and time stamp in a file name, read independently of the writer.
fn parse(name: &str) -> Option<(u32, u8, u8, &str)> {
    let mut parts = name.strip_suffix(".jpg.chip.jpg")?.split('_');
    let labels = (
        parts.next()?.parse().ok()?,
        parts.next()?.parse().ok()?,
        parts.next()?.parse().ok()?,
        parts.next()?,
    );
    parts.next().is_none().then_some(labels)
}

fn someone(look: u64) -> Person {
    Person::new(30, 1, 0, "20170101000000000", look)
}

#[test]
fn names_are_unique_sorted_and_parse_back() {
    let people = population(5000, 3);
    assert_eq!(people.len(), 5000);
    let names: Vec<String> = people.iter().map(Person::file_name).collect();
    assert!(names.windows(2).all(|pair| pair[0] < pair[1]));
    for (name, person) in names.iter().zip(&people) {
        let stamp = person.timestamp.as_str();
        let labels = (person.age, person.gender, person.race, stamp);
        assert_eq!(parse(name), Some(labels), "{name}");
        assert_eq!(stamp.len(), 17, "{stamp}");
        let day: u32 = stamp[..8].parse().expect("digits");
        assert!(
            (20_161_201..=20_161_231).contains(&day) || (20_170_101..=20_170_131).contains(&day)
        );
        let field = |range: std::ops::Range<usize>| stamp[range].parse::<u32>().expect("digits");
        assert!(field(8..10) < 24 && field(10..12) < 60 && field(12..14) < 60);
    }
}

#[test]
fn seeds_decide() {
    assert_eq!(population(500, 1), population(500, 1));
    assert_ne!(population(500, 1), population(500, 2));
    assert!(population(0, 1).is_empty());
    assert_eq!(population(1, 1).len(), 1);
}

#[test]
fn people_are_distributed_like_utkface() {
    let people = population(ALL, 0);
    let ages = |low: u32, high: u32| share(&people, |p| (low..=high).contains(&p.age));
    near(ages(1, 116), 1.0, 0.0);
    near(ages(1, 1), 0.047, 0.006);
    near(ages(1, 4), 0.09, 0.008);
    near(ages(26, 26), 0.09, 0.008);
    near(ages(24, 28), 0.22, 0.015);
    near(ages(61, 116), 0.14, 0.012);
    assert!((0..=116).all(|age| age == 26 || ages(age, age) < ages(26, 26)));
    near(
        share(&people, |p| p.gender == 1),
        11_317.0 / 23_708.0,
        0.015,
    );
    for (race, count) in [10_078.0, 4_526.0, 3_434.0, 3_975.0, 1_692.0]
        .into_iter()
        .enumerate()
    {
        let part = share(&people, |p| usize::from(p.race) == race);
        near(part, count / 23_705.0, 0.015);
    }
}

#[test]
fn copies_share_the_drawing_but_not_always_the_labels() {
    let people = population(ALL, 0);
    let mut by_content: HashMap<String, Vec<&Person>> = HashMap::new();
    for person in &people {
        by_content.entry(person.content()).or_default().push(person);
    }
    let pairs: Vec<_> = by_content
        .values()
        .filter(|group| group.len() > 1)
        .collect();
    assert!(pairs.iter().all(|pair| pair.len() == 2));
    let pairs_of = |holds: fn(&Person, &Person) -> bool| {
        pairs.iter().filter(|pair| holds(pair[0], pair[1])).count() as f64
    };
    let count = pairs.len() as f64;
    near(count / ALL as f64, 0.016, 0.0001);
    near(pairs_of(|a, b| a.age != b.age) / count, 1.0 / 3.0, 0.01);
    near(pairs_of(|a, b| a.gender != b.gender) / count, 0.1, 0.01);
    assert!(
        pairs
            .iter()
            .all(|pair| pair[0].look == pair[1].look && pair[0].timestamp != pair[1].timestamp)
    );
    let changed = pairs.iter().find(|pair| pair[0].gender != pair[1].gender);
    let changed = changed.expect("a tenth of the pairs");
    let bytes = |person| encode(person).expect("drawn");
    assert_eq!(bytes(changed[0]), bytes(changed[1]));
}

#[test]
fn content_follows_what_is_drawn() {
    let person = someone(7);
    let content = person.content();
    assert_eq!(content.len(), 64);
    let later = Person {
        timestamp: "20170102000000000".into(),
        ..person.clone()
    };
    assert_eq!(later.content(), content);
    for other in [
        someone(8),
        Person::new(31, 1, 0, "", 7),
        Person::new(30, 0, 0, "", 7),
        Person::new(30, 1, 1, "", 7),
    ] {
        assert_ne!(other.content(), content);
    }
}

#[test]
fn drawings_differ_between_people_only() -> Result<()> {
    let people = population(300, 5);
    let mut seen = HashMap::new();
    for person in &people {
        let picture = draw(person, 24)?;
        assert_eq!(picture, draw(person, 24)?);
        let content = person.content();
        let known = seen.entry(picture.into_raw()).or_insert(content.clone());
        assert_eq!(*known, content);
    }
    let contents: HashSet<String> = people.iter().map(Person::content).collect();
    assert_eq!(seen.len(), contents.len());
    Ok(())
}

#[test]
fn a_small_drawing_is_the_large_one_reduced() -> Result<()> {
    let (small, large) = (draw(&someone(1), 50)?, draw(&someone(1), 200)?);
    assert_eq!(
        (small.dimensions(), large.dimensions()),
        ((50, 50), (200, 200))
    );
    let mut difference = 0.0;
    for (x, y, pixel) in small.enumerate_pixels() {
        for channel in 0..3 {
            let block = (0..16).map(|i| large[(4 * x + i % 4, 4 * y + i / 4)][channel]);
            let mean = block.map(f64::from).sum::<f64>() / 16.0;
            difference += (f64::from(pixel[channel]) - mean).abs() / 7500.0;
        }
    }
    assert!(difference < 6.0, "they differ by {difference} on average");
    Ok(())
}

#[test]
fn every_age_and_size_can_be_drawn() -> Result<()> {
    for age in 1..=116 {
        draw(
            &Person::new(age, (age % 2) as u8, (age % 5) as u8, "", u64::from(age)),
            16,
        )?;
    }
    for size in [1, 2, 3, 7, 333] {
        assert_eq!(draw(&someone(1), size)?.dimensions(), (size, size));
    }
    Ok(())
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    assert!(draw(&someone(1), 0).is_err());
    assert!(draw(&someone(1), MAX_SIZE + 1).is_err());
    for (age, gender, race) in [
        (0, 0, 0),
        (117, 0, 0),
        (u32::MAX, 0, 0),
        (30, 2, 0),
        (30, 0, 5),
    ] {
        assert!(draw(&Person::new(age, gender, race, "", 1), 8).is_err());
    }
}

#[test]
fn jpeg_bytes_decode_to_the_drawing() -> Result<()> {
    let person = someone(3);
    let bytes = encode(&person)?;
    assert_eq!(bytes, encode(&person)?);
    let read = image::load_from_memory(&bytes)?.into_rgb8();
    let drawn = draw(&person, NATURAL_SIZE)?;
    assert_eq!(read.dimensions(), drawn.dimensions());
    let difference: u64 = (read.as_raw().iter())
        .zip(drawn.as_raw())
        .map(|(&a, &b)| u64::from(a.abs_diff(b)))
        .sum();
    assert!(difference < 4 * read.as_raw().len() as u64);
    Ok(())
}

#[test]
fn a_folder_holds_exactly_the_pictures() -> Result<()> {
    let people = population(20, 9);
    let folder = tempfile::tempdir()?;
    let folder = folder.path().join("a").join("b");
    write_folder(&folder, &people)?;
    write_folder(&folder, &people[..3])?; // replaces, and removes nothing
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder)? {
        names.push(entry?.file_name().into_string().expect("plain"));
    }
    names.sort();
    assert_eq!(
        names,
        people.iter().map(Person::file_name).collect::<Vec<_>>()
    );
    assert_eq!(fs::read(folder.join(&names[7]))?, encode(&people[7])?);
    Ok(())
}

#[test]
fn a_failed_write_names_the_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut person = someone(1);
    person.race = 9;
    let error =
        write_folder(folder.path(), std::slice::from_ref(&person)).expect_err("no such race");
    assert!(
        format!("{error:#}").contains(&person.file_name()),
        "{error:#}"
    );

    person = someone(1);
    person.timestamp = "/../../elsewhere".into();
    assert!(write_folder(folder.path(), &[person]).is_err());

    // A folder is where the picture should go.
    let person = someone(1);
    fs::create_dir(folder.path().join(person.file_name()))?;
    let error = write_folder(folder.path(), std::slice::from_ref(&person)).expect_err("a folder");
    assert!(
        format!("{error:#}").contains(&person.file_name()),
        "{error:#}"
    );
    assert_eq!(
        fs::read_dir(folder.path())?.count(),
        1,
        "a part file was left"
    );
    Ok(())
}

/// Catches drift: whoever changes these on purpose also changes everybody's results.
#[test]
fn nothing_has_drifted() -> Result<()> {
    let people = population(1000, 0);
    let mut hash = Sha256::new();
    for person in &people {
        hash.update(person.file_name());
        hash.update(person.look.to_le_bytes());
        hash.update("\n");
    }
    assert_eq!(
        format!("{:x}", hash.finalize()),
        "7f8e542c3c0d66c299e23de35d8867de53c844e099a4bef8aff3287e706df559"
    );

    // Only coarse colours: rasterising may differ a little between kinds of CPU.
    let picture = draw(&someone(11), 64)?;
    let mut quarters = [[0.0; 3]; 4];
    for (x, y, pixel) in picture.enumerate_pixels() {
        for channel in 0..3 {
            quarters[(x / 32 + y / 32 * 2) as usize][channel] += f64::from(pixel[channel]) / 1024.0;
        }
    }
    let expected = [
        [160.5, 143.3, 125.7],
        [139.4, 119.4, 104.6],
        [188.5, 174.5, 163.1],
        [163.8, 147.3, 137.9],
    ];
    for (found, expected) in quarters.as_flattened().iter().zip(expected.as_flattened()) {
        assert!((found - expected).abs() < 0.75, "{quarters:.1?}");
    }
    Ok(())
}

/// Prints how long a drawing takes; run with `--ignored --nocapture`.
#[test]
#[ignore = "measures time"]
fn speed() -> Result<()> {
    // The best of several rounds, as other programs may be running.
    fn best(what: &str, count: u32, mut work: impl FnMut() -> Result<()>) -> Result<()> {
        let mut best = std::time::Duration::MAX;
        for _ in 0..8 {
            let start = Instant::now();
            work()?;
            best = best.min(start.elapsed() / count);
        }
        println!("{what}: {best:?}");
        Ok(())
    }
    let people = population(200, 1);
    for size in [32, 64, NATURAL_SIZE] {
        best(&format!("draw at {size}"), 200, || {
            people.iter().try_for_each(|p| draw(p, size).map(drop))
        })?;
    }
    best("encode", 200, || {
        people.iter().try_for_each(|p| encode(p).map(drop))
    })?;
    best("population of 23708", 1, || {
        assert_eq!(population(ALL, 0).len(), ALL);
        Ok(())
    })
}

/// Writes a sheet of faces by age, to be looked at: `FACES_SHEET=sheet.png`.
#[test]
#[ignore = "writes a picture to look at"]
fn sheet() -> Result<()> {
    let path = std::env::var("FACES_SHEET").context("FACES_SHEET names the picture")?;
    for (size, zoom, suffix) in [(200, 1, ""), (32, 4, ".32.png")] {
        let cell = size * zoom;
        let mut sheet = RgbImage::new(8 * cell, 6 * cell);
        for place in 0..48u32 {
            // From 1 to 100, denser among the young.
            let age = 1 + place + place * place.saturating_sub(1) / 41;
            let race = [0, 1, 2, 3, 4, 0, 0][place as usize % 7];
            let look = 7919 * u64::from(place) + 5;
            let face = draw(&Person::new(age, (place % 2) as u8, race, "", look), size)?;
            let face =
                image::imageops::resize(&face, cell, cell, image::imageops::FilterType::Nearest);
            let (x, y) = (place % 8 * cell, place / 8 * cell);
            image::imageops::replace(&mut sheet, &face, x.into(), y.into());
        }
        sheet.save(format!("{path}{suffix}"))?;
    }
    Ok(())
}
