//! Learning curves.

use std::time::Duration;

use anyhow::{Result, ensure};
use charts::format::number;
use charts::{Chart, chart};
use indicatif::HumanDuration;
use polars::prelude::df;
use utils::progress::counted;

use crate::train::{Epoch, History};

type Value = fn(&Epoch) -> f64;
const LOSS: Value = |epoch| epoch.validation_loss;
const ACCURACY: Value = |epoch| 100.0 * epoch.validation_accuracy;
const MAE: Value = |epoch| epoch.validation_mae.unwrap_or(f64::NAN);
const TRAIN_LOSS: Value = |epoch| epoch.train_loss;
const TRAIN_ACCURACY: Value = |epoch| 100.0 * epoch.train_accuracy;

/// A panel: its title, the digits in its heading, and the lines of one training.
type Panel = (&'static str, usize, Vec<(&'static str, Value)>);

/// Loss, accuracy and, if it was measured, mean absolute error by epoch, one above the other.
///
/// A dashed line marks the epoch with the lowest validation loss, and the headings give its values.
/// Training and validation losses that differ there by more than a factor of 2 get a panel each.
/// Values that are not finite leave gaps.
///
/// # Errors
/// A history without epochs.
pub fn curves(title: &str, history: &History) -> Result<Chart> {
    let best = history.best().filter(|best| best.validation_loss.is_finite());
    let ratio = best.map_or(1.0, |best| best.train_loss / best.validation_loss);
    let mut panels: Vec<Panel> = match (0.5..=2.0).contains(&ratio) {
        true => vec![("Loss (nats)", 3, vec![("training", TRAIN_LOSS), ("validation", LOSS)])],
        false => vec![
            ("Training loss", 3, vec![("training", TRAIN_LOSS)]),
            ("Validation loss (nats)", 3, vec![("validation", LOSS)]),
        ],
    };
    panels.push(("Accuracy (%)", 1, vec![("training", TRAIN_ACCURACY), ("validation", ACCURACY)]));
    panels.push(("Mean absolute error of the age (years)", 2, vec![("validation", MAE)]));
    let mut rows = vec![];
    for (panel, digits, lines) in panels {
        let values = lines.iter().filter_map(|(set, value)| {
            let value = best.map(*value).filter(|value| value.is_finite())?;
            Some(format!("{set} {}", number(value, digits)))
        });
        let values = values.collect::<Vec<_>>().join(", ");
        let heading = if values.is_empty() { panel.into() } else { format!("{panel}: {values}") };
        rows.extend(lines.into_iter().map(|(set, value)| (heading.clone(), set, history, value)));
    }
    let mut note = counted(history.epochs.len(), "epoch");
    let time = Duration::try_from_secs_f64(history.seconds()).unwrap_or_default();
    if !time.is_zero() {
        note += &format!(" in {}", HumanDuration(time));
    }
    let chart = draw(title, rows)?.palette("#84A0BE, #A02869");
    Ok(match best {
        None => chart.note(&note),
        Some(best) => chart
            .vertical(best.epoch as f64)
            .note(&format!("{note}; dashed line and numbers: epoch {}, the best", best.epoch)),
    })
}

/// Validation loss, accuracy and mean absolute error of several trainings in one chart.
///
/// # Errors
/// No training, or one without epochs.
///
/// ```no_run
/// use ror::prelude::*;
///
/// # fn main() -> anyhow::Result<()> {
/// let models = ModelStore::default();
/// let (small, large) = (models.open("both-32px")?.card, models.open("both-64px")?.card);
/// let trainings = [("32 px", &small.history), ("64 px", &large.history)];
/// plot::compare("By image size", &trainings)?.save("sizes.png")?;
/// # Ok(())
/// # }
/// ```
pub fn compare(title: &str, trainings: &[(&str, &History)]) -> Result<Chart> {
    let panels = [
        ("Validation loss (nats)", LOSS),
        ("Validation accuracy (%)", ACCURACY),
        ("Mean absolute error of the age (years)", MAE),
    ];
    let lines = |(panel, value): &(&str, Value)| {
        let (panel, value) = (panel.to_string(), *value);
        trainings.iter().map(move |(name, history)| (panel.clone(), *name, *history, value))
    };
    draw(title, panels.iter().flat_map(lines).collect())
}

/// Draws lines, each with its panel, its name, its epochs, and what of them it shows.
fn draw(title: &str, lines: Vec<(String, &str, &History, Value)>) -> Result<Chart> {
    let (mut epochs, mut values, mut names, mut panels) = (vec![], vec![], vec![], vec![]);
    for (panel, name, history, value) in lines {
        ensure!(!history.epochs.is_empty(), "the history has no epochs");
        // Only age has a mean absolute error.
        let has_age = history.epochs.iter().any(|epoch| epoch.validation_mae.is_some());
        if panel.starts_with("Mean absolute") && !has_age {
            continue;
        }
        for epoch in &history.epochs {
            epochs.push(epoch.epoch as u32);
            values.push(value(epoch));
            names.push(name);
            panels.push(panel.clone());
        }
    }
    ensure!(!epochs.is_empty(), "there are no trainings to show");
    let table = df!["Epoch" => epochs, "value" => values, "name" => names, "panel" => panels]?;
    let chart = chart(&table).x("Epoch").y("value").color("name").facet("panel").line().in_order();
    Ok(chart.columns(1).free_y().title(title).y_label(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(losses: &[f64], mae: Option<f64>) -> History {
        let epoch = |(loss, epoch): (&f64, usize)| Epoch {
            epoch,
            train_loss: 0.9 * loss,
            train_accuracy: 0.8,
            validation_loss: *loss,
            validation_accuracy: 0.7512,
            validation_mae: mae,
            seconds: 10.0,
            ..Epoch::default()
        };
        History { epochs: losses.iter().zip(1..).map(epoch).collect() }
    }

    fn svg(chart: Result<Chart>) -> String {
        chart.unwrap().figure().unwrap().svg().to_string()
    }

    #[test]
    fn headings_hold_the_best_epoch_and_epochs_are_whole() {
        let found = svg(curves("Age", &history(&[0.9, 0.4], Some(5.125))));
        for words in [
            "2 epochs in 20 seconds; dashed line and numbers: epoch 2",
            "Loss (nats): training 0.360, validation 0.400",
            "Accuracy (%): training 80.0, validation 75.1",
            "age (years): validation 5.13",
        ] {
            assert!(found.contains(words), "{words}");
        }
        assert!(!found.contains(">\n1.5\n<") && !found.contains(">\n1.2\n<"));
        // Two dots on each of five lines.
        assert_eq!(found.matches("<circle").count(), 10);
        let mut apart = history(&[0.4], None);
        apart.epochs[0].train_loss = 3.0;
        assert!(svg(curves("Apart", &apart)).contains("Training loss: training 3.000"));
    }

    #[test]
    fn values_that_are_not_finite_leave_gaps() {
        let mut losses: Vec<f64> = (1..=40).map(|i| 1.0 / f64::from(i)).collect();
        losses[2] = f64::NAN;
        let gap = svg(curves("Gap", &history(&losses, None)));
        assert!(gap.matches("stroke-width=\"2\"").count() == 6 && !gap.contains("NaN"));
        assert!(svg(curves("Lost", &history(&[f64::NAN], None))).contains("no values"));
        assert!(curves("None", &History::default()).is_err());
    }

    #[test]
    fn several_trainings_share_a_chart() {
        let (small, large) = (history(&[0.9, 0.8, 0.7], None), history(&[0.5], None));
        let found = svg(compare("By size", &[("32 px", &small), ("64 px", &large)]));
        assert!(found.contains("32 px") && found.contains("64 px"));
        assert_eq!(found.matches("<circle").count(), 8, "two panels");
        assert!(compare("None", &[]).is_err());
    }
}
