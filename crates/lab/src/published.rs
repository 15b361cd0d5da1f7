//! The published numbers, which stand in the cards of the models that ship: as a table for
//! reading, as `models/results.csv`, and as the figures of the docs.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use polars::prelude::{DataFrame, df};
use serde::Serialize;

use ror::data::Protocol;
use ror::metrics::{Interval, Metric};
use ror::plot;
use ror::store::{Model, ModelStore};
use utils::files;
use utils::progress::thousands;

/// One number of one net on one test part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The protocol of the test part.
    pub protocol: Protocol,
    /// The model's name.
    pub model: String,
    /// `gender`, `age` (in groups) or `years`.
    pub task: String,
    /// Which number.
    pub metric: Metric,
    /// The number: a share, years (MAE) or nats (loss).
    pub value: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// What the best constant prediction reaches.
    pub constant: Option<f64>,
    /// How many pictures.
    pub n: usize,
    /// Side of the net's input, pixels.
    pub size: u32,
    /// How many numbers were trained.
    pub parameters: usize,
    /// The training's seed.
    pub seed: u64,
    /// Which contents are in which part.
    pub split_fingerprint: String,
    /// Which data set.
    pub data_fingerprint: String,
    /// Minutes of training, those of the nets it started from included.
    pub minutes: f64,
    /// What it was trained on.
    pub hardware: String,
    /// Day the test part was opened, UTC.
    pub date: String,
    /// What measures it again.
    pub command: String,
}

impl Row {
    /// The number with its 95 % interval.
    pub fn interval(&self) -> Interval {
        let Self { value, low, high, .. } = *self;
        Interval { value, low, high }
    }

    /// What it is of, in words: `age group, one-off accuracy`.
    pub(crate) fn what(&self) -> String {
        let task = match self.task.as_str() {
            "years" => "age",
            "age" => "age group",
            other => other,
        };
        format!("{task}, {}", self.metric.name())
    }

    fn in_words(&self) -> String {
        self.metric.format_interval(&self.interval())
    }

    fn constant_in_words(&self) -> String {
        let format = |value| self.metric.format(value);
        self.constant.map_or(String::new(), format)
    }
}

/// All numbers of the models that ship, by protocol; a notebook shows them as a table.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedResults(Vec<Row>);

impl PublishedResults {
    /// Those of the project's store.
    pub fn local() -> Self {
        Self::of(&ModelStore::local().pretrained())
    }

    /// Those of some models.
    pub fn of(models: &[Model]) -> Self {
        let mut rows = vec![];
        for Model { name, card, .. } in models {
            for test in &card.tests {
                for head in &test.heads {
                    let values = head.values().into_iter();
                    rows.extend(values.map(|(metric, value, constant)| Row {
                        protocol: test.protocol,
                        model: name.clone(),
                        task: head.task.name(),
                        metric,
                        value: rounded(value.value),
                        low: rounded(value.low),
                        high: rounded(value.high),
                        constant: constant.map(rounded),
                        n: head.pictures,
                        size: card.net.input(),
                        parameters: card.parameters,
                        seed: card.recipe.seed,
                        split_fingerprint: test.split.clone(),
                        data_fingerprint: card.data.fingerprint.clone(),
                        minutes: (10.0 * card.minutes).round() / 10.0,
                        hardware: card.hardware.clone(),
                        date: test.date.clone(),
                        command: test.command.clone(),
                    }));
                }
            }
        }
        rows.sort_by_key(|row| row.protocol.name());
        Self(rows)
    }

    /// One row a number.
    pub fn rows(&self) -> &[Row] {
        &self.0
    }

    /// The rows that a table for reading has: all but the loss.
    fn readable(&self) -> impl Iterator<Item = &Row> {
        self.0.iter().filter(|row| row.metric != Metric::Loss)
    }

    /// The numbers in words, one row each.
    ///
    /// # Errors
    /// None that rows can cause.
    pub fn table(&self) -> Result<DataFrame> {
        let column = |text: fn(&Row) -> String| self.readable().map(text).collect::<Vec<_>>();
        Ok(df!(
            "protocol" => column(|row| row.protocol.to_string()),
            "model" => column(|row| row.model.clone()),
            "what" => column(Row::what),
            "value (95 % interval)" => column(Row::in_words),
            "a constant prediction" => column(Row::constant_in_words),
            "pictures" => self.readable().map(|row| row.n as u32).collect::<Vec<_>>(),
            "px" => self.readable().map(|row| row.size).collect::<Vec<_>>(),
            "minutes" => self.readable().map(|row| row.minutes.round()).collect::<Vec<_>>(),
        )?)
    }

    /// Writes the rows as CSV: `models/results.csv`.
    ///
    /// # Errors
    /// A path that can't be written.
    pub fn write_csv(&self, path: &Path) -> Result<()> {
        files::write_csv(path, &self.0)
    }

    /// Puts the table between the two marks of a Markdown file.
    ///
    /// # Errors
    /// A file without the marks, or that can't be written.
    pub fn write_markdown(&self, path: &Path) -> Result<()> {
        let text = self.in_markdown(&files::read_text(path)?);
        let text = text.with_context(|| path.display().to_string())?;
        files::write_bytes(path, text.as_bytes())
    }

    /// A text whose table between the two marks is this one.
    ///
    /// # Errors
    /// A text without the marks.
    pub fn in_markdown(&self, text: &str) -> Result<String> {
        let marks = || format!("the lines {BEGIN} and {END} are missing");
        let (before, rest) = text.split_once(BEGIN).with_context(marks)?;
        let (_, after) = rest.split_once(END).with_context(marks)?;
        Ok(format!("{before}{BEGIN}\n{self}{END}{after}"))
    }

    /// Draws the figures of the docs into a folder: learning curves, reliability, and metrics by
    /// group of people.
    ///
    /// # Errors
    /// A folder that can't be written.
    pub fn write_figures(models: &[Model], folder: &Path) -> Result<()> {
        for Model { name, card, .. } in models {
            let by = card.protocol.map_or("a split of its own", Protocol::name);
            plot::curves(&format!("{name}: training by {by}"), &card.history)?
                .save(folder.join(format!("{name}-curves.svg")))?;
            for test in &card.tests {
                for head in &test.heads {
                    let title =
                        |what: &str| format!("{name} on {}: {}, {what}", test.protocol, head.task);
                    let path = |what: &str| {
                        let task = head.task.name();
                        folder.join(format!("{name}-{}-{task}-{what}.svg", test.protocol))
                    };
                    plot::reliability(&title("reliability"), head)?.save(path("reliability"))?;
                    plot::breakdown(&title("by group"), head)?.save(path("by-group"))?;
                }
            }
        }
        Ok(())
    }
}

const BEGIN: &str = "<!-- results: made by `ror results --write` -->";
const END: &str = "<!-- end of results -->";

/// Four digits behind the point: more says nothing at these numbers of pictures.
fn rounded(value: f64) -> f64 {
    (1e4 * value).round() / 1e4
}

impl fmt::Display for PublishedResults {
    /// A table in Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "| protocol | model | what | value (95 % interval) | a constant prediction | pictures |\n\
             |---|---|---|---|---|---|\n",
        )?;
        for row in self.readable() {
            writeln!(
                f,
                "| {} | {} | {} | {} | {} | {} |",
                row.protocol,
                row.model,
                row.what(),
                row.in_words(),
                row.constant_in_words(),
                thousands(row.n)
            )?;
        }
        Ok(())
    }
}
