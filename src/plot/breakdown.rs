//! For whom a net is how good.

use anyhow::Result;

use super::figure::Figure;
use super::style::thousands;
use crate::Task;
use crate::metrics::Metrics;

/// Accuracy of gender, or mean absolute error of age, by age band, gender and race, each with
/// its 95 % interval; the first row is of all pictures.
///
/// # Errors
/// Metrics without slices.
pub fn breakdown(title: &str, metrics: &Metrics) -> Result<Figure> {
    let gender = metrics.task == Task::Gender;
    let scale = if gender { 100.0 } else { 1.0 };
    let all = metrics.mae.filter(|_| !gender).unwrap_or(metrics.accuracy);
    let row = |by: &str, of: &str, pictures: usize, value: &crate::metrics::Interval| {
        (
            format!("{by}{of} ({})", thousands(pictures)),
            value.value * scale,
            value.low * scale,
            value.high * scale,
        )
    };
    let mut rows = vec![row("", "all", metrics.pictures, &all)];
    rows.extend(metrics.slices.iter().map(|slice| {
        let by = if slice.by == crate::metrics::By::Age {
            "age "
        } else {
            ""
        };
        row(by, &slice.of, slice.pictures, &slice.value)
    }));
    let axis = if gender {
        "Accuracy (%), 95 % interval"
    } else {
        "Mean absolute error (years), 95 % interval"
    };
    super::intervals(title, axis, &rows)
}
