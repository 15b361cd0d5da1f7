//! Train, validation and test, divided by content: no picture is in two parts, nor a copy.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use anyhow::{Result, ensure};
use polars::prelude::DataFrame;
use serde::{Deserialize, Serialize};

use super::{Faces, Label};
use crate::Task;
use crate::hash::{Lines, rank};
use crate::progress::thousands;

/// How many pictures each part gets, and the seed that decides which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What is estimated: parts are stratified by its classes.
    pub task: Task,
    /// Pictures to learn from.
    pub train: usize,
    /// Pictures to choose by: when to stop, which setting.
    pub validation: usize,
    /// Pictures to measure on, once; `None` for all the rest.
    pub test: Option<usize>,
    /// Decides which picture goes where.
    pub seed: u64,
}

impl Plan {
    /// The original's sizes: 14,000 / 3,500 / rest for gender, 9,000 / 3,000 / rest for age.
    pub fn original(task: Task) -> Self {
        let (train, validation) = match task {
            Task::Gender | Task::Both => (14_000, 3_500),
            Task::AgeGroup { .. } | Task::Years => (9_000, 3_000),
        };
        Self {
            task,
            train,
            validation,
            test: None,
            seed: 0,
        }
    }

    /// Few pictures, for a quick look: 2,000 / 500 / 1,000.
    pub fn small(task: Task) -> Self {
        Self {
            task,
            train: 2_000,
            validation: 500,
            test: Some(1_000),
            seed: 0,
        }
    }

    /// For a small set of `contents` different pictures: about half of what balancing leaves
    /// for training, an eighth for validation, the rest for test.
    pub fn shares(task: Task, contents: usize) -> Self {
        Self {
            task,
            train: contents * 36 / 100,
            validation: contents * 9 / 100,
            test: None,
            seed: 0,
        }
    }
}

/// One of the three parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Learnt from.
    Train,
    /// Chosen by.
    Validation,
    /// Measured on.
    Test,
}

/// Which pictures are for training, validation and test: indices into a [`Faces`].
///
/// One picture stands for all its copies (the first in the table). A content whose copies in
/// the whole data set, not just in the table, disagree on what is estimated (the gender, or the
/// age in years) is left out: its true label is unknown.
///
/// Each class is shuffled by the seed and the contents, and dealt out in the proportions of
/// the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// What it was made by.
    pub plan: Plan,
    /// Indices to learn from.
    pub train: Vec<usize>,
    /// Indices to choose by.
    pub validation: Vec<usize>,
    /// Indices to measure on.
    pub test: Vec<usize>,
    /// Rows left out since an earlier row has the same content.
    pub copies: usize,
    /// Contents left out since their copies disagree on the label.
    pub disagreeing: usize,
    /// Identifies which contents are in which part (16 hexadecimal digits).
    pub fingerprint: String,
}

impl Split {
    /// Divides the rows of `table`.
    ///
    /// # Errors
    /// A table that is not of this set, too few pictures for the plan, or a part of size 0.
    pub fn new(faces: &Faces, table: &DataFrame, plan: &Plan) -> Result<Self> {
        plan.task.check()?;
        let Divisible {
            mut classes,
            copies,
            disagreeing,
        } = Divisible::of(faces, table, plan.task)?;
        let sizes: Vec<usize> = classes.values().map(Vec::len).collect();
        let total: usize = sizes.iter().sum();
        let chosen = plan.train + plan.validation;
        let test = plan.test.unwrap_or(total.saturating_sub(chosen));
        ensure!(
            plan.train > 0 && plan.validation > 0 && test > 0 && chosen + test <= total,
            "{} different pictures can't be divided into {} train, {} validation and {} test: choose a smaller plan",
            thousands(total),
            thousands(plan.train),
            thousands(plan.validation),
            plan.test.map_or("some".to_owned(), thousands),
        );
        // Deals `number` pictures out of what is left of each class.
        let mut left = sizes.clone();
        let mut deal = |number: usize| -> Vec<usize> {
            let dealt = shares(&sizes, number, &left);
            left.iter_mut()
                .zip(&dealt)
                .for_each(|(left, dealt)| *left -= dealt);
            dealt
        };
        let dealt = [deal(plan.train), deal(plan.validation), deal(test)];
        let mut parts = [vec![], vec![], vec![]];
        for (class, indices) in classes.values_mut().enumerate() {
            indices.sort_by_cached_key(|i| rank(plan.seed, &faces.all()[*i].content));
            let mut next = indices.iter().copied();
            for (part, dealt) in parts.iter_mut().zip(&dealt) {
                part.extend(next.by_ref().take(dealt[class]));
            }
        }
        let mut lines = Lines::default();
        for (name, part) in ["train", "validation", "test"].iter().zip(&mut parts) {
            part.sort_unstable();
            lines.add(name);
            part.iter()
                .for_each(|i| lines.add(&faces.all()[*i].content));
        }
        let [train, validation, test] = parts;
        Ok(Self {
            plan: plan.clone(),
            train,
            validation,
            test,
            copies,
            disagreeing,
            fingerprint: lines.fingerprint(),
        })
    }

    /// What is estimated.
    pub fn task(&self) -> Task {
        self.plan.task
    }

    /// The indices of one part.
    pub fn part(&self, part: Part) -> &[usize] {
        match part {
            Part::Train => &self.train,
            Part::Validation => &self.validation,
            Part::Test => &self.test,
        }
    }
}

/// The rows of a table that can be divided: one a content, by class.
pub(super) struct Divisible {
    pub(super) classes: BTreeMap<usize, Vec<usize>>,
    copies: usize,
    disagreeing: usize,
}

impl Divisible {
    pub(super) fn of(faces: &Faces, table: &DataFrame, task: Task) -> Result<Self> {
        // What copies must agree on.
        let what: fn(&Label) -> (u32, u32) = match task {
            Task::Gender => |label| (label.gender as u32, 0),
            Task::AgeGroup { .. } | Task::Years => |label| (0, label.age),
            Task::Both => |label| (label.gender as u32, label.age),
        };
        let conflicts: HashSet<&str> = faces
            .copies()
            .into_iter()
            .filter(|(_, copies)| {
                copies
                    .iter()
                    .any(|i| what(&faces.all()[*i].label) != what(&faces.all()[copies[0]].label))
            })
            .map(|(content, _)| content)
            .collect();
        let mut seen = HashSet::new();
        let mut classes: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let (mut copies, mut disagreeing) = (0, 0);
        for index in faces.indices(table)? {
            let record = &faces.all()[index];
            if !seen.insert(record.content.as_str()) {
                copies += 1;
            } else if conflicts.contains(record.content.as_str()) {
                disagreeing += 1;
            } else {
                classes
                    .entry(task.class_of(&record.label))
                    .or_default()
                    .push(index);
            }
        }
        Ok(Self {
            classes,
            copies,
            disagreeing,
        })
    }
}

/// Divides `total` among classes in proportion to `sizes`, at most `room` each: whole numbers
/// by the largest remainder.
fn shares(sizes: &[usize], total: usize, room: &[usize]) -> Vec<usize> {
    let all: usize = sizes.iter().sum();
    let exact = |class: usize| total as u128 * sizes[class] as u128;
    let mut out: Vec<usize> = (0..sizes.len())
        .map(|c| ((exact(c) / all.max(1) as u128) as usize).min(room[c]))
        .collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|c| std::cmp::Reverse(exact(*c) % all.max(1) as u128));
    let mut missing = total - out.iter().sum::<usize>();
    while missing > 0 {
        let before = missing;
        for class in &order {
            if missing > 0 && out[*class] < room[*class] {
                out[*class] += 1;
                missing -= 1;
            }
        }
        if missing == before {
            break;
        }
    }
    out
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} train / {} validation / {} test pictures, no content in two parts\n\
             left out: {} further copies, {} contents whose copies disagree on the label",
            self.plan.task,
            thousands(self.train.len()),
            thousands(self.validation.len()),
            thousands(self.test.len()),
            thousands(self.copies),
            thousands(self.disagreeing),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_whole_exact_and_proportional() {
        assert_eq!(shares(&[50, 30, 20], 10, &[50, 30, 20]), [5, 3, 2]);
        assert_eq!(shares(&[1, 1, 1], 2, &[1, 1, 1]).iter().sum::<usize>(), 2);
        assert_eq!(shares(&[10, 10], 10, &[2, 10]), [2, 8]);
    }

    #[test]
    fn parts_share_no_content_and_keep_proportions() {
        let faces = Faces::synthetic(3_000, 1).unwrap();
        for task in [Task::Gender, Task::age()] {
            let table = faces.records();
            let plan = Plan {
                task,
                train: 1_500,
                validation: 500,
                test: None,
                seed: 4,
            };
            let split = faces.split(table, &plan).unwrap();
            assert_eq!((split.train.len(), split.validation.len()), (1_500, 500));
            let contents = |part: &[usize]| {
                part.iter()
                    .map(|i| faces.all()[*i].content.clone())
                    .collect::<HashSet<_>>()
            };
            let (a, b, c) = (
                contents(&split.train),
                contents(&split.validation),
                contents(&split.test),
            );
            assert_eq!(
                a.len() + b.len() + c.len(),
                split.train.len() + split.validation.len() + split.test.len()
            );
            assert!(a.is_disjoint(&b) && a.is_disjoint(&c) && b.is_disjoint(&c));
            assert!(split.copies > 0 && split.disagreeing > 0, "{split}");
            assert_eq!(
                a.len() + b.len() + c.len() + split.copies + split.disagreeing,
                faces.len(),
                "every row is accounted for"
            );
            let share = |part: &[usize]| {
                part.iter()
                    .filter(|i| task.class_of(&faces.all()[**i].label) == 1)
                    .count() as f64
                    / part.len() as f64
            };
            assert!((share(&split.train) - share(&split.test)).abs() < 0.01);
            assert_eq!(
                split,
                faces.split(table, &plan).unwrap(),
                "the same seed divides alike"
            );
            assert_ne!(
                split.train,
                faces.split(table, &Plan { seed: 5, ..plan }).unwrap().train
            );
        }
        let greedy = Plan {
            train: 2_990,
            ..Plan::small(Task::Gender)
        };
        assert!(
            faces
                .split(faces.records(), &greedy)
                .unwrap_err()
                .to_string()
                .contains("smaller plan")
        );
    }
}
