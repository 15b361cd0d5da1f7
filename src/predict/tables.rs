//! Predictions as polars tables.

use anyhow::Result;
use polars::prelude::{DataFrame, df};

use super::{FacePrediction, Photo, PhotoFace, Predictor, Worker};
use crate::data::Faces;

impl FacePrediction {
    /// One row per face: `gender`, `female` (its probability, 0 to 1), `age` (expected age, years),
    /// `age_low` and `age_high` (80 % range, years), `age_group`.
    ///
    /// # Errors
    /// Only internal errors of polars.
    pub fn table<'a>(faces: impl IntoIterator<Item = &'a Self>) -> Result<DataFrame> {
        let faces: Vec<&Self> = faces.into_iter().collect();
        let numbers = |of: fn(&Self) -> f64| faces.iter().map(|face| of(face)).collect::<Vec<_>>();
        Ok(df!(
            "gender" => faces.iter().map(|face| face.gender.name()).collect::<Vec<_>>(),
            "female" => numbers(|face| face.female),
            "age" => numbers(|face| face.age),
            "age_low" => numbers(|face| face.age_range[0]),
            "age_high" => numbers(|face| face.age_range[1]),
            "age_group" => faces.iter().map(|face| face.age_group.as_str()).collect::<Vec<_>>(),
        )?)
    }
}

impl Photo {
    /// One row per face of the photographs: `path`, `face` (its number in the photograph, from 1),
    /// `x`, `y`, `width`, `height` (pixels), `score`, `notes`, and the columns of
    /// [`FacePrediction::table`].
    ///
    /// # Errors
    /// Only internal errors of polars.
    pub fn table(photos: &[Self]) -> Result<DataFrame> {
        let faces: Vec<&PhotoFace> = photos.iter().flat_map(|photo| &photo.faces).collect();
        let paths = photos.iter().flat_map(|photo| {
            std::iter::repeat_n(photo.path.display().to_string(), photo.faces.len())
        });
        let places = photos.iter().flat_map(|photo| 1..=photo.faces.len() as u32);
        let bound = |at: usize| faces.iter().map(|face| face.bounds[at]).collect::<Vec<_>>();
        let mut table = df!(
            "path" => paths.collect::<Vec<_>>(),
            "face" => places.collect::<Vec<_>>(),
            "x" => bound(0),
            "y" => bound(1),
            "width" => bound(2),
            "height" => bound(3),
            "score" => faces.iter().map(|face| face.score).collect::<Vec<_>>(),
            "notes" => faces.iter().map(|face| face.notes.join("; ")).collect::<Vec<_>>(),
        )?;
        let predicted = FacePrediction::table(faces.iter().map(|face| &face.face))?;
        table.hstack_mut(predicted.columns())?;
        Ok(table)
    }
}

impl Predictor {
    /// Predicts for the images of a records table, on every core. One row per image, in the table's
    /// order: `index`, `predicted_gender`, `predicted_age` and the other columns of
    /// [`FacePrediction::table`]; join them with the records by `index`.
    ///
    /// # Errors
    /// A table that is not of this set, an image that can't be read or decoded, or the device
    /// failing.
    pub fn predict_records(&self, faces: &Faces, records: &DataFrame) -> Result<DataFrame> {
        let indices = faces.indices(records)?;
        let read = |worker: &Worker, i: usize| worker.inputs(&faces.picture(indices[i])?);
        let predicted = self.predict_each(indices.len(), read)?;
        let predicted = predicted.into_iter().collect::<Result<Vec<FacePrediction>>>()?;
        let mut columns = FacePrediction::table(&predicted)?;
        // Records already have the columns gender and age.
        columns.rename("gender", "predicted_gender".into())?;
        columns.rename("age", "predicted_age".into())?;
        let indices = indices.iter().map(|index| *index as u32).collect::<Vec<_>>();
        let mut table = df!("index" => indices)?;
        table.hstack_mut(columns.columns())?;
        Ok(table)
    }
}
