//! The committed lists of the protocols: whole, apart, and what was trained on none of a test.

mod common;

use std::collections::HashSet;

use ror::Task;
use ror::dataset::{Faces, Listed, Protocol, listing, read_listing};
use ror::train::{Card, shipped};

fn listed(protocol: Protocol, task: Task) -> Listed {
    read_listing(&protocol.file(task)).unwrap()
}

#[test]
fn parts_share_no_content() {
    for protocol in Protocol::ALL {
        for task in protocol.tasks() {
            let Listed {
                train,
                validation,
                test,
            } = listed(protocol, task);
            assert!(train.len() > 8_000 && validation.len() > 1_000 && test.len() > 2_000);
            assert!(train.is_disjoint(&validation), "{protocol}");
            assert!(train.is_disjoint(&test), "{protocol}");
            assert!(validation.is_disjoint(&test), "{protocol}");
        }
    }
    let original = listed(Protocol::Original, Task::Gender);
    assert_eq!(
        (original.train.len(), original.validation.len()),
        (14_000, 3_500)
    );
    let original = listed(Protocol::Original, Task::age());
    assert_eq!(
        (original.train.len(), original.validation.len()),
        (9_000, 3_000)
    );
}

/// All that a net and those it started from have learnt, from the lists.
fn learnt(card: &Card, cards: &[(String, Card)]) -> HashSet<String> {
    let protocol = card.protocol.expect("a model that ships has a protocol");
    let mut learnt = listed(protocol, card.task).train;
    if let Some(start) = &card.start {
        let (_, start) = cards
            .iter()
            .find(|(_, card)| card.key == *start)
            .expect("the model it started from ships too");
        learnt.extend(self::learnt(start, cards));
    }
    learnt
}

#[test]
fn no_content_of_a_test_part_was_in_training() {
    let cards = shipped();
    let mut tests = 0;
    for (name, card) in &cards {
        let learnt = learnt(card, &cards);
        for test in &card.tests {
            let parts = listed(test.protocol, card.task);
            assert_eq!(parts.test.len(), test.heads[0].pictures, "{name}");
            let known = parts.test.intersection(&learnt).count();
            assert_eq!(
                known, 0,
                "{name} has learnt test pictures of {}",
                test.protocol
            );
            tests += 1;
        }
    }
    assert!(tests >= 4, "{tests} published tests");
}

#[test]
fn the_lists_are_those_of_the_data_set() {
    let Some(data) = common::utkface("the_lists_are_those_of_the_data_set") else {
        return;
    };
    let faces = Faces::at(data).unwrap();
    for protocol in Protocol::ALL {
        for task in protocol.tasks() {
            let split = protocol.split(&faces, task).unwrap();
            let committed = std::fs::read_to_string(protocol.file(task)).unwrap();
            assert!(
                committed == listing(protocol, &faces, &split).unwrap(),
                "{protocol}: run `ror protocols --write`"
            );
            let (found, _) = Protocol::of_fingerprint(&faces, task, &split.fingerprint)
                .unwrap()
                .unwrap();
            assert_eq!(found, protocol);
        }
    }
    for (name, card) in shipped() {
        let split = card.protocol.unwrap().split(&faces, card.task).unwrap();
        assert_eq!(split.fingerprint, card.split, "{name}");
    }
}
