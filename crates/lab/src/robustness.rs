//! How much accuracy a network loses on corrupted images.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use polars::prelude::{DataFrame, df};
use serde::{Deserialize, Serialize};

use crate::corruption::Corruption;
use ror::data::Faces;
use ror::metrics::{Evaluation, Metric};
use ror::plot::{self, Chart};
use ror::store::{Trained, ensemble};
use utils::files;
use utils::progress::{say, thousands};

/// A model's results on images with one corruption.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Corrupted {
    /// The model, or the models that are averaged.
    pub model: String,
    /// The corruption, or `clean`.
    pub corruption: String,
    /// 1 to 3; 0 for clean images.
    pub severity: usize,
    /// Number of images.
    pub n: usize,
    /// Gender accuracy, 0 to 1; `None` if gender is not predicted.
    pub gender: Option<f64>,
    /// Mean absolute error of the age in years; `None` if age is not predicted.
    pub mae: Option<f64>,
}

/// Results for clean images, then for all corruptions in all severities.
#[derive(Debug, Clone, PartialEq)]
pub struct Robustness(Vec<Corrupted>);

impl Robustness {
    /// Measures one model, or the average of several, on the images at `indices` of a data set.
    ///
    /// # Errors
    /// The models have different tasks, there are no images, an index is out of range, or an image
    /// can't be read or decoded.
    pub fn measure(
        model: &str,
        nets: &[Trained],
        faces: &Faces,
        indices: &[usize],
    ) -> Result<Self> {
        let mut rows = vec![row(model, "clean", 0, nets, faces, indices)?];
        let all: Vec<usize> = (0..indices.len()).collect();
        for corruption in Corruption::ALL {
            for severity in 1..=Corruption::SEVEREST {
                let changed = corruption.applied_to(faces, indices, severity)?;
                rows.push(row(model, corruption.name(), severity, nets, &changed, &all)?);
            }
            say(&format!("{corruption}: done"));
        }
        Ok(Self(rows))
    }

    /// Reads the results of one model from a file written by [`Robustness::write_csv`].
    ///
    /// # Errors
    /// The file is missing or malformed, or does not contain this model.
    pub fn open(path: &Path, model: &str) -> Result<Self> {
        let mut rows: Vec<Corrupted> = files::read_csv(path)?;
        rows.retain(|row| row.model == model);
        ensure!(!rows.is_empty(), "{} has no model {model}", path.display());
        Ok(Self(rows))
    }

    /// Writes the rows to a CSV file, replacing those of the same model.
    ///
    /// # Errors
    /// The file is malformed or can't be written.
    pub fn write_csv(&self, path: &Path) -> Result<()> {
        let mut rows: Vec<Corrupted> = match path.exists() {
            true => files::read_csv(path)?,
            false => vec![],
        };
        rows.retain(|row| self.0.iter().all(|own| own.model != row.model));
        rows.extend(self.0.iter().cloned());
        files::write_csv(path, &rows)
    }

    /// The rows, one per corruption and severity.
    pub fn rows(&self) -> &[Corrupted] {
        &self.0
    }

    fn clean(&self) -> Result<&Corrupted> {
        self.0.iter().find(|row| row.severity == 0).context("no clean images were measured")
    }

    /// Returns the mean over all corruptions of one severity: the loss of gender accuracy in points
    /// and the increase of the age's error in years, compared with clean images. 0 for a task that
    /// is not predicted.
    ///
    /// # Errors
    /// The severity was not measured.
    pub fn lost(&self, severity: usize) -> Result<(f64, f64)> {
        let clean = self.clean()?;
        let rows: Vec<&Corrupted> = self.0.iter().filter(|row| row.severity == severity).collect();
        ensure!(severity > 0 && !rows.is_empty(), "severity {severity} was not measured");
        let mean = |value: fn(&Corrupted) -> Option<f64>| {
            let values = rows.iter().map(|row| value(row).unwrap_or_default());
            values.sum::<f64>() / rows.len() as f64 - value(clean).unwrap_or_default()
        };
        Ok((-100.0 * mean(|row| row.gender), mean(|row| row.mae)))
    }

    /// Returns one row per corruption and severity: gender accuracy, mean absolute error of the
    /// age, and the losses compared with clean images.
    ///
    /// # Errors
    /// No clean images were measured.
    pub fn table(&self) -> Result<DataFrame> {
        let clean = self.clean()?;
        let less = |value: Option<f64>, than: Option<f64>| Some(value? - than?);
        let round = |value: Option<f64>, digits: i32| {
            value.map(|value| (value * 10f64.powi(digits)).round() / 10f64.powi(digits))
        };
        let column = |value: &dyn Fn(&Corrupted) -> Option<f64>, digits| {
            self.0.iter().map(|row| round(value(row), digits)).collect::<Vec<_>>()
        };
        let percent = |value: Option<f64>| value.map(|value| 100.0 * value);
        Ok(df!(
            "corruption" => self.0.iter().map(|row| row.corruption.as_str()).collect::<Vec<_>>(),
            "severity" => self.0.iter().map(|row| row.severity as u32).collect::<Vec<_>>(),
            "gender (%)" => column(&|row| percent(row.gender), 1),
            "points lost" => column(&|row| percent(less(clean.gender, row.gender)), 1),
            "MAE (years)" => column(&|row| row.mae, 2),
            "years lost" => column(&|row| less(row.mae, clean.mae), 2),
        )?)
    }

    /// Plots the loss for each corruption as a bar from severity 1 to 3 with a point at 2: gender
    /// accuracy (points) or mean absolute error of the age (years).
    ///
    /// # Errors
    /// `metric` is neither accuracy nor MAE, or it is not predicted.
    pub fn plot(&self, title: &str, metric: Metric) -> Result<Chart> {
        let clean = self.clean()?;
        let (value, axis): (fn(&Corrupted) -> Option<f64>, _) = match metric {
            Metric::Accuracy => {
                (|row| row.gender.map(|share| -100.0 * share), "Gender: accuracy lost (points)")
            }
            Metric::Mae => (|row| row.mae, "Age: increase of the error (years)"),
            other => anyhow::bail!(
                "{} is not measured on corrupted images: choose accuracy or MAE",
                other.name()
            ),
        };
        let base =
            value(clean).with_context(|| format!("{} does not predict this", clean.model))?;
        let mut rows = vec![];
        for corruption in Corruption::ALL {
            let own = self.0.iter().filter(|row| row.corruption == corruption.name());
            let lost: Vec<f64> = own.filter_map(value).map(|lost| lost - base).collect();
            let [first, second, third] = lost[..] else { continue };
            let low = first.min(second).min(third);
            rows.push((corruption.to_string(), second, low, first.max(second).max(third)));
        }
        plot::intervals(title, &format!("{axis}; severity 1 to 3, point: 2"), &rows)
    }
}

impl fmt::Display for Robustness {
    /// Formats a table in Markdown of the losses at severity 1, 2 and 3.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(clean) = self.clean() else { return Ok(()) };
        let [gender, mae] = [clean.gender, clean.mae].map(Option::unwrap_or_default);
        writeln!(
            f,
            "clean ({} images): gender accuracy {:.1} %, MAE {mae:.2} years\n\n\
             | corruption | gender accuracy lost (points) at severity 1, 2, 3 | MAE increase (years) |\n\
             |---|---|---|",
            thousands(clean.n),
            100.0 * gender
        )?;
        for corruption in Corruption::ALL {
            let own = self.0.iter().filter(|row| row.corruption == corruption.name());
            let (points, years): (Vec<_>, Vec<_>) = own
                .map(|row| {
                    let [own, error] = [row.gender, row.mae].map(Option::unwrap_or_default);
                    (format!("{:.1}", 100.0 * (gender - own)), format!("{:.2}", error - mae))
                })
                .unzip();
            writeln!(f, "| {corruption} | {} | {} |", points.join(", "), years.join(", "))?;
        }
        let lost: Vec<(f64, f64)> =
            (1..=Corruption::SEVEREST).filter_map(|severity| self.lost(severity).ok()).collect();
        let points: Vec<String> = lost.iter().map(|(points, _)| format!("{points:.1}")).collect();
        let years: Vec<String> = lost.iter().map(|(_, years)| format!("{years:.2}")).collect();
        write!(f, "| mean | {} | {} |", points.join(", "), years.join(", "))
    }
}

fn row(
    model: &str,
    corruption: &str,
    severity: usize,
    nets: &[Trained],
    faces: &Faces,
    indices: &[usize],
) -> Result<Corrupted> {
    let predicted = ensemble(nets, faces, indices)?;
    let metrics = Evaluation::new(predicted, &faces.labels(indices)?).metrics();
    let rounded = |value: f64| (1e4 * value).round() / 1e4;
    let gender = metrics.iter().find(|head| !head.task.has_age());
    Ok(Corrupted {
        model: model.to_owned(),
        corruption: corruption.to_owned(),
        severity,
        n: indices.len(),
        gender: gender.map(|head| rounded(head.accuracy.value)),
        mae: metrics.iter().find_map(|head| head.mae).map(|mae| rounded(mae.value)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes rows in which every corruption costs more with severity, and grey only at severity 3.
    fn rows(model: &str) -> Robustness {
        let row = |corruption: &str, severity, gender, mae| Corrupted {
            model: model.to_owned(),
            corruption: corruption.to_owned(),
            severity,
            n: 100,
            gender: Some(gender),
            mae: Some(mae),
        };
        let mut rows = vec![row("clean", 0, 0.9, 5.0)];
        for corruption in Corruption::ALL {
            for severity in 1..=3 {
                let lost =
                    if corruption == Corruption::Grey && severity < 3 { 0 } else { severity };
                let lost = lost as f64;
                rows.push(row(corruption.name(), severity, 0.9 - 0.01 * lost, 5.0 + lost));
            }
        }
        Robustness(rows)
    }

    #[test]
    fn losses_are_against_clean_pictures() {
        let found = rows("a");
        let (points, years) = found.lost(2).unwrap();
        // Nine of ten lose 2 points and 2 years.
        assert!((points - 1.8).abs() < 1e-9 && (years - 1.8).abs() < 1e-9, "{points} {years}");
        assert!(found.lost(0).is_err() && found.lost(4).is_err());
        let text = found.to_string();
        assert!(text.contains("| grey | 0.0, 0.0, 3.0 | 0.00, 0.00, 3.00 |"), "{text}");
        assert!(text.ends_with("| mean | 0.9, 1.8, 3.0 | 0.90, 1.80, 3.00 |"), "{text}");
        assert_eq!(found.table().unwrap().height(), 31);
        for metric in [Metric::Accuracy, Metric::Mae] {
            let figure = found.plot("What is lost", metric).unwrap().figure().unwrap();
            assert!(figure.svg().contains("tighter") && figure.svg().contains("severity 1 to 3"));
        }
        assert!(found.plot("Nothing", Metric::Ece).is_err());
    }

    #[test]
    fn a_file_holds_each_model_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("corruptions.csv");
        for model in ["a", "b", "a"] {
            rows(model).write_csv(&path).unwrap();
        }
        assert_eq!(Robustness::open(&path, "a").unwrap(), rows("a"));
        assert_eq!(Robustness::open(&path, "b").unwrap(), rows("b"));
        let missing = Robustness::open(&path, "c").unwrap_err().to_string();
        assert!(missing.contains("no model c"), "{missing}");
    }
}
