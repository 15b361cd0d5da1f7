//! The published results from the cards of the shipped models: as a table, as `models/results.csv`,
//! and as the figures in the docs.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use polars::prelude::{DataFrame, df};
use serde::Serialize;

use ror::data::Protocol;
use ror::metrics::{Interval, Metric};
use ror::plot;
use ror::store::{Card, DEFAULT_MODEL, Model, ModelStore};
use utils::files;
use utils::progress::thousands;

/// One metric of one network on one test set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The protocol of the test set.
    pub protocol: Protocol,
    /// The model's name.
    pub model: String,
    /// Training data: `UTKFace`, or `UTKFace and other faces` for a network that started or learned
    /// from pretrained weights.
    pub trained_on: String,
    /// Name of the task: `gender`, `age-group` or `years`.
    pub task: String,
    /// The metric.
    pub metric: Metric,
    /// The value: a share of 0 to 1, years (MAE) or nats (loss).
    pub value: f64,
    /// Lower end of its 95 % confidence interval; empty for the calibration error.
    pub low: Option<f64>,
    /// Upper end of its 95 % confidence interval; empty for the calibration error.
    pub high: Option<f64>,
    /// The value of the best constant prediction.
    pub constant: Option<f64>,
    /// Number of images.
    pub n: usize,
    /// Side of the network's input in pixels.
    pub size: u32,
    /// Number of trained parameters.
    pub parameters: usize,
    /// The training's seed.
    pub seed: u64,
    /// Fingerprint of the split.
    pub split_fingerprint: String,
    /// Fingerprint of the data set.
    pub data_fingerprint: String,
    /// Minutes of training, including the networks it started from.
    pub minutes: f64,
    /// The hardware it was trained on.
    pub hardware: String,
    /// Date on which the test set was used, UTC.
    pub date: String,
    /// The command that measures it again.
    pub command: String,
}

impl Row {
    /// The value with its 95 % confidence interval.
    pub fn interval(&self) -> Interval {
        let (value, end) = (self.value, |end: Option<f64>| end.unwrap_or(self.value));
        Interval { value, low: end(self.low), high: end(self.high) }
    }

    /// The task and metric in words, such as `age-group, one-off accuracy`.
    pub(crate) fn what(&self) -> String {
        format!("{}, {}", self.task, self.metric.name())
    }

    fn in_words(&self) -> String {
        self.metric.format_interval(&self.interval())
    }
}

/// All results of the shipped models, sorted by protocol. A notebook shows them as a table.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedResults(Vec<Row>);

impl PublishedResults {
    /// Collects the results of the models in the local store.
    pub fn open() -> Self {
        Self::new(&ModelStore::default().pretrained())
    }

    /// Collects the results of some models.
    pub fn new(models: &[Model]) -> Self {
        let mut rows = vec![];
        for Model { name, card, .. } in models {
            for test in &card.tests {
                for head in &test.heads {
                    let values = head.values().into_iter();
                    rows.extend(values.map(|(metric, value, constant)| Row {
                        protocol: test.protocol,
                        model: name.clone(),
                        trained_on: trained_on(card),
                        task: head.task.name(),
                        metric,
                        value: rounded(value.value),
                        low: metric.has_interval().then_some(rounded(value.low)),
                        high: metric.has_interval().then_some(rounded(value.high)),
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

    /// The rows, one per metric.
    pub fn rows(&self) -> &[Row] {
        &self.0
    }

    /// One entry for each model and protocol: its first row, and gender accuracy, age-group accuracy,
    /// one-off accuracy and MAE in words, empty where it does not predict them.
    fn by_model(&self) -> Vec<(&Row, [String; 4])> {
        let groups = self.0.chunk_by(|a, b| (a.protocol, &a.model) == (b.protocol, &b.model));
        groups
            .map(|same| {
                let cell = |is_gender: bool, metric: Metric| {
                    let wanted = (is_gender, metric);
                    let found = same.iter().find(|r| (r.task == "gender", r.metric) == wanted);
                    found.map_or(String::new(), Row::in_words)
                };
                let cells = [
                    cell(true, Metric::Accuracy),
                    cell(false, Metric::Accuracy),
                    cell(false, Metric::OneOff),
                    cell(false, Metric::Mae),
                ];
                (&same[0], cells)
            })
            .collect()
    }

    /// Returns the results as a table of formatted values with their intervals, one row for each
    /// model and protocol.
    ///
    /// # Errors
    /// polars fails, which is not expected.
    pub fn table(&self) -> Result<DataFrame> {
        let all = self.by_model();
        let row =
            |text: fn(&Row) -> String| all.iter().map(|(row, _)| text(row)).collect::<Vec<_>>();
        let cell = |i: usize| all.iter().map(|(_, cells)| cells[i].clone()).collect::<Vec<_>>();
        Ok(df!(
            "protocol" => row(|row| row.protocol.to_string()),
            "model" => row(|row| row.model.clone()),
            "trained on" => row(|row| row.trained_on.clone()),
            "images" => all.iter().map(|(row, _)| row.n as u32).collect::<Vec<_>>(),
            "gender" => cell(0),
            "age group" => cell(1),
            "at most one off" => cell(2),
            "MAE" => cell(3),
        )?)
    }

    /// Writes the rows as CSV.
    ///
    /// # Errors
    /// The path can't be written.
    pub fn write_csv(&self, path: &Path) -> Result<()> {
        files::write_csv(path, &self.0)
    }

    /// Replaces the table between the two marks in a Markdown file.
    ///
    /// # Errors
    /// The file lacks the marks or can't be written.
    pub fn write_markdown(&self, path: &Path) -> Result<()> {
        let text = self.in_markdown(&files::read_text(path)?);
        let text = text.with_context(|| path.display().to_string())?;
        files::write_bytes(path, text.as_bytes())
    }

    /// Returns a text with the table between the two marks replaced.
    ///
    /// # Errors
    /// The text lacks the marks.
    pub fn in_markdown(&self, text: &str) -> Result<String> {
        let marks = || format!("the lines {BEGIN} and {END} are missing");
        let (before, rest) = text.split_once(BEGIN).with_context(marks)?;
        let (_, after) = rest.split_once(END).with_context(marks)?;
        Ok(format!("{before}{BEGIN}\n{self}{END}{after}"))
    }

    /// Draws the figures of the docs to a folder: a learning curve for each model, and for the
    /// default model reliability diagrams and metrics by group of people.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn write_figures(models: &[Model], folder: &Path) -> Result<()> {
        for Model { name, card, .. } in models {
            let by = card.protocol.map_or("a custom split", Protocol::name);
            plot::curves(&format!("{name}: training on {by}"), &card.history)?
                .save(folder.join(format!("{name}-curves.svg")))?;
            if name != DEFAULT_MODEL {
                continue;
            }
            for head in card.tests.iter().flat_map(|test| &test.heads) {
                let task = head.task;
                let title = |what: &str| format!("{name}: {task}, {what}");
                let path = |what: &str| folder.join(format!("{name}-{task}-{what}.svg"));
                plot::reliability(&title("reliability"), head)?.save(path("reliability"))?;
                plot::breakdown(&title("by group"), head)?.save(path("by-group"))?;
            }
        }
        Ok(())
    }
}

const BEGIN: &str = "<!-- results: made by `ror results --write` -->";
const END: &str = "<!-- end of results -->";

const ALONE: &str = "UTKFace";
const AND_OTHERS: &str = " and other faces";

/// What a network was trained on: `UTKFace`, `own data, 260 images` or `synthetic faces`, with `and
/// other faces` if it started or learned from pretrained weights.
pub fn trained_on(card: &Card) -> String {
    let own = match card.protocol {
        _ if card.data.synthetic => "synthetic faces".to_owned(),
        Some(_) => ALONE.to_owned(),
        None => format!("own data, {} images", thousands(card.data.pictures)),
    };
    if card.pretrained.is_some() { own + AND_OTHERS } else { own }
}

/// Rounds to four decimals, which is enough for these numbers of images.
fn rounded(value: f64) -> f64 {
    (1e4 * value).round() / 1e4
}

impl fmt::Display for PublishedResults {
    /// Formats the results in Markdown: a table for each kind of training data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.by_model();
        for trained_on in [ALONE.to_owned(), format!("{ALONE}{AND_OTHERS}")] {
            let mut own = all.iter().filter(|(row, _)| row.trained_on == trained_on).peekable();
            if own.peek().is_none() {
                continue;
            }
            write!(
                f,
                "\n**Trained on {trained_on}**\n\n\
                 | protocol | model | images | gender | age group | at most one group off | MAE |\n\
                 |---|---|---|---|---|---|---|\n"
            )?;
            for (Row { protocol, model, n, .. }, cells) in own {
                let (n, cells) = (thousands(*n), cells.join(" | "));
                writeln!(f, "| {protocol} | {model} | {n} | {cells} |")?;
            }
        }
        Ok(())
    }
}
