//! The real data set's facts, where it is at hand.

mod common;

use ror::Gender;
use ror::data::{Balance, Faces, Records};

#[test]
fn utkface_has_the_published_counts() -> anyhow::Result<()> {
    let Some(path) = common::utkface("utkface_has_the_published_counts") else {
        return Ok(());
    };
    let faces = Faces::open_at(path)?;
    assert_eq!(faces.len(), 23_708);
    assert_eq!(faces.unparsed(), [] as [String; 0]);
    assert_eq!(faces.contents(), 23_318);
    let labels = faces.labels(&(0..faces.len()).collect::<Vec<_>>())?;
    let of = |gender| labels.iter().filter(|l| l.gender == gender).count();
    assert_eq!((of(Gender::Male), of(Gender::Female)), (12_391, 11_317));
    assert_eq!(labels.iter().filter(|l| l.race.is_none()).count(), 3);

    for seed in 0..5 {
        let balance = Balance { seed, ..Balance::default() };
        assert_eq!(faces.records().balance(&balance)?.height(), 16_502);
    }

    // By byte order of the names: the same picture on every machine.
    let label = faces.record(23_000)?.label;
    assert_eq!((label.age, label.gender), (85, Gender::Female));
    Ok(())
}
