//! What a net estimates: gender, or the age group.

use std::fmt;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::dataset::{Gender, Label};

/// The age up to which groups are formed, in years.
pub const MAX_AGE: u32 = 60;

/// What a net estimates.
///
/// ```
/// use ror::Task;
///
/// let age = Task::age();
/// assert_eq!(age.classes().len(), 12);
/// assert_eq!(age.group_of(11), 2); // ages 11 to 15
/// assert_eq!(age.classes()[2], "10 - 15");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Male or female: one logit, that of female.
    Gender,
    /// Groups of `gap` years up to [`MAX_AGE`]: group i (from 0) is ages `gap * i + 1` to
    /// `gap * (i + 1)`; age 0 belongs to the first.
    AgeGroup {
        /// Years a group, 1 to 30.
        gap: u32,
    },
}

impl Task {
    /// Age groups of five years, the original's twelve.
    pub fn age() -> Self {
        Task::AgeGroup { gap: 5 }
    }

    /// A short name, also that of files: `gender`, `age`, or `age-10` for another gap.
    pub fn name(self) -> String {
        match self {
            Task::Gender => "gender".to_owned(),
            Task::AgeGroup { gap: 5 } => "age".to_owned(),
            Task::AgeGroup { gap } => format!("age-{gap}"),
        }
    }

    /// How many outputs a net for this task has: 1, or one a group.
    pub fn outputs(self) -> i64 {
        match self {
            Task::Gender => 1,
            Task::AgeGroup { gap } => i64::from(MAX_AGE.div_ceil(gap.max(1))),
        }
    }

    /// The classes' names in order of their numbers: as the original prints them, where
    /// `10 - 15` is ages 11 to 15.
    pub fn classes(self) -> Vec<String> {
        match self {
            Task::Gender => [Gender::Male, Gender::Female]
                .map(|g| g.name().to_owned())
                .to_vec(),
            Task::AgeGroup { gap } => (0..self.outputs() as u32)
                .map(|i| format!("{} - {}", gap * i, (gap * (i + 1)).min(MAX_AGE)))
                .collect(),
        }
    }

    /// The group (from 0) that an age falls into; beyond the last, the last. 0 for gender.
    pub fn group_of(self, age: u32) -> usize {
        match self {
            Task::Gender => 0,
            Task::AgeGroup { gap } => {
                (age.saturating_sub(1) / gap.max(1)).min(self.outputs() as u32 - 1) as usize
            }
        }
    }

    /// The class of a picture: gender's label, or the group of its age.
    pub fn class_of(self, label: &Label) -> usize {
        match self {
            Task::Gender => label.gender as usize,
            Task::AgeGroup { .. } => self.group_of(label.age),
        }
    }

    /// The middle of a group in years, for turning probabilities into an age.
    pub(crate) fn middle(self, group: usize) -> f64 {
        match self {
            Task::Gender => 0.0,
            Task::AgeGroup { gap } => f64::from(gap) * (group as f64 + 0.5) + 0.5,
        }
    }

    /// Refuses a gap that makes no groups.
    ///
    /// # Errors
    /// A gap outside 1..=30.
    pub fn check(self) -> Result<()> {
        if let Task::AgeGroup { gap } = self {
            ensure!(
                (1..=30).contains(&gap),
                "age groups of {gap} years: choose 1 to 30"
            );
        }
        Ok(())
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Task::Gender => f.write_str("gender"),
            Task::AgeGroup { gap } => write!(f, "age group of {gap} years"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_tile_the_ages() {
        for gap in 1..=30 {
            let task = Task::AgeGroup { gap };
            assert_eq!(task.group_of(0), 0);
            assert_eq!(task.group_of(1), 0);
            assert_eq!(
                task.group_of(MAX_AGE) as i64,
                task.outputs() - 1,
                "gap {gap}"
            );
            for age in 1..MAX_AGE {
                let step = task.group_of(age + 1) - task.group_of(age);
                assert_eq!(step, usize::from(age % gap == 0), "gap {gap}, age {age}");
            }
        }
        assert!(Task::AgeGroup { gap: 0 }.check().is_err());
        assert_eq!(Task::age().middle(0), 3.0); // ages 1 to 5
    }
}
