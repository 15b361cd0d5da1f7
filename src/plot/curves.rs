//! Learning curves.

use std::time::Duration;

use anyhow::{Result, ensure};
use indicatif::HumanDuration;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::figure::Figure;
use super::figure::page;
use super::style::{
    Axis, Canvas, INK, MARGIN, SOFT_INK, TEXT, TRAIN, VALIDATION, WIDTH, bold, chart, counted,
    decimal, limits, text, write,
};
use crate::train::{Epoch, History};

/// Height of a panel in pixels.
const PANEL: i32 = 190;
/// Width of the legends beside the panels in pixels.
const LEGEND: i32 = 170;

/// Name, color and value of a line.
type Line = (&'static str, RGBColor, fn(&Epoch) -> f64);
const TRAIN_LOSS: Line = ("training", TRAIN, |epoch| epoch.train_loss);
const VALIDATION_LOSS: Line = ("validation", VALIDATION, |epoch| epoch.validation_loss);
const TRAIN_ACCURACY: Line = ("training", TRAIN, |epoch| 100.0 * epoch.train_accuracy);
const VALIDATION_ACCURACY: Line =
    ("validation", VALIDATION, |epoch| 100.0 * epoch.validation_accuracy);
const VALIDATION_MAE: Line =
    ("validation", VALIDATION, |epoch| epoch.validation_mae.unwrap_or(f64::NAN));

/// A panel: its title, the digits after the decimal point in its legend, and its lines.
struct Panel(&'static str, usize, Vec<Line>);

/// Loss, accuracy and, if it was measured, mean absolute error by epoch, one above the other.
///
/// A dashed line marks the epoch with the lowest validation loss, and the legends give its values.
/// Training and validation losses that differ there by more than a factor of 2 get a panel each.
/// Values that are not finite leave gaps.
///
/// # Errors
///
/// A history without epochs.
pub fn curves(title: &str, history: &History) -> Result<Figure> {
    let epochs = &history.epochs;
    ensure!(!epochs.is_empty(), "the history has no epochs");
    let best = (history.best()).filter(|best| best.validation_loss.is_finite());
    let mut note = counted(epochs.len(), "epoch");
    let time = Duration::try_from_secs_f64(history.seconds()).unwrap_or_default();
    if !time.is_zero() {
        note += &format!(" in {}", HumanDuration(time));
    }
    let ratio = best.map_or(1.0, |best| best.train_loss / best.validation_loss);
    let mut panels = if (0.5..=2.0).contains(&ratio) {
        vec![Panel("Loss", 3, vec![TRAIN_LOSS, VALIDATION_LOSS])]
    } else {
        vec![
            Panel("Training loss", 3, vec![TRAIN_LOSS]),
            Panel("Validation loss (nats)", 3, vec![VALIDATION_LOSS]),
        ]
    };
    let lines = vec![TRAIN_ACCURACY, VALIDATION_ACCURACY];
    panels.push(Panel("Accuracy (%)", 1, lines));
    if epochs.iter().any(|epoch| epoch.validation_mae.is_some()) {
        let title = "Mean absolute error of the age (years)";
        panels.push(Panel(title, 2, vec![VALIDATION_MAE]));
    }
    let size = (WIDTH, PANEL * panels.len() as i32 + 32);
    page(size, title, &note, |body| {
        for (i, panel) in panels.iter().enumerate() {
            let last = i + 1 == panels.len();
            let height = if last { PANEL + 32 } else { PANEL };
            let area = body.clone().shrink((0, PANEL * i as i32), (WIDTH, height));
            panel.draw(&area, epochs, best, if last { "Epoch" } else { "" })?;
        }
        Ok(())
    })
}

impl Panel {
    fn draw(
        &self,
        area: &Canvas<'_>,
        epochs: &[Epoch],
        best: Option<&Epoch>,
        x_title: &str,
    ) -> Result<()> {
        area.draw_text(self.0, &bold(TEXT, INK, HPos::Left), (MARGIN, 14))?;
        let (_, area) = area.split_vertically(20);
        let (plot, side) = area.split_horizontally(WIDTH - LEGEND);
        let values = |(_, _, value): &Line| epochs.iter().map(*value);
        let found = limits(self.2.iter().flat_map(values));
        let first = epochs.iter().map(|epoch| epoch.epoch).min().unwrap_or(1) as f64;
        let last = epochs.iter().map(|epoch| epoch.epoch).max().unwrap_or(1) as f64;
        let air = (0.02 * (last - first)).clamp(0.2, 0.5);
        let mut x = Axis::whole(x_title, first - air..last + air, 12);
        x.grid = false;
        let mut y = Axis::new("", found.clone().unwrap_or(0.0..1.0), 6);
        // The same in all panels, so that their epochs align.
        y.room = 40;
        let mut chart = chart(&plot, &x, &y, 0)?;
        if found.is_none() {
            let style = text(TEXT, SOFT_INK, HPos::Center);
            let middle = ((first + last) / 2.0, 0.5);
            return write(&chart, middle, (0, 0), "no finite values", style);
        }
        // Beside the plot: plotters' own legend would cover the curves.
        let mut y_legend = -8;
        let mut legend = |words: &str| -> Result<[(i32, i32); 2]> {
            y_legend += 20;
            let y = y_legend;
            side.draw_text(words, &text(TEXT, INK, HPos::Left), (38, y))?;
            Ok([(10, y), (30, y)])
        };
        if let Some(best) = best {
            let x = best.epoch as f64;
            let line = [(x, y.range.start), (x, y.range.end)];
            chart.draw_series(DashedLineSeries::new(line, 5, 4, SOFT_INK.into()))?;
            let sample = legend(&format!("best: epoch {}", best.epoch))?;
            side.draw(&DashedPathElement::new(sample, 5, 4, SOFT_INK))?;
        }
        for (name, color, value) in &self.2 {
            let style = color.stroke_width(2).filled();
            let sample = legend(&match best.map(*value).filter(|value| value.is_finite()) {
                Some(value) => format!("{name}: {}", decimal(value, self.1)),
                None => name.to_string(),
            })?;
            side.draw(&PathElement::new(sample, style))?;
            let points = epochs.iter().map(|epoch| (epoch.epoch as f64, value(epoch)));
            let points: Vec<(f64, f64)> = points.collect();
            let runs = points.split(|point| !point.1.is_finite());
            for run in runs.filter(|run| !run.is_empty()) {
                // Dots would hide a long line, but a single epoch has nothing else.
                let dots = epochs.len() <= 30 || run.len() == 1;
                let line = LineSeries::new(run.to_vec(), style);
                chart.draw_series(line.point_size(3 * u32::from(dots)))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(epoch: usize, loss: f64) -> Epoch {
        Epoch {
            epoch,
            train_loss: 0.9 * loss,
            train_accuracy: 0.8,
            validation_loss: loss,
            validation_accuracy: 0.7512,
            validation_mae: None,
            size: 32,
            learning_rate: 1e-3,
            seconds: 10.0,
        }
    }

    fn svg(epochs: Vec<Epoch>) -> String {
        let figure = curves("Age", &History { epochs }).unwrap();
        figure.svg().to_string()
    }

    #[test]
    fn the_best_epoch_and_its_values_are_in_every_legend() {
        let svg = svg(vec![epoch(1, 0.9), epoch(2, 0.4), epoch(3, 0.5)]);
        assert_eq!(svg.matches("best: epoch 2").count(), 2);
        for words in [
            "training: 0.360",
            "validation: 0.400",
            "validation: 75.1",
            "3 epochs in 30 seconds",
            "Accuracy (%)",
            ">\nEpoch\n<",
        ] {
            assert!(svg.contains(words), "{words}");
        }
        // Three dots on each of two lines in each of two panels.
        assert_eq!(svg.matches("<circle").count(), 12);
    }

    #[test]
    fn losses_far_apart_and_the_age_error_get_panels() {
        let mut apart = vec![epoch(1, 0.9), epoch(2, 0.4)];
        for epoch in &mut apart {
            epoch.train_loss = 3.0;
            epoch.validation_mae = Some(5.125);
        }
        let apart = svg(apart);
        for words in ["Training loss", "Validation loss (nats)", "validation: 5.13"] {
            assert!(apart.contains(words), "{words}");
        }
        assert!(!svg(vec![epoch(1, 0.9)]).contains("Training loss"));
    }

    #[test]
    fn values_that_are_not_finite_leave_gaps() {
        let mut epochs: Vec<_> = (1..=40).map(|i| epoch(i, 1.0 / i as f64)).collect();
        epochs[2].validation_loss = f64::NAN;
        epochs[39].validation_accuracy = f64::NAN;
        let gap = svg(epochs);
        // Five runs and four samples in the legends.
        assert_eq!(gap.matches("stroke-width=\"2\"").count(), 9);
        assert!(!gap.contains("NaN"));

        let mut lost = epoch(1, f64::NAN);
        lost.train_accuracy = f64::INFINITY;
        lost.validation_accuracy = f64::NAN;
        assert_eq!(svg(vec![lost]).matches("no finite values").count(), 2);
    }

    #[test]
    fn no_epochs_is_an_error() {
        assert!(curves("None", &History::default()).is_err());
    }
}
