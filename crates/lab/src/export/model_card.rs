//! A network's `README.md`, which Hugging Face calls its model card, made from its card in the
//! store.

use std::fmt::{self, Display, Formatter};

use super::format::Format;
use crate::PublishedResults;
use ror::Task;
use ror::metrics::Metric;
use ror::model::Pretrained;
use ror::store::{Card, Model, Trained};
use utils::progress::thousands;

/// The model card: metadata as YAML, then text.
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
        Self { name, card, results: PublishedResults::new(&[model]), format }
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

/// The license of the weights.
#[derive(PartialEq, Eq)]
enum Terms {
    /// Trained on UTKFace, or from a network that was.
    UtkFace,
    /// Trained only on synthetic faces.
    Synthetic,
    /// Trained on the user's own images.
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
            Terms::Own => "license: other\nlicense_name: that-of-the-training-images\n",
        }
    }

    fn sentence(&self) -> &'static str {
        match self {
            Terms::UtkFace => {
                "**For non-commercial research only**, as the license of\n\
                 [UTKFace](https://susanqq.github.io/UTKFace/), its training data, requires."
            }
            Terms::Synthetic => {
                "It was trained on synthetic faces and is not useful for real ones."
            }
            Terms::Own => "The license of its training images also applies to it.",
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

    /// Whether the network predicts age groups instead of years.
    fn is_grouped(&self) -> bool {
        matches!(self.card.task, Task::AgeGroup { .. })
    }

    /// Writes the front matter. Quoted strings are JSON, which is a subset of YAML.
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
                let what = quoted(&row.task);
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
            Task::Gender => "gender",
            Task::AgeGroup { .. } => "age group",
            Task::Years => "age",
            Task::Both => "gender and age",
        };
        let (name, side, terms) = (&self.name, self.card.net.input(), self.terms());
        let (parameters, terms) = (thousands(self.card.parameters), terms.sentence());
        writeln!(
            f,
            "\n# {name}\n\n\
             Predicts the {what} of a cropped and aligned face with a residual network of residual\n\
             networks (RoR, [arXiv 1608.02908](https://arxiv.org/abs/1608.02908)). It has {parameters}\n\
             parameters and an input of {side} x {side} pixels.\n\n\
             {terms}"
        )
    }

    fn use_of_weights(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let side = self.card.net.input();
        writeln!(
            f,
            "\n## In Python\n\n\
             `ror.py` in this folder is the network in PyTorch. It needs torch, numpy and Pillow:\n\n\
             ```python\n\
             from ror import Ror\n\n\
             net = Ror.from_pretrained(\".\")\n\
             print(net.predict([\"face.jpg\"]))\n\
             ```\n\n\
             `predict` resizes images and averages the probabilities of each image and its mirror\n\
             image. `net(pictures)` returns the logits of a batch `[n, {side}, {side}, 3]`, RGB, 0 to\n\
             255. If huggingface_hub is installed, `Ror` is a `PyTorchModelHubMixin`. `config.json`\n\
             describes the inputs and outputs."
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
             `pictures` is a uint8 array `[n, {side}, {side}, 3]` of n images, RGB, 0 to 255, resized\n\
             like Pillow's LANCZOS. Probabilities are the mean over an image and its mirror image.\n\
             `config.json` describes the inputs and outputs.\n\n\
             | output | description |\n|---|---|\n\
             | `logits` | `[n, {outputs}]`, without the mirror image and before temperature scaling |\n"
        )?;
        if self.has_gender() {
            f.write_str("| `female` | `[n]`, the probability of female |\n")?;
        }
        if self.card.task.has_age() {
            let each = if self.is_grouped() { "age group" } else { "age from 0" };
            writeln!(f, "| `ages` | the probability of each {each} |")?;
            f.write_str("| `age` | `[n]`, the expected age in years |\n")?;
        }
        Ok(())
    }

    fn accuracy(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("\n## Accuracy\n\n")?;
        if self.results.rows().is_empty() {
            return f.write_str("It has not been measured on a test set.\n");
        }
        write!(
            f,
            "On images on which neither this network nor one it started from was trained or selected,\n\
             with 95 % bootstrap intervals:\n\n\
             {}\n\
             By group of people: gender accuracy, mean absolute error of the age.\n\n\
             | protocol | what | people | value (95 % interval) | images |\n|---|---|---|---|---|\n",
            self.results
        )?;
        for test in &self.card.tests {
            for head in &test.heads {
                let metric = if head.task.has_age() { Metric::Mae } else { Metric::Accuracy };
                for slice in &head.slices {
                    let people = slice.people();
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
        f.write_str("\n## Training\n\n")?;
        match self.card.protocol {
            Some(protocol) => writeln!(
                f,
                "Trained on the training set of the protocol {protocol}, from UTKFace's {pictures} images"
            )?,
            None => {
                let of = if self.terms() == Terms::Synthetic { "synthetic" } else { "other" };
                writeln!(f, "Trained on a part of {pictures} {of} images")?;
            }
        }
        if let Some(Pretrained { origin, licence, data, .. }) = &self.card.pretrained {
            writeln!(f, "after weights of {origin} ({licence}), which were trained on {data},")?;
        }
        writeln!(
            f,
            "for {minutes} minutes on {hardware} in {precision}, {date}. The weights and the temperatures\n\
             that calibrate the probabilities were chosen on the validation set. To train it again:\n\n\
             ```sh\n{command}\n```"
        )
    }

    fn limits(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(
            "\n## Intended use\n\n\
             For research and teaching: how networks learn age and gender from faces, comparisons of\n\
             networks, statistics over many images.\n\n\
             Not for decisions about a person, such as access, purchases, work, travel, legal age or\n\
             identity. Predictions for individuals can be wrong, and are wrong more often for some\n\
             groups of people than for others.\n\n",
        )?;
        if self.has_gender() {
            f.write_str(
                "- Gender is one of two labels that others assigned to an image, not a person's own\n  \
                 statement.\n",
            )?;
        }
        if self.card.task.has_age() && self.terms() == Terms::UtkFace {
            f.write_str("- The age labels are estimates from images, not based on birth dates.\n")?;
        }
        if self.is_grouped() {
            let last = ror::MAX_AGE;
            writeln!(f, "- It was made for ages up to {last}; older people get the last group.")?;
        }
        f.write_str(
            "- Images must be aligned like UTKFace's: the face fills the image and the eyes are level.\n  \
             `ror predict PHOTO` finds and aligns faces in photos.\n\
             - Accuracy is lower on gray, blurred, dark or badly cropped images.\n",
        )
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Hugging Face's name of a metric, if it has one.
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
