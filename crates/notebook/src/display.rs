//! [`Show`] for the library's types, tables and images.

use image::RgbImage;
use imaging::encode_png;
use polars::prelude::{Column, DataFrame, IntoColumn, LazyFrame, Series};
use serde::Serialize;
use serde_json::Value;

use super::Table;
use super::show::{Output, Show};
use lab::{Comparison, Explanation, PublishedResults};
use ror::data::{Duplicates, Faces, Split};
use ror::experiment::Search;
use ror::metrics::{Evaluation, Metrics};
use ror::model::{Net, NetConfig, RorConfig, Summary};
use ror::plot::{self, Chart, Figure};
use ror::predict::{FacePrediction, LabelledPrediction, Photo};
use ror::store::Trained;
use ror::train::Recipe;
use utils::html::{data_url, escape};
use utils::progress::thousands;

/// Shows types as plain text, using `Display`.
macro_rules! show_as_text {
    ($($type:ty),+) => {$(
        impl Show for $type {
            fn output(&self) -> Result<Output, String> {
                Ok(Output::text(self))
            }
        }
    )+};
}

show_as_text!(Duplicates, Faces, Metrics, Evaluation);

/// Shows types as a table of their JSON fields.
macro_rules! show_fields {
    ($($type:ty),+) => {$(
        impl Show for $type {
            fn output(&self) -> Result<Output, String> {
                Ok(Output::html(format_args!("{self:?}"), fields(self)))
            }
        }
    )+};
}

show_fields!(Recipe, NetConfig, RorConfig);

/// Formats the name and value of each field as HTML.
fn fields(value: &impl Serialize) -> String {
    let mut rows = String::new();
    if let Ok(Value::Object(fields)) = serde_json::to_value(value) {
        for (name, value) in fields {
            let inner = match value {
                Value::Object(inner) => {
                    let inner = inner.iter().map(|(name, value)| format!("{name}: {value}"));
                    inner.collect::<Vec<_>>().join(", ")
                }
                Value::Null => "none".to_owned(),
                Value::String(text) => text,
                other => other.to_string(),
            };
            rows += &row(&[&name, &inner]);
        }
    }
    table(&rows)
}

pub(super) fn table(rows: &str) -> String {
    // Text breaks between words only: a wide table scrolls.
    let style = "border-collapse:collapse;font-size:13px;overflow-wrap:normal;word-break:normal";
    format!("<table style='{style}'>{rows}</table>")
}

pub(super) fn row(cells: &[&str]) -> String {
    let cells = cells
        .iter()
        .map(|cell| format!("<td style='text-align:left;padding:3px 10px'>{}</td>", escape(cell)));
    format!("<tr>{}</tr>", cells.collect::<String>())
}

impl Show for Split {
    fn output(&self) -> Result<Output, String> {
        let all = self.train.len() + self.validation.len() + self.test.len();
        let parts =
            [("train", &self.train), ("validation", &self.validation), ("test", &self.test)];
        let rows = parts.map(|(name, part)| {
            let share = 100.0 * part.len() as f64 / all.max(1) as f64;
            row(&[name, &thousands(part.len()), &format!("{share:.0} %")])
        });
        let note = self.to_string();
        let note = note.lines().last().unwrap_or_default();
        let note = format!("<p style='font-size:12px'>{}</p>", escape(note));
        Ok(Output::html(self, table(&rows.concat()) + &note))
    }
}

impl Show for DataFrame {
    fn output(&self) -> Result<Output, String> {
        match self.to_html(super::table::ROWS) {
            Ok(html) => Ok(Output::html(self, html)),
            Err(error) => Err(format!("cannot show the table as HTML: {error:#}")),
        }
    }
}

impl Show for Column {
    fn output(&self) -> Result<Output, String> {
        self.clone().into_frame().output()
    }
}

impl Show for Series {
    fn output(&self) -> Result<Output, String> {
        self.clone().into_column().output()
    }
}

impl Show for LazyFrame {
    fn output(&self) -> Result<Output, String> {
        let plan = self.describe_plan().unwrap_or_else(|error| error.to_string());
        Ok(Output::text(format_args!("{plan}\n\nnot computed yet: add .collect()?")))
    }
}

impl Show for RgbImage {
    fn output(&self) -> Result<Output, String> {
        let size = format!("{} x {} pixels", self.width(), self.height());
        match encode_png(self) {
            Ok(png) => Ok(Output::html(
                format_args!("image of {size}"),
                format_args!("<img alt='{size}' src='{}'>", data_url("image/png", &png)),
            )),
            Err(error) => Err(format!("cannot show an image of {size}: {error:#}")),
        }
    }
}

impl Show for Figure {
    fn output(&self) -> Result<Output, String> {
        Ok(Output::html(format_args!("{self:?}"), self.html()))
    }
}

impl Show for Chart {
    fn output(&self) -> Result<Output, String> {
        self.figure().output()
    }
}

impl Show for Summary {
    fn output(&self) -> Result<Output, String> {
        Ok(Output::html(self, self.to_html()))
    }
}

impl Show for PublishedResults {
    fn output(&self) -> Result<Output, String> {
        match self.table().and_then(|table| table.to_html(usize::MAX)) {
            Ok(html) => Ok(Output::html(self, html)),
            Err(error) => Err(format!("cannot show the results: {error:#}")),
        }
    }
}

impl Show for Comparison {
    fn output(&self) -> Result<Output, String> {
        (self.table(), self.plot()).output()
    }
}

impl Show for Explanation {
    fn output(&self) -> Result<Output, String> {
        self.figure().output()
    }
}

impl Show for Net {
    fn output(&self) -> Result<Output, String> {
        self.summary().output()
    }
}

impl Show for Search {
    fn output(&self) -> Result<Output, String> {
        (self.table(), self.plot()).output()
    }
}

impl Show for Trained {
    fn output(&self) -> Result<Output, String> {
        let card = &self.card;
        let best = card.history.best().map_or(0, |epoch| epoch.epoch);
        let own = card.history.seconds() / 60.0;
        let mut minutes = format!("{own:.1} minutes");
        if card.minutes - own > 0.05 {
            minutes +=
                &format!(" (plus {:.1} for the networks it started from)", card.minutes - own);
        }
        let mut text = format!(
            "{}: {} parameters, epoch {best} of {} kept, {minutes} on {} ({}), {}",
            card.task,
            thousands(card.parameters),
            card.history.epochs.len(),
            card.hardware,
            card.precision,
            card.date
        );
        for metrics in &card.validation {
            text += &format!("\nvalidation, {}, {metrics}", metrics.task);
        }
        Ok(Output::text(text))
    }
}

impl Show for FacePrediction {
    fn output(&self) -> Result<Output, String> {
        Ok(Output::html(self, charts(self, None, None)))
    }

    fn output_of_all(faces: &[&Self]) -> Result<Output, String> {
        let lines = faces.iter().enumerate().map(|(i, face)| format!("{i}: {face}\n"));
        let rows = faces.iter().enumerate().map(|(i, face)| {
            let sure = format!("{:.1} %", 100.0 * face.confidence());
            let age = format!("{:.0} years", face.age);
            row(&[&i.to_string(), face.gender.name(), &sure, &age, &face.age_group])
        });
        let rows = table(&rows.collect::<String>());
        Ok(Output::html(lines.collect::<String>().trim_end(), rows))
    }
}

impl Show for LabelledPrediction {
    /// Shows the image next to the probabilities. The text is the original project's four lines.
    fn output(&self) -> Result<Output, String> {
        Ok(Output::html(self, beside_chart(self)))
    }

    fn output_of_all(found: &[&Self]) -> Result<Output, String> {
        let found: Vec<Self> = found.iter().map(|one| (*one).clone()).collect();
        plot::predictions(&found).output()
    }
}

impl Show for Photo {
    /// Shows the photo with boxes, and one line per face.
    fn output(&self) -> Result<Output, String> {
        let lines = self.faces.iter().enumerate().map(|(i, face)| format!("{}: {face}", i + 1));
        let lines = lines.collect::<Vec<_>>();
        match plot::photo(self) {
            Ok(figure) => {
                let rows = lines.iter().map(|line| row(&[line])).collect::<String>();
                Ok(Output::html(lines.join("\n"), figure.html() + &table(&rows)))
            }
            Err(error) => Err(format!("cannot show the photo: {error:#}")),
        }
    }
}

/// Formats the image and the probabilities as HTML.
fn beside_chart(found: &LabelledPrediction) -> String {
    let jpeg = found.picture.starts_with(&[0xFF, 0xD8]);
    let picture = format!(
        "<img class='{}' width='200' height='200' alt='image {}' src='{}'>",
        if found.synthetic { "ror-synthetic" } else { plot::PHOTOGRAPHS },
        found.index,
        data_url(if jpeg { "image/jpeg" } else { "image/png" }, &found.picture)
    );
    let truth = Some((found.label.gender as usize, found.true_group()));
    let note = found.note().map(|note| format!("<p>{}</p>", escape(&note)));
    charts(&found.face, Some(&picture), truth) + &note.unwrap_or_default()
}

/// Formats the probabilities as HTML, next to an image if there is one. `truth` is the true gender
/// and group.
fn charts(
    face: &FacePrediction,
    picture: Option<&str>,
    truth: Option<(usize, Option<usize>)>,
) -> String {
    let gender = [("male".to_owned(), 1.0 - face.female), ("female".to_owned(), face.female)];
    let chart = |title, bars: &[(String, f64)], predicted, truth| {
        let chart = plot::probabilities(title, bars, predicted, truth);
        match chart.and_then(|chart| chart.figure()) {
            Ok(figure) => figure.html(),
            Err(error) => format!("<p>{}</p>", escape(&format!("{error:#}"))),
        }
    };
    // A table, because an untrusted notebook drops flexboxes.
    let cell =
        |content: &str| format!("<td style='vertical-align:top;text-align:left'>{content}</td>");
    let genders = chart("Gender", &gender, face.gender as usize, truth.map(|(gender, _)| gender));
    let left = picture.map_or(String::new(), |picture| format!("{picture}<br>")) + &genders;
    let group = truth.and_then(|(_, group)| group);
    let right = chart("Age group", &face.groups, face.group, group);
    format!("<table><tr style='background:none'>{}{}</tr></table>", cell(&left), cell(&right))
}
