//! What is predicted for one face.

use std::fmt;

use anyhow::Result;
use serde::Serialize;

use crate::metrics::Predictions;
use crate::task::{Gender, Task};

/// What is predicted for one face.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FacePrediction {
    /// The likelier gender.
    pub gender: Gender,
    /// Probability that the gender is female, 0 to 1.
    pub female: f64,
    /// The expected age, years.
    pub age: f64,
    /// The age group that holds the expected age, from 0.
    pub group: usize,
    /// Its name: `11-15`.
    pub age_group: String,
    /// Name and probability of each group.
    pub groups: Vec<(String, f64)>,
}

impl FacePrediction {
    /// One entry a face, from the heads of one or more nets: those for gender are averaged, and
    /// those for age.
    pub(super) fn from_heads(heads: Vec<Predictions>) -> Result<Vec<Self>> {
        let (gender, age): (Vec<_>, Vec<_>) =
            heads.into_iter().partition(|head| head.task == Task::Gender);
        let (gender, age) = (Predictions::mean(&gender)?, Predictions::mean(&age)?);
        let (task, names) = (age.task, age.task.classes());
        let faces = gender.probabilities.iter().zip(&age.probabilities);
        Ok(faces
            .zip(&age.years)
            .map(|((gender, groups), &age)| {
                // Read off the same number as the years, so that the two agree; the likeliest group
                // is another one for a quarter of faces.
                let whole = age.round_ties_even().max(0.0) as u32;
                let group = task.group_of(whole).min(names.len() - 1);
                Self {
                    gender: match gender[1] > 0.5 {
                        true => Gender::Female,
                        false => Gender::Male,
                    },
                    female: gender[1],
                    age,
                    group,
                    age_group: names[group].clone(),
                    groups: names.iter().cloned().zip(groups.iter().copied()).collect(),
                }
            })
            .collect())
    }
}

impl fmt::Display for FacePrediction {
    /// One line: `female (98 %), 31 years (31-35)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sure = self.female.max(1.0 - self.female) * 100.0;
        write!(
            f,
            "{} ({sure:.0} %), {:.0} years ({})",
            self.gender.name(),
            self.age,
            self.age_group
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

    /// The group is the one that the years are in, whichever is likeliest.
    #[test]
    fn group_and_years_agree() {
        for (task, years, likeliest, group, words) in [
            (Task::Years, 22.4, 0, 4, "female (70 %), 22 years (21-25)"),
            (Task::Years, 0.2, 3, 0, "female (70 %), 0 years (0-5)"),
            (Task::Years, 5.5, 0, 1, "female (70 %), 6 years (6-10)"),
            (Task::Years, 88.0, 2, 17, "female (70 %), 88 years (86-90)"),
            (Task::age(), 58.0, 0, 11, "female (70 %), 58 years (56-60)"),
        ] {
            let face = FacePrediction::from_heads(heads(task, years, likeliest)).unwrap();
            assert_eq!((face[0].group, face[0].to_string().as_str()), (group, words));
        }
    }
}
