//! The prediction for one face.

use std::fmt;

use anyhow::Result;
use serde::Serialize;

use crate::metrics::Predictions;
use crate::task::{Gender, Task};

/// The prediction for one face.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FacePrediction {
    /// The more likely gender.
    pub gender: Gender,
    /// Probability that the gender is female, 0 to 1.
    pub female: f64,
    /// Expected age in years.
    pub age: f64,
    /// Range that contains the true age with a probability of 80 %, as estimated by the network:
    /// the wider, the less certain.
    pub age_range: [f64; 2],
    /// Index of the age group that contains the expected age, from 0.
    pub group: usize,
    /// Name of that group, such as `11-15`.
    pub age_group: String,
    /// Name and probability of each group.
    pub groups: Vec<(String, f64)>,
    /// The task that predicted the age; it defines the groups.
    #[serde(skip)]
    pub(super) task: Task,
}

impl FacePrediction {
    /// One entry per face, from the heads of one or more networks: those for gender are averaged,
    /// and those for age.
    pub(super) fn from_heads(heads: Vec<Predictions>) -> Result<Vec<Self>> {
        let (gender, age): (Vec<_>, Vec<_>) =
            heads.into_iter().partition(|head| head.task == Task::Gender);
        let (gender, age) = (Predictions::mean(&gender)?, Predictions::mean(&age)?);
        let (task, names) = (age.task, age.task.classes());
        let faces = gender.probabilities.iter().zip(&age.probabilities);
        Ok(faces
            .zip(&age.years)
            .map(|((gender, groups), &age)| {
                // From the same number as the years, so that the two agree; the most likely group
                // differs for a quarter of faces.
                let whole = age.round_ties_even().max(0.0) as u32;
                let group = task.group_of(whole).min(names.len() - 1);
                Self {
                    gender: match gender[1] > 0.5 {
                        true => Gender::Female,
                        false => Gender::Male,
                    },
                    female: gender[1],
                    age,
                    age_range: [0.1, 0.9].map(|share| quantile(task, groups, share)),
                    group,
                    age_group: names[group].clone(),
                    groups: names.iter().cloned().zip(groups.iter().copied()).collect(),
                    task,
                }
            })
            .collect())
    }
}

impl FacePrediction {
    /// Confidence in the more likely gender, 0.5 to 1.
    pub fn confidence(&self) -> f64 {
        self.female.max(1.0 - self.female)
    }

    /// The expected age in words: `1 year`, `31 years`.
    pub fn age_in_words(&self) -> String {
        let age = format!("{:.0}", self.age);
        format!("{age} year{}", if age == "1" { "" } else { "s" })
    }
}

/// The age in years below which a `share` of a distribution over age groups lies; ages within a
/// group are equally likely.
fn quantile(task: Task, groups: &[f64], share: f64) -> f64 {
    let gap = f64::from(task.gap());
    let mut below = 0.0;
    for (i, own) in groups.iter().enumerate() {
        if below + own >= share {
            // Group i is ages gap * i + 1 to gap * (i + 1); the first also has 0.
            let first = if i == 0 { -0.5 } else { gap * i as f64 + 0.5 };
            let last = gap * (i + 1) as f64 + 0.5;
            let within = (share - below) / own.max(1e-12);
            return (first + within * (last - first)).max(0.0);
        }
        below += own;
    }
    gap * groups.len() as f64
}

impl fmt::Display for FacePrediction {
    /// One line: `female (98 %), 31 years (80 %: 25 to 38)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sure = 100.0 * self.confidence();
        write!(
            f,
            "{} ({sure:.0} %), {} (80 %: {:.0} to {:.0})",
            self.gender.name(),
            self.age_in_words(),
            self.age_range[0],
            self.age_range[1]
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(task: Task, years: f64, likeliest: usize) -> Vec<Predictions> {
        let classes = task.classes().len();
        let mut probabilities = vec![0.5 / classes as f64; classes];
        probabilities[likeliest] += 0.5;
        let gender =
            Predictions { task: Task::Gender, probabilities: vec![vec![0.3, 0.7]], years: vec![] };
        vec![gender, Predictions { task, probabilities: vec![probabilities], years: vec![years] }]
    }

    /// The group contains the expected age, whichever group is most likely.
    #[test]
    fn group_and_years_agree() {
        for (task, years, likeliest, group, name, words) in [
            (Task::Years, 22.4, 0, 4, "21-25", "female (70 %), 22 years"),
            (Task::Years, 0.2, 3, 0, "0-5", "female (70 %), 0 years"),
            (Task::Years, 1.4, 3, 0, "0-5", "female (70 %), 1 year ("),
            (Task::Years, 5.5, 0, 1, "6-10", "female (70 %), 6 years"),
            (Task::Years, 88.0, 2, 17, "86-90", "female (70 %), 88 years"),
            (Task::age_group(), 58.0, 0, 11, "56-60", "female (70 %), 58 years"),
        ] {
            let face = FacePrediction::from_heads(heads(task, years, likeliest)).unwrap();
            assert_eq!((face[0].group, face[0].age_group.as_str()), (group, name));
            assert!(face[0].to_string().starts_with(words), "{}", face[0]);
        }
    }

    #[test]
    fn a_range_holds_its_share() {
        // All ages of 20 to 39 are equally likely.
        let mut groups = vec![0.0; 24];
        groups[4..8].fill(0.25);
        let [low, high] = [0.1, 0.9].map(|share| quantile(Task::Years, &groups, share));
        assert!((low - 22.5).abs() < 1e-9 && (high - 38.5).abs() < 1e-9, "{low} {high}");
        assert_eq!(quantile(Task::Years, &[1.0], 0.0), 0.0);
    }
}
