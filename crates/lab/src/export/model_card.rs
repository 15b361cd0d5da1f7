//! A net's `README.md`: what Hugging Face calls its model card, from the card of the store.

use std::fmt::{self, Display, Formatter};

use super::format::Format;
use crate::{PublishedResults, Row};
use ror::Task;
use ror::metrics::{By, Metric};
use ror::store::{Card, Model, Trained};
use utils::progress::thousands;

/// The text: metadata as YAML, then what a reader must know.
pub(super) struct ModelCard<'a> {
    name: String,
    card: &'a Card,
    results: PublishedResults,
    format: Format,
}

impl<'a> ModelCard<'a> {
    pub(super) fn of(net: &'a Trained, format: Format) -> Self {
        let (name, card) = (net.known_as(), &net.card);
        let model = Model { name: name.clone(), path: net.weights(), card: card.clone() };
        Self { name, card, results: PublishedResults::of(&[model]), format }
    }
}

impl Display for ModelCard<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.metadata(f)?;
        self.introduction(f)?;
        match self.format {
            Format::HuggingFace => self.use_of_weights(f)?,
            Format::Onnx => self.use_of_onnx(f)?,
        }
        self.accuracy(f)?;
        self.training(f)?;
        self.limits(f)
    }
}

/// On whose terms the weights may be used.
#[derive(PartialEq, Eq)]
enum Terms {
    /// Trained on UTKFace, or from a net that was.
    UtkFace,
    /// Trained on synthetic faces alone.
    Synthetic,
    /// Trained on pictures of the user's own.
    Own,
}

impl Terms {
    fn yaml(&self) -> &'static str {
        match self {
            Terms::UtkFace => {
                "license: other\n\
                 license_name: utkface-non-commercial-research\n\
                 license_link: https://susanqq.github.io/UTKFace/\n"
            }
            Terms::Synthetic => "license: mit\n",
            Terms::Own => "license: other\nlicense_name: that-of-the-pictures\n",
        }
    }

    fn sentence(&self) -> &'static str {
        match self {
            Terms::UtkFace => {
                "**For non-commercial research only**: so says the licence of\n\
                 [UTKFace](https://susanqq.github.io/UTKFace/), on which it was trained."
            }
            Terms::Synthetic => {
                "It was trained on synthetic faces and says nothing about real ones."
            }
            Terms::Own => "The terms of the pictures it was trained on cover it, too.",
        }
    }
}

impl ModelCard<'_> {
    fn terms(&self) -> Terms {
        let Card { protocol, start, teachers, .. } = self.card;
        match protocol.is_none() && start.is_none() && teachers.is_empty() {
            true if self.card.data.synthetic => Terms::Synthetic,
            true => Terms::Own,
            false => Terms::UtkFace,
        }
    }

    fn has_gender(&self) -> bool {
        self.card.task.heads().contains(&Task::Gender)
    }

    /// Whether ages are told apart in groups alone.
    fn is_grouped(&self) -> bool {
        matches!(self.card.task, Task::AgeGroup { .. })
    }

    /// The front matter. A string in quotation marks is written as JSON, which YAML contains.
    fn metadata(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (library, loader) = match self.format {
            Format::HuggingFace => ("pytorch", Some("pytorch_model_hub_mixin")),
            Format::Onnx => ("onnx", None),
        };
        let terms = self.terms();
        writeln!(f, "---\n{}library_name: {library}", terms.yaml())?;
        f.write_str("pipeline_tag: image-classification\ntags:\n")?;
        let gender = self.has_gender().then_some("gender-estimation");
        let age = self.card.task.has_age().then_some("age-estimation");
        for tag in ["face", "ror"].into_iter().chain(gender).chain(age).chain(loader) {
            writeln!(f, "- {tag}")?;
        }
        if self.results.rows().is_empty() {
            return f.write_str("---\n");
        }
        writeln!(f, "model-index:\n- name: {}\n  results:", quoted(&self.name))?;
        let mut last = None;
        for row in self.results.rows() {
            let (protocol, task) = (row.protocol, &row.task);
            if last != Some((protocol, task)) {
                last = Some((protocol, task));
                let name = quoted(&format!("UTKFace, protocol {protocol}"));
                let what = quoted(task_in_words(row));
                writeln!(f, "  - task:\n      type: image-classification\n      name: {what}")?;
                writeln!(f, "    dataset:\n      type: utkface\n      name: {name}")?;
                writeln!(f, "      config: {protocol}\n      split: test\n    metrics:")?;
            }
            let name = quoted(&row.what());
            writeln!(f, "    - type: {}\n      name: {name}", metric_type(row.metric))?;
            writeln!(f, "      value: {}", row.value)?;
        }
        f.write_str("---\n")
    }

    fn introduction(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let what = match self.card.task {
            Task::Gender => "Gender",
            Task::AgeGroup { .. } => "The age group",
            Task::Years => "The age",
            Task::Both => "Gender and age",
        };
        let (name, side, terms) = (&self.name, self.card.net.input(), self.terms());
        let (parameters, terms) = (thousands(self.card.parameters), terms.sentence());
        writeln!(
            f,
            "\n# {name}\n\n\
             {what} of a face that is cropped and aligned, by a residual network of residual\n\
             networks (RoR, [arXiv 1608.02908](https://arxiv.org/abs/1608.02908)) with {parameters}\n\
             trained parameters, from {side} x {side} pixels.\n\n\
             {terms}"
        )
    }

    fn use_of_weights(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let side = self.card.net.input();
        writeln!(
            f,
            "\n## In Python\n\n\
             `ror.py`, in this folder, is the net in PyTorch. With torch, numpy and Pillow:\n\n\
             ```python\n\
             from ror import Ror\n\n\
             net = Ror.from_pretrained(\".\")\n\
             print(net.predict([\"face.jpg\"]))\n\
             ```\n\n\
             Pictures are resized, and predicted together with their mirror images.\n\
             `net(pictures)` has the logits of a batch `[n, {side}, {side}, 3]`, RGB, 0 to 255. Where\n\
             huggingface_hub is installed, `Ror` is a `PyTorchModelHubMixin`. `config.json` has the\n\
             rest."
        )
    }

    fn use_of_onnx(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (side, outputs) = (self.card.net.input(), self.card.net.outputs());
        write!(
            f,
            "\n## In Python\n\n\
             With onnxruntime:\n\n\
             ```python\n\
             import onnxruntime\n\n\
             net = onnxruntime.InferenceSession(\"model.onnx\")\n\
             outputs = net.run(None, {{\"pictures\": pictures}})\n\
             ```\n\n\
             `pictures` are bytes (uint8) `[n, {side}, {side}, 3]`, RGB, 0 to 255, of any number n,\n\
             resized as Pillow's LANCZOS does. Probabilities are the mean over a picture and its\n\
             mirror image. `config.json` has the rest.\n\n\
             | output | what it is |\n|---|---|\n\
             | `logits` | `[n, {outputs}]`, of the pictures as they are, before any temperature |\n"
        )?;
        if self.has_gender() {
            f.write_str("| `female` | `[n]`, its probability |\n")?;
        }
        if self.card.task.has_age() {
            let each = if self.is_grouped() { "age group" } else { "age from 0" };
            writeln!(f, "| `ages` | the probability of each {each} |")?;
            f.write_str("| `age` | `[n]`, the expected age, years |\n")?;
        }
        Ok(())
    }

    fn accuracy(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("\n## How good it is\n\n")?;
        if self.results.rows().is_empty() {
            return f.write_str("It has not been measured on a test part.\n");
        }
        write!(
            f,
            "On pictures that neither this net nor one that it started from was trained or selected\n\
             on, with 95 % bootstrap intervals:\n\n\
             {}\n\
             For whom: accuracy of gender, mean absolute error of age.\n\n\
             | protocol | what | people | value (95 % interval) | pictures |\n|---|---|---|---|---|\n",
            self.results
        )?;
        for test in &self.card.tests {
            for head in &test.heads {
                let metric = if head.task.has_age() { Metric::Mae } else { Metric::Accuracy };
                for slice in &head.slices {
                    let people = match slice.by {
                        By::Age => format!("aged {}", slice.of),
                        By::Gender | By::Race => slice.of.clone(),
                    };
                    let value = metric.format_interval(&slice.value);
                    let (protocol, task) = (test.protocol, head.task);
                    let pictures = thousands(slice.pictures);
                    writeln!(f, "| {protocol} | {task} | {people} | {value} | {pictures} |")?;
                }
            }
        }
        Ok(())
    }

    fn training(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Card { hardware, precision, date, command, .. } = self.card;
        let (pictures, minutes) = (thousands(self.card.data.pictures), self.card.minutes.round());
        f.write_str("\n## How it was trained\n\n")?;
        match self.card.protocol {
            Some(protocol) => writeln!(
                f,
                "On the training part of the protocol {protocol} of UTKFace's {pictures} pictures;"
            )?,
            None => {
                let of = if self.terms() == Terms::Synthetic { "synthetic" } else { "other" };
                writeln!(f, "On a part of {pictures} {of} pictures;")?;
            }
        }
        writeln!(
            f,
            "{minutes} minutes on {hardware}, in {precision}, {date}. The validation part chose the\n\
             weights and the temperatures by which its probabilities are calibrated. Again:\n\n\
             ```sh\n{command}\n```"
        )
    }

    fn limits(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(
            "\n## What it is for, and what not\n\n\
             For research and teaching: how nets learn age and gender from faces, comparisons of\n\
             nets, counts over many pictures.\n\n\
             Not for decisions about a person: who may enter, buy, work or travel, who is of age, who\n\
             somebody is. It is wrong for single people, and for some groups of people more often\n\
             than for others.\n\n",
        )?;
        if self.has_gender() {
            f.write_str(
                "- Gender is one of two labels that others gave a picture, not what a person says of\n  \
                 themselves.\n",
            )?;
        }
        if self.card.task.has_age() && self.terms() == Terms::UtkFace {
            f.write_str("- The ages it learnt are estimates from pictures, not birth dates.\n")?;
        }
        if self.is_grouped() {
            let last = ror::MAX_AGE;
            writeln!(f, "- It knows ages up to {last}; older people get its last group.")?;
        }
        f.write_str(
            "- Pictures must be cut as UTKFace's aligned chips are: the face fills the picture, eyes\n  \
             level. `ror predict PHOTO` finds faces in photographs and cuts them so.\n\
             - Grey, blurred, dark or badly cut pictures cost accuracy.\n",
        )
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn task_in_words(row: &Row) -> &'static str {
    match row.task.as_str() {
        "gender" => "gender",
        "years" => "age in years",
        _ => "age group",
    }
}

/// Hugging Face's names where it has one.
fn metric_type(metric: Metric) -> &'static str {
    match metric {
        Metric::Accuracy => "accuracy",
        Metric::OneOff => "one_off_accuracy",
        Metric::Mae => "mae",
        Metric::Cs5 => "cs5",
        Metric::Ece => "expected_calibration_error",
        Metric::Loss => "cross_entropy",
    }
}
