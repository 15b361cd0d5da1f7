//! Confidence against accuracy.

use anyhow::{Result, ensure};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::figure::Figure;
use super::style::{
    ACCENT, Axis, INK, MARGIN, NOTE, SOFT_INK, axes, bold, page, text, thousands, write,
};
use crate::metrics::Metrics;

const WIDTH: u32 = 520;
const HEIGHT: u32 = 500;

/// How often a net is right (upwards) where it is how sure (to the right): a reliability
/// diagram. On the diagonal it is as often right as it says. A larger dot stands for more
/// pictures.
///
/// # Errors
/// Metrics of no pictures.
pub fn reliability(title: &str, metrics: &Metrics) -> Result<Figure> {
    let bins = &metrics.reliability;
    ensure!(!bins.is_empty(), "there are no answers to show");
    let note = format!("{} pictures", thousands(metrics.pictures));
    let most = bins.iter().map(|bin| bin.pictures).max().unwrap_or(1);
    page(WIDTH, HEIGHT, title, &note, |body| {
        let mut x = Axis::new("Confidence (%)", 0.0, 100.0, 6);
        let mut y = Axis::new("Right (%)", 0.0, 100.0, 6);
        // Dots at the ends stay whole.
        (x.range, y.range) = (-3.0..103.0, -3.0..103.0);
        let chart = axes(body, &x, &y, MARGIN)?;
        let plot = chart.plotting_area();
        let diagonal = vec![(0.0, 0.0), (100.0, 100.0)];
        plot.draw(&PathElement::new(diagonal, SOFT_INK.stroke_width(1)))?;
        let points: Vec<(f64, f64)> = bins
            .iter()
            .map(|bin| (100.0 * bin.confidence, 100.0 * bin.accuracy))
            .collect();
        plot.draw(&PathElement::new(points.clone(), ACCENT.stroke_width(2)))?;
        for (bin, point) in bins.iter().zip(points) {
            // The area goes with the number of pictures.
            let radius = 3.0 + 9.0 * (bin.pictures as f64 / most as f64).sqrt();
            plot.draw(&Circle::new(point, radius as i32, ACCENT.filled()))?;
        }
        let style = bold(NOTE, INK, HPos::Left, VPos::Center);
        let ece = format!("calibration error {}", metrics.ece.percent());
        write(&chart, (0.0, 100.0), (4, 8), &ece, style)?;
        let style = text(NOTE, SOFT_INK, HPos::Left, VPos::Center);
        write(
            &chart,
            (0.0, 100.0),
            (4, 28),
            "above the line: too modest",
            style,
        )?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Task;
    use crate::data::{Gender, Label};
    use crate::metrics::{Answers, Estimate};

    fn metrics(n: u32) -> Metrics {
        let estimate = Estimate {
            task: Task::Gender,
            probabilities: (0..n)
                .map(|i| {
                    let p = 0.5 + 0.5 * f64::from(i) / f64::from(n);
                    vec![1.0 - p, p]
                })
                .collect(),
            years: vec![],
        };
        let label = |i| Label {
            age: 10 + i % 70,
            gender: if i % 5 == 0 {
                Gender::Male
            } else {
                Gender::Female
            },
            race: Some((i % 5) as u8),
        };
        Metrics::of(&Answers::new(estimate, (0..n).map(label).collect()))
    }

    #[test]
    fn every_bin_has_a_dot_and_the_error_is_told() {
        let metrics = metrics(600);
        let figure = reliability("Reliability: gender", &metrics).unwrap();
        assert_eq!(
            figure.svg().matches("<circle").count(),
            metrics.reliability.len()
        );
        assert_eq!(
            metrics
                .reliability
                .iter()
                .map(|bin| bin.pictures)
                .sum::<usize>(),
            600
        );
        assert!(figure.svg().contains(&metrics.ece.percent()));
        assert!(reliability("None", &self::metrics(0)).is_err());
    }

    #[test]
    fn a_breakdown_has_a_row_for_all_and_one_a_group() {
        let metrics = metrics(600);
        let figure = crate::plot::breakdown("For whom", &metrics).unwrap();
        assert_eq!(
            figure.svg().matches("<circle").count(),
            1 + metrics.slices.len()
        );
        for words in [
            "all (600)",
            "age 10 to 19",
            "age 70 and over",
            "female (480)",
            "Indian (120)",
        ] {
            assert!(figure.svg().contains(words), "{words}");
        }
    }
}
