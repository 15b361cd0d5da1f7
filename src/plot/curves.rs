//! Learning curves.

use anyhow::{Result, ensure};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::figure::Figure;
use super::style::{
    Axis, Canvas, INK, MARGIN, NOTE, SOFT_INK, TRAIN, VALIDATION, axes, bold, decimal, legend,
    limits, page, percent, text, thousands, write,
};
use crate::train::{Epoch, History};

const WIDTH: u32 = 900;
const HEIGHT: u32 = 420;

/// What one of the two panels shows.
struct Panel<'a> {
    title: &'a str,
    train: fn(&Epoch) -> f64,
    validation: fn(&Epoch) -> f64,
    /// The largest range that makes sense.
    bounds: (f64, f64),
    /// The best epoch's value as its label says it.
    best: String,
    /// Whether the label of the best epoch stands at the upper end of its
    /// line, away from the curves.
    label_on_top: bool,
}

/// Loss and accuracy by epoch, of training and validation, side by side.
///
/// A vertical line marks the epoch of the lowest validation loss. Values that
/// are not finite leave gaps.
///
/// # Errors
///
/// When the history has no epoch.
pub fn curves(title: &str, history: &History) -> Result<Figure> {
    let epochs = &history.epochs;
    ensure!(
        !epochs.is_empty(),
        "the history has no epochs: train for at least one"
    );
    let best = history
        .best()
        .filter(|best| best.validation_loss.is_finite());
    let seconds: f64 = epochs.iter().map(|epoch| epoch.seconds).sum();
    let mut note = format!(
        "{} epoch{}",
        thousands(epochs.len()),
        if epochs.len() == 1 { "" } else { "s" }
    );
    if seconds.is_finite() && seconds > 0.0 {
        note += &format!(" in {}", duration(seconds));
    }
    // The best epoch may lack the other value.
    let label = |value: f64, write: fn(f64) -> String| {
        if value.is_finite() {
            write(value)
        } else {
            "-".to_string()
        }
    };
    let panels = [
        Panel {
            title: "Loss",
            train: |epoch| epoch.train_loss,
            validation: |epoch| epoch.validation_loss,
            bounds: (0.0, f64::INFINITY),
            best: best.map_or_else(String::new, |best| {
                label(best.validation_loss, |loss| decimal(loss, 3))
            }),
            label_on_top: true,
        },
        Panel {
            title: "Accuracy (%)",
            train: |epoch| 100.0 * epoch.train_accuracy,
            validation: |epoch| 100.0 * epoch.validation_accuracy,
            bounds: (0.0, 100.0),
            best: best.map_or_else(String::new, |best| {
                label(best.validation_accuracy, |share| percent(share, 1))
            }),
            label_on_top: false,
        },
    ];
    page(WIDTH, HEIGHT, title, &note, |body| {
        let entries = [("Training", TRAIN), ("Validation", VALIDATION)];
        legend(body, WIDTH as i32 - MARGIN, 8, &entries)?;
        let (_, body) = body.split_vertically(18);
        let (left, right) = body.split_horizontally(WIDTH as i32 / 2);
        for (area, panel) in [left, right].iter().zip(&panels) {
            draw_panel(area, panel, epochs, best)?;
        }
        Ok(())
    })
}

fn draw_panel(
    area: &Canvas<'_>,
    panel: &Panel<'_>,
    epochs: &[Epoch],
    best: Option<&Epoch>,
) -> Result<()> {
    let lines = [panel.train, panel.validation].map(|value| {
        epochs
            .iter()
            .map(|epoch| (epoch.epoch as f64, value(epoch)))
            .collect::<Vec<_>>()
    });
    let values = lines.iter().flatten().map(|(_, value)| *value);
    let found = limits(values);
    let (low, high) = found.unwrap_or((0.0, 1.0));
    // Keep within the bounds where the values do; a negative loss is shown too.
    let low = if low < panel.bounds.0 && low > panel.bounds.0 - 0.1 * (high - low) {
        panel.bounds.0
    } else {
        low
    };
    let y = Axis::new(
        panel.title,
        low,
        high.min(panel.bounds.1.max(low + 1e-9)),
        6,
    );
    let first = epochs.iter().map(|epoch| epoch.epoch).min().unwrap_or(1);
    let last = epochs.iter().map(|epoch| epoch.epoch).max().unwrap_or(1);
    let chart = axes(area, &epoch_axis(first as f64, last as f64), &y, MARGIN)?;
    let plot = chart.plotting_area();
    if found.is_none() {
        let middle = ((first + last) as f64 / 2.0, 0.5);
        let style = text(NOTE, SOFT_INK, HPos::Center, VPos::Center);
        plot.draw(&Text::new("no finite values", middle, style))?;
        return Ok(());
    }

    if let Some(best) = best {
        let x = best.epoch as f64;
        for (from, to) in dashes(y.range.start, y.range.end) {
            plot.draw(&PathElement::new(vec![(x, from), (x, to)], SOFT_INK))?;
        }
        // Beside the line, on the side with more room.
        let (h, gap) = if x > (first + last) as f64 / 2.0 {
            (HPos::Right, -7)
        } else {
            (HPos::Left, 7)
        };
        let (end, rows) = if panel.label_on_top {
            (y.range.end, [10, 27])
        } else {
            (y.range.start, [-27, -10])
        };
        let name = format!("best: epoch {}", best.epoch);
        let style = text(NOTE, SOFT_INK, h, VPos::Center);
        write(&chart, (x, end), (gap, rows[0]), &name, style)?;
        let style = bold(NOTE, INK, h, VPos::Center);
        write(&chart, (x, end), (gap, rows[1]), &panel.best, style)?;
    }
    for (line, color) in lines.iter().zip([TRAIN, VALIDATION]) {
        for run in line.split(|(_, value)| !value.is_finite()) {
            if run.len() > 1 {
                plot.draw(&PathElement::new(run.to_vec(), color.stroke_width(2)))?;
            }
            // Dots would hide a long line, but a lone epoch has nothing else.
            if epochs.len() <= 30 || run.len() == 1 {
                for &point in run {
                    plot.draw(&Circle::new(point, 3, color.filled()))?;
                }
            }
        }
    }
    Ok(())
}

/// An axis with ticks at whole epochs only.
fn epoch_axis(first: f64, last: f64) -> Axis {
    let air = (0.03 * (last - first)).max(0.5 * f64::from(u8::from(first == last)));
    let mut axis = Axis::new("Epoch", first - air, last + air, 8);
    axis.ticks
        .retain(|tick| tick.fract() == 0.0 && *tick >= first);
    if axis.ticks.first() != Some(&first) && axis.ticks.first().is_none_or(|t| t - first > 1.0) {
        axis.ticks.insert(0, first);
    }
    axis.format = Box::new(|value| decimal(value, 0));
    axis.grid = false;
    axis
}

/// Cuts a vertical line into dashes.
fn dashes(from: f64, to: f64) -> impl Iterator<Item = (f64, f64)> {
    const COUNT: usize = 40;
    let step = (to - from) / COUNT as f64;
    (0..COUNT).map(move |i| {
        let start = from + i as f64 * step;
        (start, start + 0.55 * step)
    })
}

/// Seconds as "48 s", "12 min" or "3.5 h".
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{} s", decimal(s, 0)),
        s if s < 6000.0 => format!("{} min", decimal(s / 60.0, 0)),
        s => format!("{} h", decimal(s / 3600.0, 1)),
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

    #[test]
    fn best_epoch_is_labelled_in_both_panels() {
        let epochs = vec![epoch(1, 0.9), epoch(2, 0.4), epoch(3, 0.5)];
        let figure = curves("Age", &History { epochs }).unwrap();
        assert_eq!(figure.svg().matches("best: epoch 2").count(), 2);
        for words in [
            "0.400",
            "75.1%",
            "3 epochs in 30 s",
            "Training",
            "Validation",
            "Epoch",
        ] {
            assert!(figure.svg().contains(words), "{words}");
        }
        // Two lines in each of two panels.
        assert_eq!(figure.svg().matches("stroke-width=\"2\"").count(), 4);
    }

    #[test]
    fn one_epoch_is_dots() {
        let figure = curves(
            "Age",
            &History {
                epochs: vec![epoch(1, 0.9)],
            },
        )
        .unwrap();
        assert_eq!(figure.svg().matches("<circle").count(), 4);
        assert!(figure.svg().contains("1 epoch in"));
    }

    #[test]
    fn values_that_are_not_finite_leave_gaps() {
        let mut epochs: Vec<_> = (1..=5).map(|i| epoch(i, 1.0 / i as f64)).collect();
        epochs[2].validation_loss = f64::NAN;
        epochs[4].validation_accuracy = f64::NAN;
        let figure = curves("Gap", &History { epochs }).unwrap();
        assert_eq!(figure.svg().matches("stroke-width=\"2\"").count(), 5);
        assert!(!figure.svg().contains("NaN"));

        let mut lost = epoch(1, f64::NAN);
        lost.train_accuracy = f64::INFINITY;
        lost.validation_accuracy = f64::NAN;
        let figure = curves("Lost", &History { epochs: vec![lost] }).unwrap();
        assert_eq!(figure.svg().matches("no finite values").count(), 2);
    }

    #[test]
    fn no_epochs_is_an_error() {
        assert!(curves("None", &History::default()).is_err());
    }
}
