//! What was measured, and how it is written down.

use std::collections::BTreeMap;
use std::fmt;

use crate::project;
use anyhow::{Context, Result, bail, ensure};

use serde::{Deserialize, Serialize};

/// One run of one side of a wait.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    /// The rival's name with versions; empty for ours.
    pub name: String,
    pub seconds: f64,
    pub peak_mb: f64,
    /// What shows that both sides did the same work.
    pub check: BTreeMap<String, f64>,
}

/// One wait beside one rival, run by run; ratios above 1 are ours being faster.
pub struct Row {
    pub wait: String,
    pub ours: Vec<Measured>,
    pub rival: Vec<Measured>,
}

pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn seconds_of(runs: &[Measured]) -> Vec<f64> {
    runs.iter().map(|run| run.seconds).collect()
}

fn peak_of(runs: &[Measured]) -> f64 {
    median(&runs.iter().map(|run| run.peak_mb).collect::<Vec<_>>())
}

pub const HEADING: &str =
    "wait,ours,rival,rival_name,ratio,low,high,peak_mb_ours,peak_mb_rival,hardware,date";

impl Row {
    /// Median, lowest and highest ratio of the pairs of runs; without a rival, of nothing.
    fn ratio(&self) -> Option<[f64; 3]> {
        let mut ratios: Vec<f64> = seconds_of(&self.rival)
            .iter()
            .zip(seconds_of(&self.ours))
            .map(|(rival, ours)| rival / ours)
            .collect();
        ratios.sort_by(f64::total_cmp);
        let (low, high) = (*ratios.first()?, *ratios.last()?);
        Some([median(&ratios), low, high])
    }

    pub fn csv(&self, hardware: &str, date: &str) -> String {
        let ours = median(&seconds_of(&self.ours));
        let number = |value: f64, digits: usize| match value.is_finite() {
            true => format!("{value:.digits$}"),
            false => String::new(),
        };
        let (rival, name, peak) = match self.rival.first() {
            Some(first) => (
                number(median(&seconds_of(&self.rival)), 4),
                first.name.clone(),
                number(peak_of(&self.rival), 0),
            ),
            None => Default::default(),
        };
        let [ratio, low, high] = self.ratio().unwrap_or([f64::NAN; 3]).map(|r| number(r, 2));
        let peak_ours = number(peak_of(&self.ours), 0);
        format!(
            "\"{}\",{ours:.4},{rival},\"{name}\",{ratio},{low},{high},{peak_ours},{peak},\"{hardware}\",{date}",
            self.wait
        )
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.wait, time(median(&seconds_of(&self.ours))))?;
        if let (Some(first), Some([ratio, low, high])) = (self.rival.first(), self.ratio()) {
            let rival = time(median(&seconds_of(&self.rival)));
            write!(f, ", {} {rival}: {ratio:.2}x ({low:.2} to {high:.2})", first.name)?;
        }
        Ok(())
    }
}

/// Seconds in the unit that reads best.
pub fn time(seconds: f64) -> String {
    match seconds {
        s if s < 0.1 => format!("{:.1} ms", s * 1000.0),
        s if s < 100.0 => format!("{s:.2} s"),
        s => format!("{:.0} min {:02.0} s", (s / 60.0).floor(), s % 60.0),
    }
}

impl Measured {
    /// Seconds alone.
    pub fn of(seconds: f64) -> Self {
        Self { name: String::new(), seconds, peak_mb: f64::NAN, check: BTreeMap::new() }
    }
}

/// Refuses a row whose sides did not do the same work: a figure of theirs differs by more.
pub fn close(row: &Row, figure: &str, within: f64) -> Result<()> {
    for (ours, rival) in row.ours.iter().zip(&row.rival) {
        let (ours, theirs) = (ours.check[figure], rival.check[figure]);
        ensure!(
            (ours - theirs).abs() <= within,
            "{}: {figure} is {ours}, but {theirs} of {}",
            row.wait,
            rival.name
        );
    }
    Ok(())
}

/// Puts rows into benches/results.csv and docs/speed.md, in place of those of the same waits.
pub fn keep(rows: &[Row]) -> Result<()> {
    let path = project::home().join("benches").join("results.csv");
    let old = project::read(&path).unwrap_or_default();
    let (hardware, date) = project::stamp();
    let replaced =
        |line: &str| rows.iter().any(|row| line.starts_with(&format!("\"{}\"", row.wait)));
    let mut lines: Vec<String> = old
        .lines()
        .skip(1)
        .filter(|line| !replaced(line))
        .map(str::to_owned)
        .chain(rows.iter().map(|row| row.csv(&hardware, &date)))
        .collect();
    let rank = |line: &String| ORDER.iter().position(|wait| line.starts_with(&format!("\"{wait}")));
    lines.sort_by_key(|line| rank(line).unwrap_or(ORDER.len()));
    let csv = format!("{HEADING}\n{}\n", lines.join("\n"));
    project::write(&path, &csv)?;
    put("speed.md", BEGIN, END, &markdown(&lines)?)
}

/// Puts a table into a page of docs/, between its marks.
pub fn put(page: &str, begin: &str, end: &str, table: &str) -> Result<()> {
    let path = project::home().join("docs").join(page);
    let text = project::read(&path)?;
    let (before, rest) =
        text.split_once(begin).with_context(|| format!("docs/{page} has lost its mark"))?;
    let (_, after) =
        rest.split_once(end).with_context(|| format!("docs/{page} has lost its end mark"))?;
    project::write(&path, &format!("{before}{begin}\n{table}{end}{after}"))
}

/// How the rows are ordered, by how their waits begin.
const ORDER: [&str; 13] = [
    "decode",
    "second load",
    "training step, 32",
    "training step, 64",
    "gender as right",
    "predict one",
    "predict a folder",
    "predict the faces of a photo",
    "predict the faces of a folder",
    "fresh kernel",
    "a plain cell",
    "make run",
    "make test",
];
const BEGIN: &str = "<!-- waits: made by `make bench` -->";
const END: &str = "<!-- end of waits -->";

/// The lines of the CSV as a table to read.
fn markdown(lines: &[String]) -> Result<String> {
    let mut text = String::from(
        "| wait | this | rival | ratio (lowest to highest) | memory, MB: this, rival | on |\n|---|---|---|---|---|---|\n",
    );
    for line in lines {
        let fields = fields(line);
        let [wait, ours, rival, name, ratio, low, high, mine, theirs, hardware, _] = &fields[..]
        else {
            bail!("a line of benches/results.csv has too few fields: {line}");
        };
        let (ours, mut other, mut ratios) = (time(ours.parse()?), String::new(), String::new());
        if !name.is_empty() {
            // "torch 2.11.0, eager": the versions are in the CSV file.
            let names = name.split(", ").map(|part| match part.split_once(' ') {
                Some((name, version)) if version.starts_with(char::is_numeric) => name,
                _ => part,
            });
            let names = names.collect::<Vec<_>>().join(", ");
            other = format!("{}, {names}", time(rival.parse()?));
            ratios = format!("**{ratio}x** ({low} to {high})");
        }
        let memory = [mine, theirs].map(|mb| mb.as_str()).join(", ");
        let memory = memory.trim_matches([',', ' ']);
        // "Intel(R) Xeon(R) Processor, 2 cores"
        let processor = hardware.split(',').next().unwrap_or_default();
        let processor = processor.replace("(R)", "").replace(" Processor", "");
        let processor = processor.rsplit(' ').next().unwrap_or_default();
        text += &format!("| {wait} | {ours} | {other} | {ratios} | {memory} | {processor} |\n");
    }
    Ok(text)
}

/// The fields of a line of CSV whose quotes hold no quotes.
pub fn fields(line: &str) -> Vec<String> {
    let mut quoted = false;
    line.split(|c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
    .map(|field| field.trim_matches('"').to_owned())
    .collect()
}
