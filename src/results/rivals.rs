//! What others report, and how ours compares.

use anyhow::{Result, ensure};

use super::published;
use crate::Task;
use crate::dataset::Protocol;
use crate::plot::{self, Figure};

/// A number that someone else reports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rival {
    /// The protocol it is compared by.
    pub protocol: Protocol,
    /// What of: `gender`, `age` (groups) or `years`.
    pub task: &'static str,
    /// `accuracy`, `one-off accuracy` or `MAE`.
    pub metric: &'static str,
    /// A share, or years.
    pub value: f64,
    /// The system.
    pub system: &'static str,
    /// What it was trained on before or besides.
    pub training: &'static str,
}

const fn rival(
    protocol: Protocol,
    task: &'static str,
    metric: &'static str,
    value: f64,
    system: &'static str,
    training: &'static str,
) -> Rival {
    Rival {
        protocol,
        task,
        metric,
        value,
        system,
        training,
    }
}

const ALONE: &str = "UTKFace alone";

/// The numbers to beat, as their authors report them: splits by file, with copies on both sides
/// but where it says otherwise.
pub const RIVALS: [Rival; 15] = [
    rival(
        Protocol::Original,
        "gender",
        "accuracy",
        0.8666,
        "the original's net, run honestly",
        ALONE,
    ),
    rival(
        Protocol::Original,
        "gender",
        "accuracy",
        0.8941,
        "WRN-16-8, 64 px",
        ALONE,
    ),
    rival(
        Protocol::Original,
        "age",
        "accuracy",
        0.295,
        "the original's net, run honestly",
        ALONE,
    ),
    rival(
        Protocol::Original,
        "age",
        "accuracy",
        0.396,
        "an installable net of today",
        "UTKFace and five more sets",
    ),
    rival(
        Protocol::Original,
        "age",
        "one-off accuracy",
        0.616,
        "the original's net, run honestly",
        ALONE,
    ),
    rival(
        Protocol::Original,
        "age",
        "one-off accuracy",
        0.775,
        "an installable net of today",
        "UTKFace and five more sets",
    ),
    rival(
        Protocol::Random,
        "gender",
        "accuracy",
        0.9494,
        "SENet50",
        "VGGFace2",
    ),
    rival(
        Protocol::Random,
        "years",
        "MAE",
        4.58,
        "SENet50",
        "VGGFace2",
    ),
    rival(
        Protocol::Random,
        "years",
        "MAE",
        5.67,
        "a CNN from scratch",
        ALONE,
    ),
    rival(
        Protocol::Random,
        "years",
        "MAE",
        7.21,
        "ResNeXt-50 from scratch",
        ALONE,
    ),
    rival(
        Protocol::Adults,
        "years",
        "MAE",
        4.55,
        "ResNet-50",
        "ImageNet",
    ),
    rival(
        Protocol::Adults,
        "years",
        "MAE",
        5.4,
        "CORAL",
        "as reported",
    ),
    rival(
        Protocol::Adults,
        "years",
        "MAE",
        5.74,
        "OR-CNN",
        "as reported",
    ),
    rival(Protocol::Adults, "years", "MAE", 4.37, "MWR", "as reported"),
    rival(
        Protocol::Adults,
        "years",
        "MAE",
        4.23,
        "MiVOLO",
        "as reported",
    ),
];

/// Our nets, with their intervals, above what others report by the same protocol.
///
/// # Errors
/// A number that nobody reports.
pub fn against(protocol: Protocol, task: Task, metric: &str) -> Result<Figure> {
    let name = task.name();
    let scale = if metric == "MAE" { 1.0 } else { 100.0 };
    let mut bars: Vec<(String, f64, f64, f64)> = published()
        .0
        .into_iter()
        .filter(|row| row.protocol == protocol.name() && row.task == name && row.metric == metric)
        .map(|row| {
            let interval = row.value;
            (
                format!("ror: {}", row.model),
                interval.value * scale,
                interval.low * scale,
                interval.high * scale,
            )
        })
        .collect();
    ensure!(
        !bars.is_empty(),
        "no model that ships has {metric} of {task} by {protocol}"
    );
    bars.extend(
        RIVALS
            .iter()
            .filter(|r| r.protocol == protocol && r.task == name && r.metric == metric)
            .map(|r| {
                let value = r.value * scale;
                let label = match r.training {
                    ALONE => r.system.to_owned(),
                    other => format!("{} ({other})", r.system),
                };
                (label, value, value, value)
            }),
    );
    let axis = match metric {
        "MAE" => "Mean absolute error (years), less is better".to_owned(),
        _ => format!("{metric} (%)"),
    };
    plot::intervals(&format!("{protocol}: {task}, {metric}"), &axis, &bars)
}
