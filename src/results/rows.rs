//! From the cards of the models that ship to `models/results.csv` and the README's table.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use polars::prelude::{DataFrame, df};

use crate::evaluate::Interval;
use crate::files;
use crate::train::{Card, shipped};

/// One number of one net on one test part.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The protocol of the test part.
    pub protocol: String,
    /// The model's name.
    pub model: String,
    /// `gender`, `age` (in groups) or `years`.
    pub task: String,
    /// `accuracy`, `one-off accuracy`, `MAE`, `CS@5`, `ECE` or `loss`.
    pub metric: String,
    /// The number with its 95 % interval: a share, years (MAE) or nats (loss).
    pub value: Interval,
    /// How many pictures.
    pub n: usize,
    /// Side of the net's input, pixels.
    pub size: u32,
    /// Numbers that were learnt.
    pub parameters: usize,
    /// The training's seed.
    pub seed: u64,
    /// Which contents are in which part.
    pub split_fingerprint: String,
    /// Which data set.
    pub data_fingerprint: String,
    /// Minutes of training, those of the net it started from included.
    pub minutes: f64,
    /// What it was trained on.
    pub hardware: String,
    /// Day the test part was opened, UTC.
    pub date: String,
    /// What measures it again.
    pub command: String,
    /// What the best constant answer reaches.
    pub baseline: Option<f64>,
}

/// All numbers of the models that ship; a notebook shows them as a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Published(pub Vec<Row>);

/// The numbers of the models that ship.
pub fn published() -> Published {
    Published(rows(&shipped()))
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&table(&self.0))
    }
}

const HEADING: &str = "protocol,model,task,metric,value,low,high,n,size,parameters,seed,split_fingerprint,data_fingerprint,minutes,hardware,date,command";

/// Where the numbers are kept.
pub fn csv_path() -> PathBuf {
    files::models().join("results.csv")
}

/// All rows of some models, by protocol.
pub fn rows(models: &[(String, Card)]) -> Vec<Row> {
    let mut rows: Vec<Row> = models
        .iter()
        .flat_map(|(model, card)| {
            card.tests.iter().flat_map(move |test| {
                test.heads.iter().flat_map(move |head| {
                    head.named()
                        .into_iter()
                        .map(move |(metric, value, baseline)| Row {
                            protocol: test.protocol.name().to_owned(),
                            model: model.clone(),
                            task: head.task.name(),
                            metric: metric.to_owned(),
                            value,
                            n: head.pictures,
                            size: card.net.input,
                            parameters: card.parameters,
                            seed: card.recipe.seed,
                            split_fingerprint: test.split.clone(),
                            data_fingerprint: card.data.fingerprint.clone(),
                            minutes: card.minutes,
                            hardware: card.hardware.clone(),
                            date: test.date.clone(),
                            command: test.command.clone(),
                            baseline,
                        })
                })
            })
        })
        .collect();
    rows.sort_by(|a, b| a.protocol.cmp(&b.protocol));
    rows
}

/// The rows as the text of `models/results.csv`.
pub fn csv(rows: &[Row]) -> String {
    let mut text = format!("{HEADING}\n");
    for row in rows {
        let Interval { value, low, high } = row.value;
        text += &format!(
            "{},{},{},{},{value:.4},{low:.4},{high:.4},{},{},{},{},{},{},{:.1},\"{}\",{},{}\n",
            row.protocol,
            row.model,
            row.task,
            row.metric,
            row.n,
            row.size,
            row.parameters,
            row.seed,
            row.split_fingerprint,
            row.data_fingerprint,
            row.minutes,
            row.hardware,
            row.date,
            row.command
        );
    }
    text
}

/// Writes [`csv`].
///
/// # Errors
/// A path that can't be written.
pub fn write_csv(path: &Path, rows: &[Row]) -> Result<()> {
    files::write_bytes(path, csv(rows).as_bytes())
}

/// A number as it is read: `91.2 % (90.5 to 91.9)`, or with its unit.
fn words(row: &Row) -> String {
    let Interval { value, low, high } = row.value;
    match row.metric.as_str() {
        "MAE" => format!("{value:.2} years ({low:.2} to {high:.2})"),
        "loss" => row.value.to_string(),
        _ => row.value.percent(),
    }
}

fn constant(row: &Row) -> String {
    match (row.metric.as_str(), row.baseline) {
        (_, None) => String::new(),
        ("MAE", Some(baseline)) => format!("{baseline:.2} years"),
        (_, Some(baseline)) => format!("{:.1} %", baseline * 100.0),
    }
}

/// What a row is of, in words: `age group, one-off accuracy`.
fn what(row: &Row) -> String {
    let task = match row.task.as_str() {
        "years" => "age",
        "age" => "age group",
        other => other,
    };
    format!("{task}, {}", row.metric)
}

/// The rows that a table for reading has: all but the loss.
fn readable(rows: &[Row]) -> impl Iterator<Item = &Row> {
    rows.iter().filter(|row| row.metric != "loss")
}

/// The rows as a table in Markdown.
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| protocol | model | what | value (95 % interval) | a constant answer | pictures |\n\
         |---|---|---|---|---|---|\n",
    );
    for row in readable(rows) {
        text += &format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            row.protocol,
            row.model,
            what(row),
            words(row),
            constant(row),
            crate::progress::thousands(row.n)
        );
    }
    text
}

/// The same table as a data frame of words, for notebooks.
///
/// # Errors
/// None that rows can cause.
pub(crate) fn in_words(rows: &[Row]) -> Result<DataFrame> {
    let column = |text: fn(&Row) -> String| readable(rows).map(text).collect::<Vec<String>>();
    Ok(df!(
        "protocol" => column(|row| row.protocol.clone()),
        "model" => column(|row| row.model.clone()),
        "what" => column(what),
        "value (95 % interval)" => column(words),
        "a constant answer" => column(constant),
        "pictures" => readable(rows).map(|row| row.n as u32).collect::<Vec<_>>(),
        "px" => readable(rows).map(|row| row.size).collect::<Vec<_>>(),
        "minutes" => readable(rows).map(|row| row.minutes.round()).collect::<Vec<_>>(),
    )?)
}

const BEGIN: &str = "<!-- results: made by `ror results --write` -->";
const END: &str = "<!-- end of results -->";

/// A text whose table between the two marks is that of `rows`.
///
/// # Errors
/// A text without the marks.
pub fn with_table(text: &str, rows: &[Row]) -> Result<String> {
    let marks = || format!("the README lacks the lines {BEGIN} and {END}");
    let (before, rest) = text.split_once(BEGIN).with_context(marks)?;
    let (_, after) = rest.split_once(END).with_context(marks)?;
    Ok(format!("{before}{BEGIN}\n{}{END}{after}", table(rows)))
}
