//! A training as a file: what `train --config` reads.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Recipe;
use crate::dataset::Protocol;
use crate::model::NetConfig;
use crate::{Task, files};

/// A training on photographs, in full.
///
/// Its file is TOML, and names only what differs from [`NetConfig::ror`] and
/// [`Recipe::shipped`]:
///
/// ```
/// use ror::train::Experiment;
///
/// # fn main() -> anyhow::Result<()> {
/// let experiment = Experiment::parse(
///     r#"
///     protocol = "random-80-10-10"
///     task = "both"
///
///     [net]
///     input = 64
///
///     [recipe]
///     epochs = 30
///     progressive = [{ size = 32, epochs = 10 }]
///     "#,
/// )?;
/// assert_eq!((experiment.net.input, experiment.recipe.epochs), (64, 30));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// How the pictures are divided.
    pub protocol: Protocol,
    /// What is estimated.
    pub task: Task,
    /// The name of the net whose weights to start from.
    pub start: Option<String>,
    /// The net's shape.
    pub net: NetConfig,
    /// How it is trained.
    pub recipe: Recipe,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    protocol: Protocol,
    task: String,
    start: Option<String>,
    #[serde(default)]
    net: toml::Table,
    #[serde(default)]
    recipe: toml::Table,
}

impl Experiment {
    /// Reads an experiment's file.
    ///
    /// # Errors
    /// A file that is missing, or what [`Experiment::parse`] returns.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&files::read_text(path)?).with_context(|| format!("in {}", path.display()))
    }

    /// Reads an experiment.
    ///
    /// # Errors
    /// Text that is not TOML, a key that does not exist, or a value outside its range.
    pub fn parse(text: &str) -> Result<Self> {
        Self::from_table(toml::from_str(text)?)
    }

    pub(super) fn from_table(table: toml::Table) -> Result<Self> {
        let written: Written = table.try_into()?;
        let task = match written.task.as_str() {
            "gender" => Task::Gender,
            "age" => Task::age(),
            "years" => Task::Years,
            "both" => Task::Both,
            other => bail!("there is no task {other}: choose gender, age, years or both"),
        };
        let experiment = Self {
            protocol: written.protocol,
            task,
            start: written.start,
            net: over(&NetConfig::ror(task.outputs()), written.net).context("[net]")?,
            recipe: over(&Recipe::shipped(task), written.recipe).context("[recipe]")?,
        };
        experiment.net.check()?;
        experiment.recipe.check()?;
        Ok(experiment)
    }
}

/// `base` with the fields that `changes` names.
fn over<T: Serialize + serde::de::DeserializeOwned>(base: &T, changes: toml::Table) -> Result<T> {
    let mut value = serde_json::to_value(base)?;
    let changes = serde_json::to_value(changes)?;
    if let (Value::Object(fields), Value::Object(changes)) = (&mut value, changes) {
        fields.extend(changes);
    }
    Ok(serde_json::from_value(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_leaves_out_is_the_default() {
        let text = "protocol = 'original'\ntask = 'age'\n[recipe]\nseed = 3\n";
        let experiment = Experiment::parse(text).unwrap();
        assert_eq!(experiment.net, NetConfig::ror(12));
        let expected = Recipe {
            seed: 3,
            ..Recipe::shipped(Task::age())
        };
        assert_eq!(experiment.recipe, expected);
    }

    #[test]
    fn mistakes_are_named() {
        let wrong = |text: &str| format!("{:#}", Experiment::parse(text).unwrap_err());
        let start = "protocol = 'original'\ntask = 'age'\n";
        assert!(wrong(&format!("{start}[recipe]\nepoch = 3")).contains("epoch"));
        assert!(wrong(&format!("{start}[net]\ninput = 7")).contains("7 px"));
        assert!(wrong("protocol = 'mine'\ntask = 'age'").contains("random-80-10-10"));
        assert!(wrong("protocol = 'original'\ntask = 'height'").contains("no task height"));
        assert!(wrong("protocol = ").contains("TOML"));
    }
}
