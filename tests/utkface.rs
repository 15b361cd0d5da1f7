//! The real data set's facts, where it is at hand.

mod common;

use std::collections::HashSet;

use ror::Task;
use ror::dataset::{Balance, Faces, Gender, Part, Records};

#[test]
fn utkface_has_the_published_counts() -> anyhow::Result<()> {
    let Some(path) = common::utkface("utkface_has_the_published_counts") else {
        return Ok(());
    };
    let faces = Faces::at(path)?;
    assert_eq!(faces.len(), 23_708);
    assert_eq!(faces.unparsed(), [] as [String; 0]);
    assert_eq!(faces.contents(), 23_318);
    let of = |gender| {
        (0..faces.len())
            .filter(|i| faces.record(*i).unwrap().label.gender == gender)
            .count()
    };
    assert_eq!((of(Gender::Male), of(Gender::Female)), (12_391, 11_317));
    let no_race: Vec<_> = (0..faces.len())
        .filter(|i| faces.record(*i).unwrap().label.race.is_none())
        .collect();
    assert_eq!(no_race.len(), 3);

    let balanced = faces.records().balance(&Balance::default())?;
    assert_eq!(balanced.height(), 16_502);
    for seed in 1..5 {
        assert_eq!(
            faces
                .records()
                .balance(&Balance {
                    seed,
                    ..Balance::default()
                })?
                .height(),
            16_502
        );
    }

    // By byte order of the names: the same picture on every machine.
    let record = faces.record(23_000)?;
    assert_eq!(
        (record.label.age, record.label.gender),
        (85, Gender::Female)
    );
    Ok(())
}

#[test]
fn utkface_splits_are_the_originals_sizes_and_share_no_content() -> anyhow::Result<()> {
    let Some(path) = common::utkface("utkface_splits_are_the_originals_sizes_and_share_no_content")
    else {
        return Ok(());
    };
    let faces = Faces::at(path)?;
    let balanced = faces.records().balance(&Balance::default())?;
    let gender = faces.split(faces.records(), &faces.plan(Task::Gender))?;
    assert_eq!(
        (
            gender.train.len(),
            gender.validation.len(),
            gender.test.len()
        ),
        (14_000, 3_500, 5_778)
    );
    let age = faces.split(&balanced, &faces.plan(Task::age()))?;
    assert_eq!((age.train.len(), age.validation.len()), (9_000, 3_000));
    assert!(
        (4_000..4_300).contains(&age.test.len()),
        "{}",
        age.test.len()
    );
    let contents = |indices: &[usize]| -> HashSet<String> {
        indices
            .iter()
            .map(|i| faces.record(*i).unwrap().content.clone())
            .collect()
    };
    for split in [&gender, &age] {
        let parts =
            [Part::Train, Part::Validation, Part::Test].map(|part| contents(split.part(part)));
        assert!(
            parts[0].is_disjoint(&parts[1])
                && parts[0].is_disjoint(&parts[2])
                && parts[1].is_disjoint(&parts[2])
        );
    }
    // The age net starts from the gender net: what it is tested on must be new to both.
    assert!(contents(&gender.train).is_disjoint(&contents(&age.test)));
    Ok(())
}
