//! Metrics by age band, gender and race.

use serde::{Deserialize, Serialize};

use super::{Interval, LabelledPredictions};
use crate::task::{Gender, Label, RACES};

/// Width of an age band in years; the last one, from [`LAST_BAND`], is open.
const BAND: u32 = 10;
const LAST_BAND: u32 = 70;

/// How people are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum By {
    /// Bands of ten years.
    Age,
    /// Male, female.
    Gender,
    /// UTKFace's five labels.
    Race,
}

/// The images of one group of people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// The grouping, from the labels.
    pub(crate) by: By,
    /// The group.
    pub of: String,
    /// Number of images.
    pub pictures: usize,
    /// Accuracy (0 to 1) for gender, mean absolute error in years for age.
    pub value: Interval,
}

impl Slice {
    /// Who this is: "age 10 to 19", "female", "Asian".
    pub fn people(&self) -> String {
        match self.by {
            By::Age => format!("age {}", self.of),
            By::Gender | By::Race => self.of.clone(),
        }
    }
}

fn band(label: &Label) -> String {
    let from = label.age / BAND * BAND;
    if from >= LAST_BAND {
        format!("{LAST_BAND} and over")
    } else {
        format!("{from} to {}", from + BAND - 1)
    }
}

/// One entry per group that has images, in order.
pub(super) fn slices(labelled: &LabelledPredictions) -> Vec<Slice> {
    let values: Vec<f64> = match labelled.task().has_age() {
        true => labelled.errors(),
        false => labelled.distances().iter().map(|d| f64::from(*d == 0)).collect(),
    };
    let bands = (0..=LAST_BAND / BAND).map(|i| band(&Label::new(i * BAND, Gender::Male)));
    let genders = [Gender::Male, Gender::Female].map(|g| g.name().to_owned());
    let group = |by: By, names: Vec<String>, of: &dyn Fn(&Label) -> String| -> Vec<Slice> {
        names
            .into_iter()
            .filter_map(|name| {
                let own: Vec<f64> = labelled
                    .labels
                    .iter()
                    .zip(&values)
                    .filter(|(label, _)| of(label) == name)
                    .map(|(_, value)| *value)
                    .collect();
                (!own.is_empty()).then(|| Slice {
                    by,
                    of: name,
                    pictures: own.len(),
                    value: Interval::of_mean(&own),
                })
            })
            .collect()
    };
    [
        group(By::Age, bands.collect(), &band),
        group(By::Gender, genders.to_vec(), &|label| label.gender.name().to_owned()),
        group(By::Race, RACES.map(str::to_owned).to_vec(), &|label| {
            label.race.map_or(String::new(), |race| RACES[usize::from(race)].to_owned())
        }),
    ]
    .concat()
}
