//! How good a net is for whom: by age band, gender and race.

use serde::{Deserialize, Serialize};

use super::{Answers, Interval};
use crate::dataset::{Gender, Label, RACES};

/// Width of an age band in years; the last one, from [`LAST_BAND`], has no end.
const BAND: u32 = 10;
const LAST_BAND: u32 = 70;

/// The pictures of one group of people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// What they are grouped by: `age`, `gender` or `race`, as the file names say.
    pub by: String,
    /// Which of the groups.
    pub of: String,
    /// How many pictures.
    pub pictures: usize,
    /// Of gender: accuracy, 0 to 1; of age: mean absolute error, years.
    pub value: Interval,
}

fn band(label: &Label) -> String {
    let from = label.age / BAND * BAND;
    if from >= LAST_BAND {
        format!("{LAST_BAND} and over")
    } else {
        format!("{from} to {}", from + BAND - 1)
    }
}

/// One row a group that has pictures, in order.
pub(super) fn slices(answers: &Answers) -> Vec<Slice> {
    let values: Vec<f64> = if answers.task().has_age() {
        answers.errors()
    } else {
        answers
            .distances()
            .iter()
            .map(|d| f64::from(*d == 0))
            .collect()
    };
    let bands = (0..=LAST_BAND / BAND).map(|i| {
        band(&Label {
            age: i * BAND,
            gender: Gender::Male,
            race: None,
        })
    });
    let genders = [Gender::Male, Gender::Female].map(|g| g.name().to_owned());
    let races = RACES.map(str::to_owned);
    let race = |label: &Label| {
        label
            .race
            .map_or(String::new(), |r| RACES[usize::from(r)].to_owned())
    };
    let of_gender = |label: &Label| label.gender.name().to_owned();
    let group =
        |by: &'static str, names: Vec<String>, of: &dyn Fn(&Label) -> String| -> Vec<Slice> {
            names
                .into_iter()
                .filter_map(|name| {
                    let own: Vec<f64> = answers
                        .labels
                        .iter()
                        .zip(&values)
                        .filter(|(label, _)| of(label) == name)
                        .map(|(_, value)| *value)
                        .collect();
                    (!own.is_empty()).then(|| Slice {
                        by: by.to_owned(),
                        of: name,
                        pictures: own.len(),
                        value: Interval::of_mean(&own),
                    })
                })
                .collect()
        };
    [
        group("age", bands.collect(), &band),
        group("gender", genders.to_vec(), &of_gender),
        group("race", races.to_vec(), &race),
    ]
    .concat()
}
