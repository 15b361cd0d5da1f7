//! Ablations: variants of one experiment, trained with several seeds.

use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Error, Result, ensure};
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use polars::prelude::{DataFrame, df};
use ror::data::Faces;
use ror::experiment::Experiment;
use ror::plot::{self, Chart};
use ror::store::{Card, ModelStore};
use utils::files;
use utils::live::{self, Live};
use utils::progress::say;

/// An experiment and its variants. The file is like that of an [`Experiment`], with `seeds` and one
/// `[[variant]]` per variant, which contains its name and changes.
///
/// ```
/// use lab::Ablation;
///
/// # fn main() -> anyhow::Result<()> {
/// let ablation: Ablation = r#"
///     protocol = "original-age"
///     task = "age-group"
///     seeds = [0, 1, 2]
///
///     [recipe]
///     epochs = 8
///
///     [[variant]]
///     name = "no root shortcut"
///     net.root_shortcut = false
///     "#
/// .parse()?;
/// assert_eq!(ablation.variants.len(), 2); // the experiment itself, and one more
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Ablation {
    /// The seeds. Each variant is trained with each of them. The default is `[0]`.
    pub seeds: Vec<u64>,
    /// The name and experiment of each variant. The first is the experiment without changes.
    pub variants: Vec<(String, Experiment)>,
}

/// One training of an ablation, with its results on the validation set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The variant's name.
    pub variant: String,
    /// The seed.
    pub seed: u64,
    /// Mean cross-entropy in nats, summed over heads.
    pub loss: f64,
    /// Accuracy of the first head, 0 to 1.
    pub accuracy: f64,
    /// Off-by-one accuracy of the age, 0 to 1.
    pub one_off: Option<f64>,
    /// Mean absolute error of the age in years.
    pub mae: Option<f64>,
    /// Number of images.
    pub n: usize,
    /// Number of trained parameters.
    pub parameters: usize,
    /// Minutes of training.
    pub minutes: f64,
    /// Date, UTC.
    pub date: String,
}

impl FromStr for Ablation {
    type Err = Error;

    /// Reads an ablation; the errors are those of [`Ablation::open`].
    fn from_str(text: &str) -> Result<Self> {
        let mut whole: toml::Table = toml::from_str(text)?;
        let seeds: Vec<u64> = match whole.remove("seeds") {
            Some(seeds) => seeds.try_into().context("seeds must be a list of integers")?,
            None => vec![0],
        };
        ensure!(!seeds.is_empty(), "seeds is empty: add at least one");
        let changes: Vec<toml::Table> = match whole.remove("variant") {
            Some(variants) => {
                variants.try_into().context("variant must be a list of tables: [[variant]]")?
            }
            None => vec![],
        };
        let mut variants = vec![("as it is".to_owned(), toml::to_string(&whole)?.parse()?)];
        for mut change in changes {
            let name: String =
                change.remove("name").context("a [[variant]] has no name")?.try_into()?;
            let mut varied = whole.clone();
            for (key, value) in change {
                match (varied.get_mut(&key), value) {
                    (Some(toml::Value::Table(fields)), toml::Value::Table(changes)) => {
                        fields.extend(changes);
                    }
                    (_, value) => {
                        varied.insert(key, value);
                    }
                }
            }
            let experiment =
                toml::to_string(&varied)?.parse::<Experiment>().with_context(|| name.clone())?;
            variants.push((name, experiment));
        }
        Ok(Self { seeds, variants })
    }
}

impl Ablation {
    /// Reads an ablation from a file.
    ///
    /// # Errors
    /// The file is missing or not TOML, a key is unknown, a value is out of range, or there are no
    /// seeds.
    pub fn open(path: &Path) -> Result<Self> {
        files::read_text(path)?.parse::<Self>().with_context(|| format!("in {}", path.display()))
    }

    /// Trains every variant with every seed, seed by seed. Loads models that were trained before.
    /// After each training, writes all trials so far to `csv`.
    ///
    /// # Errors
    /// The data set lacks images of the protocol, an image can't be decoded, a loss is not a
    /// number, or a file can't be written.
    pub fn run(&self, faces: &Faces, csv: &Path) -> Result<Trials> {
        let total = self.seeds.len() * self.variants.len();
        let mut trials = vec![];
        let live = Live::open();
        for seed in &self.seeds {
            for (name, experiment) in &self.variants {
                let words = format!("{} of {total}: {name}, seed {seed}", trials.len() + 1);
                match &live {
                    Some(live) => live.show(live::bar(trials.len(), total, &words), words),
                    None => say(&words),
                }
                let mut experiment = experiment.clone();
                experiment.recipe.seed = *seed;
                let card = experiment.run(faces)?.card;
                trials.push(Trial::of(name, &card)?);
                files::write_csv(csv, &trials)?;
            }
        }
        Ok(Trials(trials))
    }
}

impl Trial {
    fn of(variant: &str, card: &Card) -> Result<Self> {
        let (first, last) = (card.validation.first(), card.validation.last());
        let (first, last) = first.zip(last).context("no head was validated")?;
        Ok(Self {
            variant: variant.to_owned(),
            seed: card.recipe.seed,
            loss: card.validation.iter().map(|head| head.loss.value).sum(),
            accuracy: first.accuracy.value,
            one_off: last.one_off.map(|i| i.value),
            mae: last.mae.map(|i| i.value),
            n: first.pictures,
            parameters: card.parameters,
            minutes: card.minutes,
            date: card.date.clone(),
        })
    }
}

/// The trials of an ablation.
#[derive(Debug, Clone, PartialEq)]
pub struct Trials(pub Vec<Trial>);

impl Trials {
    /// Reads the trials of one of the project's ablations, `models/NAME.csv`.
    ///
    /// # Errors
    /// The file is missing, or a row is not a trial.
    pub fn open(name: &str) -> Result<Self> {
        Self::open_at(&ModelStore::default().folder().join(format!("{name}.csv")))
    }

    /// Reads the trials written by [`Ablation::run`].
    ///
    /// # Errors
    /// The file is missing, empty, or has other columns.
    pub fn open_at(path: &Path) -> Result<Self> {
        let wrong = || format!("{} is not a CSV file of trials", path.display());
        let trials: Vec<Trial> = files::read_csv(path).with_context(wrong)?;
        ensure!(!trials.is_empty(), wrong());
        Ok(Self(trials))
    }

    /// Compares each variant with the first, seed by seed, by one metric of a trial.
    pub fn differences(&self, number: impl Fn(&Trial) -> f64) -> Differences {
        let trials = &self.0;
        let mut names: Vec<&str> = vec![];
        for trial in trials {
            if !names.contains(&trial.variant.as_str()) {
                names.push(&trial.variant);
            }
        }
        let of = |name: &str, seed: u64| {
            trials.iter().find(|t| t.variant == name && t.seed == seed).map(&number)
        };
        let Some(base) = names.first() else {
            return Differences(vec![]);
        };
        let rows = names.iter().map(|name| {
            let pairs: Vec<(f64, f64)> = trials
                .iter()
                .filter(|t| t.variant == *name)
                .filter_map(|t| Some((number(t), of(base, t.seed)?)))
                .collect();
            let n = pairs.len() as f64;
            let off: Vec<f64> = pairs.iter().map(|(own, base)| own - base).collect();
            let difference = off.iter().sum::<f64>() / n;
            let variance =
                off.iter().map(|d| (d - difference).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
            Difference {
                variant: (*name).to_owned(),
                seeds: pairs.len(),
                mean: pairs.iter().map(|(own, _)| own).sum::<f64>() / n,
                difference,
                margin: match pairs.len() {
                    _ if name == base => 0.0,
                    0 | 1 => f64::INFINITY,
                    seeds => student(seeds) * (variance / n).sqrt(),
                },
            }
        });
        Differences(rows.collect())
    }
}

/// A variant compared with the unchanged experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The variant's name.
    pub variant: String,
    /// Number of seeds with which both were trained.
    pub seeds: usize,
    /// Mean of the metric over seeds.
    pub mean: f64,
    /// Mean difference from the unchanged experiment, paired by seed.
    pub difference: f64,
    /// Half width of its 95 % confidence interval (Student's t over seeds); infinite for one seed.
    pub margin: f64,
}

/// The variants compared with the unchanged experiment, which is the first.
#[derive(Debug, Clone, PartialEq)]
pub struct Differences(pub Vec<Difference>);

/// Returns the 97.5 % quantile of Student's t distribution for a mean over at least 2 seeds.
fn student(seeds: usize) -> f64 {
    let freedom = (seeds as f64 - 1.0).max(1.0);
    StudentsT::new(0.0, 1.0, freedom).map_or(f64::INFINITY, |t| t.inverse_cdf(0.975))
}

impl Differences {
    /// Returns one row per variant: its mean, its difference from the first, and the half width of
    /// the difference's 95 % confidence interval.
    ///
    /// # Errors
    /// polars fails, which is not expected.
    pub fn table(&self) -> Result<DataFrame> {
        let number = |value: fn(&Difference) -> f64| self.0.iter().map(value).collect::<Vec<_>>();
        Ok(df!(
            "variant" => self.0.iter().map(|d| d.variant.as_str()).collect::<Vec<_>>(),
            "seeds" => self.0.iter().map(|d| d.seeds as u32).collect::<Vec<_>>(),
            "mean" => number(|d| d.mean),
            "difference" => number(|d| d.difference),
            "+-" => number(|d| d.margin),
        )?)
    }

    /// Plots each variant's difference from the first, with its 95 % confidence interval.
    ///
    /// # Errors
    /// There is only one variant or only one seed.
    pub fn plot(&self, title: &str, axis: &str) -> Result<Chart> {
        let rows: Vec<(String, f64, f64, f64)> = self
            .0
            .iter()
            .skip(1)
            .map(|d| {
                let (low, high) = (d.difference - d.margin, d.difference + d.margin);
                (d.variant.clone(), d.difference, low, high)
            })
            .collect();
        plot::intervals(title, axis, &rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(variant: &str, seed: u64, accuracy: f64) -> Trial {
        Trial {
            variant: variant.to_owned(),
            seed,
            loss: 1.5,
            accuracy,
            one_off: Some(0.75),
            mae: None,
            n: 3_000,
            parameters: 10,
            minutes: 1.5,
            date: "2026-11-24".to_owned(),
        }
    }

    #[test]
    fn trials_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trials.csv");
        let trials = vec![trial("as it is", 0, 0.25), trial("no root shortcut, of 3", 0, 0.5)];
        files::write_csv(&path, &trials).unwrap();
        assert_eq!(Trials::open_at(&path).unwrap(), Trials(trials));
        std::fs::write(&path, "a,b\n").unwrap();
        assert!(Trials::open_at(&path).is_err());
    }

    #[test]
    fn differences_are_seed_by_seed() {
        let trials = [
            trial("as it is", 0, 0.30),
            trial("other", 0, 0.32),
            trial("as it is", 1, 0.40),
            trial("other", 1, 0.43),
            trial("as it is", 2, 0.35),
            trial("other", 2, 0.36),
        ];
        let found = Trials(trials.to_vec()).differences(|t| t.accuracy).0;
        assert_eq!((found[0].difference, found[0].margin), (0.0, 0.0));
        assert!((found[1].difference - 0.02).abs() < 1e-12);
        // Standard deviation 0.01 over 3 seeds: 4.303 * 0.01 / sqrt(3).
        assert!((found[1].margin - 0.024_84).abs() < 1e-5);
        assert_eq!(found[1].seeds, 3);
        let one_seed = Trials(trials[..2].to_vec()).differences(|t| t.accuracy).0;
        assert!(one_seed[1].margin.is_infinite(), "one seed proves nothing");
    }

    #[test]
    fn a_variant_changes_what_it_names_and_nothing_else() {
        let text = "protocol = 'original-age'\ntask = 'age'\nseeds = [4]\n[net]\nwidths = [16, 32, 64, 128]\n\
                    [[variant]]\nname = 'deep'\nnet.blocks = [3, 3, 3, 3]\nrecipe.epochs = 2\n";
        let ablation = text.parse::<Ablation>().unwrap();
        assert_eq!(ablation.seeds, [4]);
        let (base, deep) = (&ablation.variants[0].1, &ablation.variants[1].1);
        assert_eq!(deep.net, base.net.with(serde_json::json!({ "blocks": [3, 3, 3, 3] })).unwrap());
        assert_eq!(deep.recipe.epochs, 2);
        let nameless = "protocol = 'original-age'\ntask = 'age'\n[[variant]]\nnet.pool = 1\n";
        assert!(format!("{:#}", nameless.parse::<Ablation>().unwrap_err()).contains("name"));
    }
}
