//! What is predicted for one face.

use std::fmt;

use anyhow::Result;
use serde::Serialize;

use crate::metrics::{Predictions, most_likely};
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
    /// The likeliest age group, from 0.
    pub group: usize,
    /// That group in the original's words: `10 - 15` for ages 11 to 15.
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
        let names = age.task.classes();
        let faces = gender.probabilities.iter().zip(&age.probabilities);
        Ok(faces
            .zip(&age.years)
            .map(|((gender, groups), &age)| {
                let group = most_likely(groups);
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
    /// One line: `female (98 %), 31 years (30 - 35)`.
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
