//! `models`: the networks that are there.

use std::fs;

use anyhow::Result;
use lab::{PublishedResults, trained_on};
use ror::data::Protocol;
use ror::metrics::Metric;
use ror::store::{DEFAULT_MODEL, Model, ModelStore};
use serde::Serialize;
use utils::escape;

#[derive(clap::Args)]
pub struct Args {
    /// Print one JSON object per network, one per line.
    #[arg(long)]
    json: bool,
}

/// A line of `--json`.
#[derive(Serialize)]
struct Line {
    name: String,
    /// Whether commands use it without --model.
    default: bool,
    /// Names of tasks.
    predicts: Vec<String>,
    /// Side of its input in pixels.
    input: u32,
    parameters: usize,
    /// Size of its weights; `None` if they are missing.
    bytes: Option<u64>,
    trained_on: String,
    card: String,
    /// On test sets.
    published: Vec<Measured>,
}

/// A published number.
#[derive(Serialize)]
struct Measured {
    protocol: Protocol,
    task: String,
    metric: Metric,
    value: f64,
    low: Option<f64>,
    high: Option<f64>,
    images: usize,
}

impl Line {
    fn new(model: &Model, shipped: bool) -> Self {
        let Model { name, path, card } = model;
        let rows = PublishedResults::new(std::slice::from_ref(model));
        let published = rows.rows().iter().map(|row| Measured {
            protocol: row.protocol,
            task: row.task.clone(),
            metric: row.metric,
            value: row.value,
            low: row.low,
            high: row.high,
            images: row.n,
        });
        Self {
            name: name.clone(),
            default: shipped && name == DEFAULT_MODEL,
            predicts: card.task.heads().iter().map(|task| task.name()).collect(),
            input: card.net.input(),
            parameters: card.parameters,
            bytes: fs::metadata(path.with_file_name(&card.weights)).map(|file| file.len()).ok(),
            trained_on: trained_on(card),
            card: path.display().to_string(),
            published: published.collect(),
        }
    }

    /// The cells of its row.
    fn cells(&self) -> [String; 8] {
        let mark = if self.default { " *" } else { "" };
        let published = |is_gender: bool, metric: Metric| {
            let wanted = (is_gender, metric);
            let of = |one: &&Measured| (one.task == "gender", one.metric) == wanted;
            let found = self.published.iter().find(of);
            found.map_or("-".to_owned(), |one| metric.format(one.value))
        };
        [
            escape::line(&self.name) + mark,
            self.predicts.join(", "),
            format!("{} px", self.input),
            self.bytes.map_or("missing".into(), |bytes| format!("{:.1} MB", bytes as f64 / 1e6)),
            self.trained_on.clone(),
            published(true, Metric::Accuracy),
            published(false, Metric::Mae),
            self.published.first().map_or("-".to_owned(), |one| one.protocol.to_string()),
        ]
    }
}

const HEADING: [&str; 8] =
    ["name", "predicts", "input", "weights", "trained on", "gender", "age, MAE", "test set"];

pub fn run(args: &Args) -> Result<()> {
    let store = ModelStore::default();
    let shipped = store.pretrained().len(); // they come first, and count where a run has the same name
    let lines = store.all().into_iter().enumerate();
    let lines: Vec<Line> = lines.map(|(i, model)| Line::new(&model, i < shipped)).collect();
    if args.json {
        return lines.iter().try_for_each(super::print_json);
    }
    if lines.is_empty() {
        note!("there are no models in {}", escape::path(store.folder()));
        return Ok(());
    }
    let mut rows = vec![HEADING.map(str::to_owned)];
    rows.extend(lines.iter().map(Line::cells));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..HEADING.len()).filter_map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        out!("{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    if lines.iter().any(|line| line.default) {
        note!("* used without --model");
    }
    Ok(())
}
