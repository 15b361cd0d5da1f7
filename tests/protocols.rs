//! The committed lists of the protocols: whole, apart, and of this data set.

mod common;

use std::process::Command;

use ror::data::{ContentList, Faces, Part, Protocol, Split, SplitSizes};
use tempfile::tempdir;

/// The folder of the committed lists.
fn lists() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data/protocols")
}

fn list(protocol: Protocol) -> ContentList {
    protocol.list().unwrap()
}

fn sizes(list: &ContentList) -> [usize; 3] {
    Part::ALL.map(|part| list.part(part).len())
}

/// [`ContentList::open`] refuses a list with a content in two parts.
#[test]
fn lists_are_partitions_of_the_published_sizes() {
    for (protocol, published) in [
        (Protocol::OriginalGender, [14_000, 3_500, 5_594]),
        (Protocol::OriginalAge, [9_000, 1_307, 2_615]),
        (Protocol::Random, [18_475, 2_309, 2_310]),
        (Protocol::Adults, [12_793, 799, 2_397]),
        (Protocol::Shared, [16_166, 2_309, 4_619]),
    ] {
        let list = list(protocol);
        assert_eq!(sizes(&list), published, "{protocol}");
    }
    let all = |protocol| -> Vec<String> {
        let list = list(protocol);
        let mut all: Vec<String> =
            Part::ALL.map(|part| list.part(part).clone()).into_iter().flatten().collect();
        all.sort();
        all
    };
    let every = all(Protocol::OriginalGender);
    assert_eq!(every, all(Protocol::Random));
    assert_eq!(every, all(Protocol::Shared));
    assert!(all(Protocol::Adults).iter().all(|content| every.binary_search(content).is_ok()));
}

#[test]
fn no_net_is_selected_or_tested_on_what_the_net_it_starts_from_was_trained_or_selected_on() {
    for (protocol, start) in [
        (Protocol::OriginalAge, Protocol::OriginalGender),
        (Protocol::Random, Protocol::Shared),
        (Protocol::Adults, Protocol::Shared),
    ] {
        let (own, start) = (list(protocol), list(start));
        for part in [&own.validation, &own.test] {
            assert!(part.is_disjoint(&start.train), "{protocol}");
            assert!(part.is_disjoint(&start.validation), "{protocol}");
        }
    }
}

#[test]
fn a_list_is_written_as_it_was_committed() {
    let folder = tempdir().unwrap();
    for protocol in Protocol::ALL {
        let committed = std::fs::read_to_string(lists().join(format!("{protocol}.txt"))).unwrap();
        let heading: Vec<&str> =
            committed.lines().map_while(|line| line.strip_prefix("# ")).collect();
        assert_eq!(heading.len(), 2);
        let own = folder.path().join("own.txt");
        list(protocol).write(&own, &heading.join("\n")).unwrap();
        assert!(std::fs::read_to_string(own).unwrap() == committed, "{protocol}");
    }
}

#[test]
fn the_lists_are_those_of_the_data_set() {
    let Some(data) = common::utkface("the_lists_are_those_of_the_data_set") else {
        return;
    };
    let faces = Faces::open_at(&data).unwrap();
    for protocol in Protocol::ALL {
        let split = protocol.split(&faces).unwrap();
        assert_eq!(split.protocol, Some(protocol));
        assert_eq!(split.fingerprint, list(protocol).fingerprint());
        assert_eq!(split.contents(&faces).unwrap(), list(protocol));
        assert_eq!((split.duplicates, split.disagreeing), (390, 224));
    }
    // deal.py and the crate deal alike.
    let sizes = SplitSizes { train: 14_000, validation: 3_500, test: None, seed: 0 };
    let dealt = Split::new(&faces, faces.records(), &sizes).unwrap();
    assert_eq!(dealt.fingerprint, list(Protocol::OriginalGender).fingerprint());
    // It reads the archive.
    if data.is_file() {
        let script = lists().join("deal.py");
        let check = Command::new("python3").arg(script).arg(&data).arg("--check").output().unwrap();
        assert!(check.status.success(), "{}", common::words(&check));
    }
}
