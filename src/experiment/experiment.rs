//! A training as a file: what `train --config` reads.

use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Training;
use crate::Task;
use crate::data::{Faces, Protocol};
use crate::model::{NetConfig, RorConfig};
use crate::store::{ModelStore, Trained};
use crate::train::Recipe;
use utils::files;

/// A training on photographs, in full.
///
/// Its file is TOML, and names only what differs from [`RorConfig::new`] and
/// [`Recipe::shipped`]:
///
/// ```
/// use ror::experiment::Experiment;
///
/// # fn main() -> anyhow::Result<()> {
/// let experiment: Experiment = r#"
///     protocol = "random-80-10-10"
///     task = "both"
///
///     [net]
///     input = 64
///
///     [recipe]
///     epochs = 30
///     progressive = [{ size = 32, epochs = 10 }]
///     augment = { rotation = 0.3 }
///     "#
/// .parse()?;
/// assert_eq!((experiment.net.input(), experiment.recipe.epochs), (64, 30));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// How the images are split.
    pub protocol: Protocol,
    /// What is predicted.
    pub task: Task,
    /// The name of the network whose weights to start from.
    pub start: Option<String>,
    /// The names of the networks to learn from: [`Recipe::distillation`] says how much.
    pub teachers: Vec<String>,
    /// The network's shape.
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
    teachers: Vec<String>,
    #[serde(default)]
    net: toml::Table,
    #[serde(default)]
    recipe: toml::Table,
}

impl FromStr for Experiment {
    type Err = Error;

    /// Reads an experiment; the errors are those of [`Experiment::open`].
    fn from_str(text: &str) -> Result<Self> {
        Self::from_table(toml::from_str(text)?)
    }
}

impl Experiment {
    /// Reads an experiment's file.
    ///
    /// # Errors
    /// A file that is missing or not TOML, a key that does not exist, or a value outside its range.
    pub fn open(path: &Path) -> Result<Self> {
        files::read_text(path)?.parse::<Self>().with_context(|| format!("in {}", path.display()))
    }

    fn from_table(table: toml::Table) -> Result<Self> {
        let written: Written = table.try_into()?;
        let task: Task = written.task.parse()?;
        let net = NetConfig::from(RorConfig::new(task.outputs()));
        let experiment = Self {
            protocol: written.protocol,
            task,
            start: written.start,
            teachers: written.teachers,
            net: net.with(written.net).context("[net]")?,
            recipe: changed(&Recipe::shipped(task), written.recipe).context("[recipe]")?,
        };
        experiment.net.check()?;
        experiment.recipe.check()?;
        Ok(experiment)
    }

    /// The defaults for a task on some data: the original's protocol for it, and what
    /// [`Training::new`] has.
    pub fn suited(task: Task, faces: &Faces) -> Self {
        Self {
            protocol: match task {
                Task::AgeGroup { .. } => Protocol::OriginalAge,
                Task::Gender => Protocol::OriginalGender,
                Task::Years | Task::Both => Protocol::Random,
            },
            task,
            start: None,
            teachers: vec![],
            net: super::training::suited(task, faces).into(),
            recipe: Recipe::suited(task, faces),
        }
    }

    /// Trains it, or loads it where it was trained before.
    ///
    /// # Errors
    /// A start or teacher that is not in the store or has seen validation or test images, a data
    /// set that lacks the protocol's images, images that can't be decoded, a loss that is not a
    /// number, or a folder that can't be written.
    pub fn run(&self, faces: &Faces) -> Result<Trained> {
        self.run_with(faces, |training| training.train_or_load())
    }

    /// Makes the training, which `train` may change before it runs it: its device, its command.
    ///
    /// # Errors
    /// As [`Experiment::run`].
    pub fn run_with(
        &self,
        faces: &Faces,
        train: impl FnOnce(Training) -> Result<Trained>,
    ) -> Result<Trained> {
        let split = self.protocol.split(faces)?;
        let store = ModelStore::default();
        let start = self.start.as_ref().map(|name| store.open(name));
        let start = start.transpose().context("the network to start from")?;
        let teachers =
            self.teachers.iter().map(|name| store.open(name)).collect::<Result<Vec<_>>>();
        let teachers = teachers.context("the networks to learn from")?;
        let mut training = Training::new(faces, &split, self.task)
            .net(self.net.clone())
            .recipe(self.recipe.clone())
            .teachers(&teachers);
        if let Some(start) = &start {
            training = training.start_from(start);
        }
        train(training)
    }
}

/// A recipe with the fields that `changes` names.
fn changed(recipe: &Recipe, changes: toml::Table) -> Result<Recipe> {
    let mut value = serde_json::to_value(recipe)?;
    if let (Value::Object(fields), Value::Object(changes)) =
        (&mut value, serde_json::to_value(changes)?)
    {
        fields.extend(changes);
    }
    Ok(serde_json::from_value(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Augment;

    #[test]
    fn what_a_file_leaves_out_is_the_default() {
        let text =
            "protocol = 'original-age'\ntask = 'age'\n[recipe]\nseed = 3\naugment.scale = 0.3\n";
        let experiment = text.parse::<Experiment>().unwrap();
        assert_eq!(experiment.net, RorConfig::new(12).into());
        let expected = Recipe {
            seed: 3,
            augment: Augment { scale: 0.3, ..Augment::default() },
            ..Recipe::shipped(Task::age_group())
        };
        assert_eq!(experiment.recipe, expected);
        let baseline =
            "protocol = 'original-gender'\ntask = 'gender'\nnet.architecture = 'keras_baseline'\n";
        let baseline = baseline.parse::<Experiment>().unwrap();
        assert_eq!((baseline.net.architecture(), baseline.net.outputs()), ("keras_baseline", 1));
    }

    /// So a notebook's training of both loads the network that ships.
    #[test]
    fn the_default_for_both_is_the_network_that_ships() {
        let clone = Path::new(env!("CARGO_MANIFEST_DIR"));
        let experiment = Experiment::open(&clone.join("experiments/both-32px.toml")).unwrap();
        assert_eq!(experiment.recipe, Recipe::both());
        assert_eq!(experiment.net, RorConfig::deep(Task::Both.outputs()).into());
    }

    /// The file of the fast training is what its method does.
    #[test]
    fn the_fast_training_is_the_same_as_a_file() {
        let clone = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = clone.join("experiments").join("fast-32px.toml");
        let experiment = Experiment::open(&path).unwrap();
        assert_eq!(experiment.recipe, Recipe::fast(Task::Gender));
        let net = RorConfig { survival: 1.0, ..RorConfig::new(1) };
        assert_eq!(experiment.net, net.into());
    }

    #[test]
    fn mistakes_are_named() {
        let wrong = |text: &str| format!("{:#}", text.parse::<Experiment>().unwrap_err());
        let start = "protocol = 'original-age'\ntask = 'age'\n";
        assert!(wrong(&format!("{start}[recipe]\nepoch = 3")).contains("epoch"));
        assert!(wrong(&format!("{start}[recipe]\naugment.turn = 3")).contains("turn"));
        assert!(wrong(&format!("{start}[net]\ninput = 7")).contains("7 px"));
        assert!(wrong(&format!("{start}[net]\narchitecture = 'vgg'")).contains("register"));
        assert!(wrong("protocol = 'mine'\ntask = 'age'").contains("random-80-10-10"));
        assert!(wrong("protocol = 'original-age'\ntask = 'height'").contains("height"));
        assert!(wrong("protocol = ").contains("TOML"));
    }
}
