//! Labels of an image, and what a network predicts: gender, the age group, the age in
//! years, or gender and age together.

use std::fmt;
use std::str::FromStr;

use anyhow::{Error, Result, bail, ensure};
use serde::{Deserialize, Serialize};

/// The age up to which the original's groups are formed, in years.
pub const MAX_AGE: u32 = 60;

/// The highest age that [`Task::Years`] tells apart: UTKFace's oldest.
pub const OLDEST: u32 = 116;

/// Years in one of the groups that ages in years are counted by.
const GAP: u32 = 5;

/// Gender as UTKFace labels it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Gender {
    /// Label 0.
    Male,
    /// Label 1.
    Female,
}

impl Gender {
    /// `male` or `female`, as the tables show it.
    pub fn name(self) -> &'static str {
        match self {
            Gender::Male => "male",
            Gender::Female => "female",
        }
    }
}

/// The names of UTKFace's five race labels, 0 to 4.
pub const RACES: [&str; 5] = ["White", "Black", "Asian", "Indian", "Others"];

/// What is known of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Years, 0 to 130.
    pub age: u32,
    /// 0 male, 1 female.
    pub gender: Gender,
    /// Index into [`RACES`]; three images of UTKFace have none.
    pub race: Option<u8>,
}

impl Label {
    /// A label without a race.
    pub fn new(age: u32, gender: Gender) -> Self {
        Self { age, gender, race: None }
    }
}

/// What a network predicts.
///
/// ```
/// use ror::Task;
///
/// let age = Task::age_group();
/// assert_eq!(age.classes().len(), 12);
/// assert_eq!(age.group_of(11), 2); // ages 11 to 15
/// assert_eq!(age.classes()[2], "11-15");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Male or female: one logit, that of female.
    Gender,
    /// Groups of `gap` years up to [`MAX_AGE`]: group i (from 0) is ages `gap * i + 1` to
    /// `gap * (i + 1)`; age 0 belongs to the first.
    AgeGroup {
        /// Years per group, 1 to 30.
        gap: u32,
    },
    /// Age in years: one output for each of 0 to [`OLDEST`], whose mean is the prediction.
    /// As classes it has groups of five years, without an upper end.
    Years,
    /// Gender and age in years by one network with two heads: the logit of female, then one output
    /// a year.
    Both,
}

impl Task {
    /// Age groups of five years, the original's twelve.
    pub fn age_group() -> Self {
        Task::AgeGroup { gap: 5 }
    }

    /// Its name in commands, files and tables: `gender`, `age-group`, or `age-group-10` for another
    /// gap, `years`, `both`.
    pub fn name(self) -> String {
        match self {
            Task::Gender => "gender".to_owned(),
            Task::AgeGroup { gap: GAP } => "age-group".to_owned(),
            Task::AgeGroup { gap } => format!("age-group-{gap}"),
            Task::Years => "years".to_owned(),
            Task::Both => "both".to_owned(),
        }
    }

    /// What is predicted, one by one: [`Task::Both`] is gender and years, all others themselves.
    pub fn heads(self) -> Vec<Task> {
        match self {
            Task::Both => vec![Task::Gender, Task::Years],
            one => vec![one],
        }
    }

    /// Whether an age is predicted, in groups or in years.
    pub fn has_age(self) -> bool {
        self != Task::Gender
    }

    /// Number of outputs of a network for this task: 1, one per group, one per year, or 1 and one per
    /// year.
    pub fn outputs(self) -> i64 {
        match self {
            Task::Gender => 1,
            Task::AgeGroup { gap } => i64::from(MAX_AGE.div_ceil(gap.max(1))),
            Task::Years => i64::from(OLDEST) + 1,
            Task::Both => Task::Gender.outputs() + Task::Years.outputs(),
        }
    }

    /// The classes' names in order of their numbers: `male`, `female`; `0-5`, `6-10`, ... Of
    /// [`Task::Both`], those of its heads in a row.
    pub fn classes(self) -> Vec<String> {
        let groups = |gap: u32, oldest: u32, last: u32| {
            (0..oldest.div_ceil(gap.max(1)))
                .map(|i| {
                    let first = if i == 0 { 0 } else { gap * i + 1 };
                    format!("{first}-{}", (gap * (i + 1)).min(last))
                })
                .collect()
        };
        match self {
            Task::Gender => [Gender::Male, Gender::Female].map(|g| g.name().to_owned()).to_vec(),
            Task::AgeGroup { gap } => groups(gap, MAX_AGE, MAX_AGE),
            Task::Years => groups(GAP, OLDEST, u32::MAX),
            Task::Both => self.heads().into_iter().flat_map(Task::classes).collect(),
        }
    }

    /// Years in one of its age groups; those that ages in years are counted by for gender, too.
    pub(crate) fn gap(self) -> u32 {
        match self {
            Task::AgeGroup { gap } => gap.max(1),
            _ => GAP,
        }
    }

    /// The highest age in years that it can predict: [`MAX_AGE`] for age groups, else [`OLDEST`].
    #[cfg(feature = "tables")]
    pub(crate) fn oldest(self) -> u32 {
        match self {
            Task::AgeGroup { .. } => MAX_AGE,
            _ => OLDEST,
        }
    }

    /// The group (from 0) that an age falls into; beyond the last, the last. 0 for gender.
    pub fn group_of(self, age: u32) -> usize {
        let group =
            |gap: u32, oldest: u32| (age.min(oldest).saturating_sub(1) / gap.max(1)) as usize;
        match self {
            Task::Gender => 0,
            Task::AgeGroup { gap } => group(gap, MAX_AGE),
            Task::Years | Task::Both => group(GAP, OLDEST),
        }
    }

    /// The class of an image: gender's label, or the group of its age. Of [`Task::Both`], a
    /// number for each pair of the two, by which splits are stratified.
    pub fn class_of(self, label: &Label) -> usize {
        match self {
            Task::Gender => label.gender as usize,
            Task::AgeGroup { .. } | Task::Years => self.group_of(label.age),
            Task::Both => 2 * self.group_of(label.age) + label.gender as usize,
        }
    }

    /// The age in years that each age output stands for: a group's middle, or the year itself.
    /// Empty for gender.
    pub fn ages(self) -> Vec<f64> {
        match self {
            Task::Gender => vec![],
            Task::AgeGroup { gap } => (0..self.outputs())
                .map(|group| f64::from(gap) * (group as f64 + 0.5) + 0.5)
                .collect(),
            Task::Years | Task::Both => (0..=OLDEST).map(f64::from).collect(),
        }
    }

    /// Refuses another number of outputs than the task's.
    ///
    /// # Errors
    /// Both numbers.
    pub(crate) fn check_outputs(self, outputs: i64) -> Result<()> {
        ensure!(
            outputs == self.outputs(),
            "a network with {outputs} outputs for {self}, which needs {}",
            self.outputs()
        );
        Ok(())
    }

    /// Refuses a gap that makes no groups.
    ///
    /// # Errors
    /// A gap outside 1..=30.
    pub fn check(self) -> Result<()> {
        if let Task::AgeGroup { gap } = self {
            ensure!((1..=30).contains(&gap), "age groups of {gap} years: choose 1 to 30");
        }
        Ok(())
    }
}

impl FromStr for Task {
    type Err = Error;

    /// The task of a [`Task::name`]. `age` and `age-10` are what version 0.3 called age groups.
    fn from_str(name: &str) -> Result<Self> {
        let task = match name {
            "gender" => Task::Gender,
            "age-group" | "age" => Task::age_group(),
            "years" => Task::Years,
            "both" => Task::Both,
            _ => {
                let gap = name.strip_prefix("age-group-").or_else(|| name.strip_prefix("age-"));
                let Some(Ok(gap)) = gap.map(str::parse) else {
                    bail!(
                        "there is no task {name}: choose gender, age-group (or age-group-10 for \
                         groups of 10 years), years or both"
                    );
                };
                Task::AgeGroup { gap }
            }
        };
        task.check()?;
        Ok(task)
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
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
            assert_eq!(task.group_of(MAX_AGE) as i64, task.outputs() - 1, "gap {gap}");
            for age in 1..MAX_AGE {
                let step = task.group_of(age + 1) - task.group_of(age);
                assert_eq!(step, usize::from(age % gap == 0), "gap {gap}, age {age}");
            }
        }
        assert!(Task::AgeGroup { gap: 0 }.check().is_err());
        assert_eq!(Task::age_group().ages()[0], 3.0); // ages 1 to 5
        assert_eq!(Task::AgeGroup { gap: 7 }.classes()[8], "57-60");
    }

    #[test]
    fn a_name_gives_its_task_and_another_one_lists_them() {
        let ten = Task::AgeGroup { gap: 10 };
        for task in [Task::Gender, Task::age_group(), ten, Task::Years, Task::Both] {
            assert_eq!(task.name().parse::<Task>().unwrap(), task);
        }
        assert_eq!("age".parse::<Task>().unwrap(), Task::age_group());
        assert_eq!("age-10".parse::<Task>().unwrap(), ten);
        let wrong = |name: &str| name.parse::<Task>().unwrap_err().to_string();
        assert!(wrong("beauty").contains("gender, age-group"));
        assert!(wrong("age-0").contains("1 to 30"));
    }

    #[test]
    fn years_have_a_group_each_and_both_has_two_heads() {
        assert_eq!(Task::Years.classes().len(), 24);
        assert_eq!(Task::Years.classes()[17], "86-90");
        for (age, group) in [(0, 0), (1, 0), (6, 1), (60, 11), (61, 12), (116, 23), (130, 23)] {
            assert_eq!(Task::Years.group_of(age), group, "age {age}");
        }
        assert_eq!(Task::Both.heads(), [Task::Gender, Task::Years]);
        assert_eq!(Task::Both.outputs(), 118);
        assert_eq!(Task::Both.classes().len(), 26);
    }
}
