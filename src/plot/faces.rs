//! Faces of the data set with their labels.

use anyhow::Result;
use polars::prelude::DataFrame;

use super::{Figure, picture_grid};
use crate::data::Faces;
use crate::support::hash::rank;
use crate::task::Gender;

/// A grid of `rows` x `columns` faces drawn at random from a table of records, each labelled
/// such as "Male: 23". The seed decides which.
///
/// # Errors
/// A table that is not of this set, no rows or columns, or a picture that can't be read.
///
/// ```
/// use ror::{data::Faces, plot};
///
/// # fn main() -> anyhow::Result<()> {
/// let faces = Faces::synthetic(40, 0)?;
/// let figure = plot::faces(&faces, faces.records(), 2, 3, 7)?;
/// assert_eq!(figure.svg().matches("<image").count(), 6);
/// # Ok(())
/// # }
/// ```
pub fn faces(
    faces: &Faces,
    records: &DataFrame,
    rows: usize,
    columns: usize,
    seed: u64,
) -> Result<Figure> {
    let mut indices = faces.indices(records)?;
    indices.sort_by_cached_key(|index| rank(seed, &index.to_string()));
    indices.truncate(rows * columns);
    let pictures = indices
        .iter()
        .map(|index| {
            let label = faces.record(*index)?.label;
            let gender = match label.gender {
                Gender::Male => "Male",
                Gender::Female => "Female",
            };
            Ok((format!("{gender}: {}", label.age), faces.bytes(*index)?))
        })
        .collect::<Result<Vec<_>>>()?;
    let what = if faces.is_synthetic() { "Synthetic faces" } else { "Faces" };
    picture_grid(what, &pictures, columns)
}
