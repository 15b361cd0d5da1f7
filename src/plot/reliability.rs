//! Reliability diagrams.

use anyhow::{Result, ensure};
use plotters::prelude::*;

use super::figure::Figure;
use super::figure::page;
use super::style::{ACCENT, Axis, MARGIN, SOFT_INK, chart, counted};
use crate::metrics::Metrics;

/// A reliability diagram: the share of correct predictions by confidence. A calibrated network lies
/// on the diagonal. Larger dots stand for more images.
///
/// # Errors
/// Metrics of no images.
pub fn reliability(title: &str, metrics: &Metrics) -> Result<Figure> {
    let bins = &metrics.reliability;
    ensure!(!bins.is_empty(), "there are no predictions to show");
    let note = format!(
        "{}; expected calibration error {}\ndashed: perfect calibration; above it: underconfident",
        counted(metrics.pictures, "image"),
        crate::metrics::Metric::Ece.format(metrics.ece)
    );
    let most = bins.iter().map(|bin| bin.pictures).max().unwrap_or(1);
    page((520, 460), title, &note, |body| {
        // The margins show dots at the ends completely.
        let x = Axis::new("Confidence (%)", -3.0..103.0, 6);
        let y = Axis::new("Accuracy (%)", -3.0..103.0, 6);
        let mut chart = chart(body, &x, &y, MARGIN)?;
        let diagonal = [(0.0, 0.0), (100.0, 100.0)];
        chart.draw_series(DashedLineSeries::new(diagonal, 5, 4, SOFT_INK.into()))?;
        let place = |confidence, accuracy| (100.0 * confidence, 100.0 * accuracy);
        let points = bins.iter().map(|bin| place(bin.confidence, bin.accuracy));
        chart.draw_series(LineSeries::new(points.clone(), ACCENT.stroke_width(2)))?;
        chart.draw_series(bins.iter().zip(points).map(|(bin, point)| {
            // The area is proportional to the number of images.
            let radius = 3.0 + 9.0 * (bin.pictures as f64 / most as f64).sqrt();
            Circle::new(point, radius as i32, ACCENT.filled())
        }))?;
        Ok(())
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::Task;
    use crate::metrics::{LabelledPredictions, Predictions};
    use crate::task::{Gender, Label};

    /// Of `n` predictions of gender: 80 % are women, all are taken for women.
    pub(in super::super) fn metrics(n: u32) -> Metrics {
        let share = |i: u32| 0.5 + 0.5 * f64::from(i) / f64::from(n);
        let predictions = Predictions {
            task: Task::Gender,
            probabilities: (0..n).map(|i| vec![1.0 - share(i), share(i)]).collect(),
            years: vec![],
        };
        let label = |i| Label {
            age: 10 + i % 70,
            gender: [Gender::Male, Gender::Female][usize::from(i % 5 > 0)],
            race: Some((i % 5) as u8),
        };
        Metrics::new(&LabelledPredictions::new(predictions, (0..n).map(label).collect()))
    }

    #[test]
    fn every_bin_has_a_dot_and_the_error_is_told() {
        let metrics = metrics(600);
        let figure = reliability("Reliability: gender", &metrics).unwrap();
        let dots = figure.svg().matches("<circle").count();
        assert_eq!(dots, metrics.reliability.len());
        assert!(figure.svg().contains("600 images"));
        assert!(figure.svg().contains(&crate::metrics::Metric::Ece.format(metrics.ece)));
        assert!(reliability("None", &self::metrics(0)).is_err());
    }
}
