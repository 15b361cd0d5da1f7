//! What identifies a training: an explicit list of fields, in a fixed order.
//!
//! A key names the files of a training, so it must not change when the library grows. A new field
//! is added to its list as [`Unless`] its default: trainings that don't use it keep their keys.

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::Task;
use crate::model::NetConfig;
use crate::train::{Augment, Recipe};

/// When a field is part of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// In every key.
    Always,
    /// Where its value differs from that of [`Recipe::report`] or [`Augment::none`].
    Unless,
}
use When::{Always, Unless};

const RECIPE: [(&str, When); 20] = [
    ("batch", Always),
    ("epochs", Always),
    ("learning_rate", Always),
    ("backbone_rate", Unless),
    ("schedule", Always),
    ("warm_up", Always),
    ("progressive", Always),
    ("weight_decay", Always),
    ("patience", Always),
    ("stop", Unless),
    ("augment", Always),
    ("label_smoothing", Always),
    ("age_sigma", Always),
    ("expectation", Always),
    ("gender_weight", Always),
    ("mixup", Always),
    ("distillation", Unless),
    ("synchronised", Unless),
    ("ema", Always),
    ("seed", Always),
];

const AUGMENT: [(&str, When); 12] = [
    ("mirror", Always),
    ("rotation", Always),
    ("scale", Always),
    ("shift", Always),
    ("contrast", Always),
    ("level", Always),
    ("erased", Always),
    ("erased_size", Always),
    ("grey", Unless),
    ("brightness", Unless),
    ("blur", Unless),
    ("noise", Unless),
];

const STAGE: [(&str, When); 2] = [("size", Always), ("epochs", Always)];

/// JSON of the fields of a list, in its order.
fn text(list: &[(&str, When)], value: &impl Serialize, default: &impl Serialize) -> Result<String> {
    let fields = |value: Value| -> Result<Map<String, Value>> {
        value.as_object().cloned().context("a key's value has no fields")
    };
    let value = fields(serde_json::to_value(value)?)?;
    let default = fields(serde_json::to_value(default)?)?;
    let mut parts = vec![];
    for (name, when) in list {
        let own = value.get(*name).with_context(|| format!("a key lacks its field {name}"))?;
        if *when == Unless && default.get(*name) == Some(own) {
            continue;
        }
        let json = match *name {
            "augment" => text(&AUGMENT, own, &Augment::none())?,
            "progressive" => {
                let stages = own.as_array().map_or(&[][..], Vec::as_slice).iter();
                let stages = stages.map(|stage| text(&STAGE, stage, stage));
                format!("[{}]", stages.collect::<Result<Vec<_>>>()?.join(","))
            }
            _ => serde_json::to_string(own)?,
        };
        parts.push(format!("\"{name}\":{json}"));
    }
    Ok(format!("{{{}}}", parts.join(",")))
}

/// The text of a task, a network's shape and a recipe in a key.
pub(super) fn of(task: Task, net: &NetConfig, recipe: &Recipe) -> Result<String> {
    let recipe = text(&RECIPE, recipe, &Recipe::report(task))?;
    Ok(format!("{},{},{recipe}", serde_json::to_string(&task)?, serde_json::to_string(net)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RorConfig;
    use crate::train::Stage;

    fn names(value: &impl Serialize) -> Vec<String> {
        serde_json::to_value(value).unwrap().as_object().unwrap().keys().cloned().collect()
    }

    /// A new field must be in its list, or two different trainings would have one key.
    #[test]
    fn every_field_is_in_a_list() {
        let listed = |list: &[(&str, When)]| {
            let mut names: Vec<_> = list.iter().map(|(name, _)| (*name).to_owned()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&Recipe::report(Task::Gender)), listed(&RECIPE));
        assert_eq!(names(&Augment::none()), listed(&AUGMENT));
    }

    #[test]
    fn a_default_adds_nothing_and_another_value_does() {
        let net = RorConfig::new(1).into();
        let key = |recipe: Recipe| of(Task::Gender, &net, &recipe).unwrap();
        let report = || Recipe::report(Task::Gender);
        assert!(!key(report()).contains("distillation") && !key(report()).contains("grey"));
        let augment = Augment { grey: 0.1, ..Augment::none() };
        let progressive = vec![Stage { size: 32, epochs: 2 }];
        let other = key(Recipe { distillation: 0.5, augment, progressive, ..report() });
        assert!(other.contains("\"progressive\":[{\"size\":32,\"epochs\":2}]"), "{other}");
        assert!(other.contains("\"mixup\":0.0,\"distillation\":0.5,\"ema\":0.0"), "{other}");
        assert!(other.contains("\"erased_size\":[0.1,0.25],\"grey\":0.1}"), "{other}");
    }
}
