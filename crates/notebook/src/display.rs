//! `evcxr_display` for the library's types and for other types that cells end in.

use std::fmt::{Debug, Display};

use image::RgbImage;
use imaging::encode_png;
use polars::prelude::{Column, DataFrame, IntoColumn, LazyFrame, Series};
use serde::Serialize;
use serde_json::Value;

use super::Table;
use lab::{Explanation, PublishedResults};
use ror::data::{Duplicates, Faces, Split};
use ror::experiment::Search;
use ror::metrics::{Evaluation, Metrics};
use ror::model::{Net, NetConfig, RorConfig, Summary};
use ror::plot::{self, Chart, Figure};
use ror::predict::{FacePrediction, LabelledPrediction, Photo};
use ror::store::Trained;
use ror::train::Recipe;
use utils::html::{data_url, escape};
use utils::live::tell_failed;
use utils::progress::thousands;

/// A value that a notebook cell can show as its last expression.
///
/// evcxr calls `evcxr_display` on it. A `Result` shows its value, or its error in red.
pub trait Show {
    /// Shows the value in a notebook cell.
    fn evcxr_display(&self);
}

impl<T: Show, E: Debug> Show for Result<T, E> {
    fn evcxr_display(&self) {
        match self {
            Ok(value) => value.evcxr_display(),
            Err(error) => {
                eprintln!("{error:?}");
                failed();
            }
        }
    }
}

/// Tells the front that the cell failed, so that Run All stops there.
#[doc(hidden)]
pub fn failed() {
    tell_failed("the cell ended with an error");
}

/// `println!` for cells. When `?` ends a cell, evcxr's own code prints a marker and then reports
/// success, so the front must be told before.
#[doc(hidden)]
#[macro_export]
macro_rules! println_in_cell {
    ("{}", evcxr_internal_runtime::USER_ERROR_OCCURRED) => {{
        $crate::failed();
        ::std::println!("{}", evcxr_internal_runtime::USER_ERROR_OCCURRED)
    }};
    ($($anything:tt)*) => { ::std::println!($($anything)*) };
}

/// Reports a cell's panic in one line, without the kernel's stack frames.
pub(super) fn short_panics() {
    std::panic::set_hook(Box::new(|info| {
        let message = info.payload_as_str().unwrap_or("no message");
        tell_failed(message);
        // A cell is compiled as src/lib.rs, but its line numbers differ from the cell's.
        let place = info.location().filter(|place| place.file() != "src/lib.rs");
        let place = place.map_or("the cell".to_owned(), ToString::to_string);
        eprintln!("panic in {place}: {message}");
    }));
}

/// Sends one block of content to the notebook.
pub(super) fn block(mime: &str, content: impl Display) {
    println!("EVCXR_BEGIN_CONTENT {mime}\n{content}\nEVCXR_END_CONTENT");
}

/// Sends HTML, and plain text for clients that can't show HTML.
fn blocks(text: impl Display, html: impl Display) {
    block("text/plain", text);
    block("text/html", html);
}

/// Shows types as plain text, using `Display`.
macro_rules! show_as_text {
    ($($type:ty),+) => {$(
        impl Show for $type {
            fn evcxr_display(&self) {
                block("text/plain", self);
            }
        }
    )+};
}

show_as_text!(Duplicates, Faces, Metrics, Evaluation);

/// Shows plain values using `Debug`. Numbers need the method too: otherwise `let rate = 1e-3;`
/// followed by `rate` would not compile, because the type of `rate` is still open.
macro_rules! show_plainly {
    ($($type:ty),+) => {$(
        impl Show for $type {
            fn evcxr_display(&self) {
                block("text/plain", format!("{self:?}"));
            }
        }
    )+};
}

show_plainly!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, f32, f64, bool, char);
show_plainly!(str, String);

/// Shows nothing.
impl Show for () {
    fn evcxr_display(&self) {}
}

impl<T: Show> Show for Option<T> {
    fn evcxr_display(&self) {
        match self {
            Some(value) => value.evcxr_display(),
            None => block("text/plain", "None"),
        }
    }
}

/// Shows types as a table of their JSON fields.
macro_rules! show_fields {
    ($($type:ty),+) => {$(
        impl Show for $type {
            fn evcxr_display(&self) {
                blocks(format!("{self:?}"), fields(self));
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
    fn evcxr_display(&self) {
        let all = self.train.len() + self.validation.len() + self.test.len();
        let parts =
            [("train", &self.train), ("validation", &self.validation), ("test", &self.test)];
        let rows = parts.map(|(name, part)| {
            let share = 100.0 * part.len() as f64 / all.max(1) as f64;
            row(&[name, &thousands(part.len()), &format!("{share:.0} %")])
        });
        let note = self.to_string();
        let note = note.lines().last().unwrap_or_default();
        blocks(
            self,
            format!("{}<p style='font-size:12px'>{}</p>", table(&rows.concat()), escape(note)),
        );
    }
}

impl Show for DataFrame {
    fn evcxr_display(&self) {
        block("text/plain", self);
        match self.to_html(super::table::ROWS) {
            Ok(html) => block("text/html", html),
            Err(error) => eprintln!("cannot show the table as HTML: {error:#}"),
        }
    }
}

impl Show for Column {
    fn evcxr_display(&self) {
        self.clone().into_frame().evcxr_display();
    }
}

impl Show for Series {
    fn evcxr_display(&self) {
        self.clone().into_column().evcxr_display();
    }
}

impl Show for LazyFrame {
    fn evcxr_display(&self) {
        let plan = self.describe_plan().unwrap_or_else(|error| error.to_string());
        block("text/plain", format!("{plan}\n\nnot computed yet: add .collect()?"));
    }
}

impl Show for RgbImage {
    fn evcxr_display(&self) {
        let size = format!("{} x {} pixels", self.width(), self.height());
        match encode_png(self) {
            Ok(png) => blocks(
                format!("image of {size}"),
                format!("<img alt='{size}' src='{}'>", data_url("image/png", &png)),
            ),
            Err(error) => eprintln!("cannot show an image of {size}: {error:#}"),
        }
    }
}

impl Show for Figure {
    fn evcxr_display(&self) {
        blocks(format!("{self:?}"), self.html());
    }
}

impl Show for Chart {
    fn evcxr_display(&self) {
        self.figure().evcxr_display();
    }
}

impl Show for Summary {
    fn evcxr_display(&self) {
        blocks(self, self.to_html());
    }
}

impl Show for PublishedResults {
    fn evcxr_display(&self) {
        match self.table().and_then(|table| table.to_html(usize::MAX)) {
            Ok(html) => blocks(self, html),
            Err(error) => eprintln!("cannot show the results: {error:#}"),
        }
    }
}

impl Show for Explanation {
    fn evcxr_display(&self) {
        self.figure().evcxr_display();
    }
}

impl Show for Net {
    fn evcxr_display(&self) {
        self.summary().evcxr_display();
    }
}

impl Show for Search {
    fn evcxr_display(&self) {
        self.table().evcxr_display();
        self.plot().evcxr_display();
    }
}

impl Show for Trained {
    fn evcxr_display(&self) {
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
        block("text/plain", text);
    }
}

impl Show for FacePrediction {
    fn evcxr_display(&self) {
        blocks(self, charts(self, None, None));
    }
}

impl Show for [FacePrediction] {
    fn evcxr_display(&self) {
        let lines = self.iter().enumerate().map(|(i, face)| format!("{i}: {face}\n"));
        let rows = self.iter().enumerate().map(|(i, face)| {
            let sure = format!("{:.1} %", 100.0 * face.confidence());
            let age = format!("{:.0} years", face.age);
            row(&[&i.to_string(), face.gender.name(), &sure, &age, &face.age_group])
        });
        blocks(lines.collect::<String>().trim_end(), table(&rows.collect::<String>()));
    }
}

impl Show for LabelledPrediction {
    /// Shows the original project's four lines, and the image next to the probabilities.
    fn evcxr_display(&self) {
        println!("{self}");
        block("text/html", beside_chart(self));
    }
}

impl Show for [LabelledPrediction] {
    fn evcxr_display(&self) {
        plot::predictions(self).evcxr_display();
    }
}

impl Show for Photo {
    /// Shows the photo with boxes, and one line per face.
    fn evcxr_display(&self) {
        let lines = self.faces.iter().enumerate().map(|(i, face)| format!("{}: {face}", i + 1));
        let lines = lines.collect::<Vec<_>>();
        match plot::photo(self) {
            Ok(figure) => {
                let rows = lines.iter().map(|line| row(&[line])).collect::<String>();
                blocks(lines.join("\n"), figure.html() + &table(&rows));
            }
            Err(error) => eprintln!("cannot show the photo: {error:#}"),
        }
    }
}

/// Formats the image and the probabilities as HTML.
fn beside_chart(found: &LabelledPrediction) -> String {
    let jpeg = found.picture.starts_with(&[0xFF, 0xD8]);
    let picture = format!(
        "<img width='200' height='200' alt='image {}' src='{}'>",
        found.index,
        data_url(if jpeg { "image/jpeg" } else { "image/png" }, &found.picture)
    );
    charts(&found.face, Some(&picture), Some((found.label.gender as usize, found.true_group())))
}

/// Formats the probabilities as HTML, next to an image if there is one. `truth` is the true gender
/// and group.
fn charts(
    face: &FacePrediction,
    picture: Option<&str>,
    truth: Option<(usize, Option<usize>)>,
) -> String {
    let gender = [("male".to_owned(), 1.0 - face.female), ("female".to_owned(), face.female)];
    let chart = |title, bars: &[(String, f64)], truth| {
        let chart = plot::probabilities(title, bars, truth);
        match chart.and_then(|chart| chart.figure()) {
            Ok(figure) => figure.html(),
            Err(error) => format!("<p>{}</p>", escape(&format!("{error:#}"))),
        }
    };
    // A table, because an untrusted notebook drops flexboxes.
    let cell =
        |content: &str| format!("<td style='vertical-align:top;text-align:left'>{content}</td>");
    let genders = chart("Gender", &gender, truth.map(|(gender, _)| gender));
    let left = picture.map_or(String::new(), |picture| format!("{picture}<br>")) + &genders;
    let right = chart("Age group", &face.groups, truth.and_then(|(_, group)| group));
    format!("<table><tr style='background:none'>{}{}</tr></table>", cell(&left), cell(&right))
}
