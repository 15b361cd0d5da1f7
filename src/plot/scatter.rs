//! Scatter plots.

use anyhow::{Result, ensure};
use plotters::prelude::*;

use super::figure::Figure;
use super::figure::page;
use super::style::{ACCENT, Axis, HEIGHT, MARGIN, WIDTH, chart, counted, limits};

/// Scatter plot, for example of predicted over true ages. Overlapping points are darker.
///
/// `x` and `y` are an axis title, with its unit, and a value per point.
///
/// # Errors
/// No points, different numbers of values in `x` and `y`, or a value that is not finite.
///
/// ```
/// use ror::prelude::*;
///
/// # fn main() -> anyhow::Result<()> {
/// let (truth, predicted) = ([20.0, 31.0, 64.0], [22.5, 30.1, 57.0]);
/// let x = ("True age (years)", &truth[..]);
/// let figure = plot::scatter("Ages", x, ("Predicted age (years)", &predicted))?;
/// assert_eq!(figure.svg().matches("<circle").count(), 3);
/// # Ok(())
/// # }
/// ```
pub fn scatter(title: &str, x: (&str, &[f64]), y: (&str, &[f64])) -> Result<Figure> {
    ensure!(!x.1.is_empty(), "there are no points to show");
    ensure!(
        x.1.len() == y.1.len(),
        "there are {} values of {:?}, but {} of {:?}",
        x.1.len(),
        x.0,
        y.1.len(),
        y.0
    );
    ensure!(
        x.1.iter().chain(y.1).all(|value| value.is_finite()),
        "some values are not finite: drop them first"
    );
    let axis = |(title, values): (&str, &[f64]), count| {
        let range = limits(values.iter().copied()).unwrap_or(0.0..1.0);
        Axis::new(title, range, count)
    };
    page((WIDTH, HEIGHT + 60), title, &counted(x.1.len(), "point"), |body| {
        let mut chart = chart(body, &axis(x, 10), &axis(y, 8), 2 * MARGIN)?;
        // Keeps many points from merging and few from fading.
        let density = (30.0 / (x.1.len() as f64).sqrt()).clamp(0.12, 0.8);
        let points = x.1.iter().zip(y.1).map(|(x, y)| (*x, *y));
        let style = ACCENT.mix(density).filled();
        chart.draw_series(points.map(|point| Circle::new(point, 3, style)))?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_need_two_finite_values() {
        let plot = |x: &[f64], y: &[f64]| scatter("Points", ("x", x), ("y", y));
        assert_eq!(plot(&[1.0, 2.0], &[3.0, 3.0]).unwrap().svg().matches("<circle").count(), 2);
        assert!(plot(&[], &[]).is_err());
        assert!(plot(&[1.0], &[f64::NAN]).is_err());
        let uneven = plot(&[1.0], &[]).unwrap_err().to_string();
        assert!(uneven.contains("1 values of \"x\", but 0 of \"y\""), "{uneven}");
    }
}
