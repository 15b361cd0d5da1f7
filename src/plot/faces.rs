//! Faces of the data set with their labels, or with their predictions.

use anyhow::Result;
use charts::{Captioned, Figure, captioned, picture_grid};
use polars::prelude::DataFrame;

use crate::data::Faces;
use crate::predict::LabelledPrediction;
use crate::task::Gender;
use utils::hash::rank;
use utils::progress::counted;

/// What the notebook's HTML and a figure's SVG contain if they show photographs of a data set, whose
/// licence may forbid to publish them. Synthetic faces are not marked.
pub const PHOTOGRAPHS: &str = "ror-photographs-of-a-data-set";

/// A grid of `rows` x `columns` faces drawn at random from a records table, each labeled such as
/// "Male: 23". The seed decides which; a table with no more rows than that is shown completely and
/// in its order.
///
/// # Errors
/// A table that is not of this set, no rows or columns, or an image that can't be read.
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
    if indices.len() > rows * columns {
        indices.sort_by_cached_key(|index| rank(seed, &index.to_string()));
        indices.truncate(rows * columns);
    }
    let captions = indices.iter().map(|index| {
        let label = faces.record(*index)?.label;
        let gender = match label.gender {
            Gender::Male => "Male",
            Gender::Female => "Female",
        };
        Ok((format!("{gender}: {}", label.age), *index))
    });
    let what = if faces.is_synthetic() { "Synthetic faces" } else { "Faces" };
    captioned_faces(what, faces, captions.collect::<Result<Vec<_>>>()?, columns)
}

/// A grid of faces of a data set, each with a caption: pairs of caption and index.
///
/// # Errors
/// No faces, no columns, an index outside the set, or an image that can't be read.
pub fn captioned_faces(
    title: &str,
    faces: &Faces,
    captions: Vec<(String, usize)>,
    columns: usize,
) -> Result<Figure> {
    let pictures = captions.into_iter().map(|(text, index)| Ok((text, faces.bytes(index)?)));
    let figure = picture_grid(title, &pictures.collect::<Result<Vec<_>>>()?, columns)?;
    Ok(marked(figure, !faces.is_synthetic()))
}

/// Marks a figure that shows photographs.
fn marked(figure: Figure, photographs: bool) -> Figure {
    match photographs {
        true => figure.with_elements(&format!("<metadata>{PHOTOGRAPHS}</metadata>\n")),
        false => figure,
    }
}

/// A grid of faces, each with its prediction and its label: "female, 31" and "is 33" below it, or
/// "is male, 33". In red: a wrong gender, or an age that is more than 10 years off.
///
/// # Errors
/// No predictions.
///
/// ```no_run
/// use ror::prelude::*;
///
/// # fn main() -> anyhow::Result<()> {
/// let some = [23, 230, 2300].map(pred_gender_age_group).into_iter().collect::<Result<Vec<_>>>()?;
/// plot::predictions(&some)?.save("predictions.png")?;
/// # Ok(())
/// # }
/// ```
pub fn predictions(predictions: &[LabelledPrediction]) -> Result<Figure> {
    let captions = predictions.iter().map(|one| {
        let (face, label) = (&one.face, one.label);
        let truth = match face.gender == label.gender {
            true => format!("is {}", label.age),
            false => format!("is {}, {}", label.gender.name(), label.age),
        };
        // Spaces that do not break keep each half together.
        let halves = [format!("{}, {:.0}", face.gender.name(), face.age), truth];
        halves.map(|half| half.replace(' ', "\u{a0}")).join(" ")
    });
    let captions: Vec<String> = captions.collect();
    let shown = predictions.iter().zip(&captions).map(|(one, caption)| {
        let (face, label) = (&one.face, one.label);
        let off = (face.age - f64::from(label.age)).abs() > 10.0;
        let wrong = face.gender != label.gender || off;
        Captioned { caption, file: &one.picture, wrong }
    });
    let shown: Vec<_> = shown.collect();
    let wrong = shown.iter().filter(|one| one.wrong).count();
    let note = format!(
        "{}; red: {wrong} with a wrong gender or an age more than 10 years off",
        counted(shown.len(), "image")
    );
    let figure = captioned("Predictions and labels", &note, &shown, 6)?;
    Ok(marked(figure, predictions.iter().any(|one| !one.synthetic)))
}
