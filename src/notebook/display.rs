//! `evcxr_display` of this crate's types.

use std::fmt::Display;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Table;
use crate::data::{Duplicates, Faces, Split};
use crate::experiment::Search;
use crate::metrics::{Evaluation, Metrics};
use crate::model::{Net, Summary};
use crate::plot::{self, Figure};
use crate::predict::{FacePrediction, LabelledPrediction};
use crate::report::PublishedResults;
use crate::store::Trained;
use crate::support::progress::thousands;

/// Sends one block of content to the notebook.
pub(super) fn block(mime: &str, content: impl Display) {
    println!("EVCXR_BEGIN_CONTENT {mime}\n{content}\nEVCXR_END_CONTENT");
}

/// As plain text, in the words of `Display`.
macro_rules! show_as_text {
    ($($type:ty),+) => {$(
        impl $type {
            /// Shows it in a notebook cell.
            pub fn evcxr_display(&self) {
                block("text/plain", self);
            }
        }
    )+};
}

show_as_text!(Duplicates, Faces, Split, Metrics, Evaluation, FacePrediction);

impl Figure {
    /// Shows the figure in a notebook cell.
    pub fn evcxr_display(&self) {
        block("text/html", self.html());
    }
}

impl Summary {
    /// Shows the table in a notebook cell.
    pub fn evcxr_display(&self) {
        block("text/plain", self);
        block("text/html", self.to_html());
    }
}

impl PublishedResults {
    /// Shows all numbers as one table in a notebook cell.
    pub fn evcxr_display(&self) {
        block("text/plain", self);
        match self.table().and_then(|table| table.to_html(usize::MAX)) {
            Ok(html) => block("text/html", html),
            Err(error) => eprintln!("the numbers can't be shown: {error:#}"),
        }
    }
}

impl Net {
    /// Shows the net's layers in a notebook cell.
    pub fn evcxr_display(&self) {
        match self.summary() {
            Ok(summary) => summary.evcxr_display(),
            Err(error) => eprintln!("the net can't be shown: {error:#}"),
        }
    }
}

impl Trained {
    /// Shows in a notebook cell how the training went.
    pub fn evcxr_display(&self) {
        let card = &self.card;
        let best = card.history.best().map_or(0, |epoch| epoch.epoch);
        let mut text = format!(
            "{}: {} parameters, epoch {best} of {} kept, {:.1} minutes on {} ({}), {}",
            card.task,
            thousands(card.parameters),
            card.history.epochs.len(),
            card.minutes,
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

impl Search {
    /// Shows the search's plot in a notebook cell.
    pub fn evcxr_display(&self) {
        match self.plot() {
            Ok(figure) => figure.evcxr_display(),
            Err(error) => eprintln!("the search can't be drawn: {error:#}"),
        }
    }
}

impl LabelledPrediction {
    /// Prints the original's four lines and shows the picture beside the probabilities.
    pub fn evcxr_display(&self) {
        println!("{self}");
        block("text/html", self.to_html());
    }

    /// The picture and the probabilities as HTML.
    pub fn to_html(&self) -> String {
        let kind = if self.picture.starts_with(&[0xFF, 0xD8]) { "jpeg" } else { "png" };
        let face = &self.face;
        let gender = [("male".to_owned(), 1.0 - face.female), ("female".to_owned(), face.female)];
        let chart =
            |title, bars: &[(String, f64)], truth| match plot::probabilities(title, bars, truth) {
                Ok(figure) => figure.svg().to_owned(),
                Err(error) => format!("<p>{error:#}</p>"),
            };
        format!(
            "<div style='display:flex;gap:16px;flex-wrap:wrap'>\
             <div><img width='200' height='200' style='margin:20px 20px 0' alt='picture {}' \
             src='data:image/{kind};base64,{}'><br>{}</div><div>{}</div></div>",
            self.index,
            STANDARD.encode(&self.picture),
            chart("Gender", &gender, Some(self.label.gender as usize)),
            chart("Age group", &face.groups, self.true_group()),
        )
    }
}
