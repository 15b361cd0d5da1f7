//! The rows of a table of answers: one per face, and one for each image without a face.

use anyhow::Result;
use polars::prelude::{AnyValue, DataFrame, IdxCa, IdxSize, NewChunkedArray, df};
use serde::{Deserialize, Serialize};

use ror::predict::{FacePrediction, Photo};
use utils::progress::thousands;

/// Counts of some rows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) pictures: usize,
    pub(super) faces: usize,
    /// Number of images that could not be read.
    pub(super) unread: usize,
    pub(super) rows: usize,
    /// The error of the first image that could not be read.
    #[serde(skip)]
    pub(super) first_error: Option<String>,
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        self.pictures += other.pictures;
        self.faces += other.faces;
        self.unread += other.unread;
        self.rows += other.rows;
        self.first_error = self.first_error.take().or_else(|| other.first_error.clone());
    }

    /// `1,000 images, 1,203 faces, 2 unreadable, in 30.1 s: 33.2 images per second`
    pub(super) fn words(&self, seconds: f64) -> String {
        let [pictures, faces, unread] = [self.pictures, self.faces, self.unread].map(thousands);
        let rate = self.pictures as f64 / seconds.max(1e-9);
        format!(
            "{pictures} images, {faces} faces, {unread} unreadable, in {seconds:.1} s: {rate:.1} \
             images per second"
        )
    }
}

/// The name of each image, with its answer or its error.
pub type Answers<T> = Vec<(String, Result<T>)>;

/// The rows of some images.
pub(super) struct Rows {
    pub(super) table: DataFrame,
    pub(super) counts: Counts,
}

impl Rows {
    /// Makes one row per face. `first` is the number of the first photo in the shard.
    pub(super) fn of_photos(shard: &str, first: usize, photos: Answers<Photo>) -> Result<Self> {
        // `of` adds the path, because rows without a face have it too.
        let table = |photos: &[Photo]| Ok(Photo::table(photos)?.drop("path")?);
        Self::of(shard, first, photos, |photo| photo.faces.len(), table)
    }

    /// Makes one row per aligned crop.
    pub(super) fn of_faces(
        shard: &str,
        first: usize,
        faces: Answers<FacePrediction>,
    ) -> Result<Self> {
        Self::of(shard, first, faces, |_| 1, |faces| FacePrediction::table(faces))
    }

    /// Makes one row per face, and one for each image without a face.
    fn of<T>(
        shard: &str,
        first: usize,
        answers: Answers<T>,
        faces_of: impl Fn(&T) -> usize,
        table_of: impl Fn(&[T]) -> Result<DataFrame>,
    ) -> Result<Self> {
        let mut counts = Counts { pictures: answers.len(), ..Counts::default() };
        let (mut numbers, mut paths, mut errors) = (vec![], vec![], vec![]);
        let (mut there, mut places) = (vec![], vec![]);
        for (i, (path, answer)) in answers.into_iter().enumerate() {
            let (faces, error) = match &answer {
                Ok(answer) => (faces_of(answer), None),
                Err(error) => (0, Some(format!("{error:#}"))),
            };
            for face in 0..faces.max(1) {
                numbers.push((first + i) as u64);
                paths.push(path.clone());
                errors.push(error.clone());
                // The face's row in the table, or `None` without a face.
                places.push((face < faces).then_some((counts.faces + face) as IdxSize));
            }
            counts.faces += faces;
            counts.unread += usize::from(error.is_some());
            if let (Some(error), None) = (error, &counts.first_error) {
                counts.first_error = Some(format!("{path}: {error}"));
            }
            there.extend(answer.ok());
        }
        counts.rows = numbers.len();
        let places = IdxCa::from_iter_options("place".into(), places.into_iter());
        let faces = table_of(&there)?.take(&places)?;
        let mut table = df!(
            "shard" => vec![shard; counts.rows],
            "picture" => numbers,
            "path" => paths,
        )?;
        table.hstack_mut(faces.columns())?;
        table.hstack_mut(df!("error" => errors)?.columns())?;
        Ok(Self { table, counts })
    }
}

/// Returns the table of some photos: the columns of [`Photo::table`], then `status` (`ok`, `no face`
/// or `error`) and `error`. Every photo has at least one row.
///
/// # Errors
/// Only internal errors of polars.
pub fn photo_table(photos: Answers<Photo>) -> Result<DataFrame> {
    with_status(Rows::of_photos("", 0, photos)?.table, "face")
}

/// Returns the table of some aligned crops: `path`, the columns of [`FacePrediction::table`], then
/// `status` and `error` as in [`photo_table`].
///
/// # Errors
/// Only internal errors of polars.
pub fn crop_table(crops: Answers<FacePrediction>) -> Result<DataFrame> {
    with_status(Rows::of_faces("", 0, crops)?.table, "gender")
}

/// Replaces the columns of the shard by a status. `face` is a column that every face has.
fn with_status(table: DataFrame, face: &str) -> Result<DataFrame> {
    let mut table = table.drop("shard")?.drop("picture")?;
    let status = (0..table.height()).map(|row| {
        let is_null = |column: &str| -> Result<bool> {
            Ok(matches!(table.column(column)?.get(row)?, AnyValue::Null))
        };
        Ok(match (is_null("error")?, is_null(face)?) {
            (false, _) => "error",
            (true, true) => "no face",
            (true, false) => "ok",
        })
    });
    let status = df!("status" => status.collect::<Result<Vec<_>>>()?)?;
    let at = table.width() - 1;
    table.insert_column(at, status.column("status")?.clone())?;
    Ok(table)
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn every_picture_has_a_row() {
        let answers = vec![
            ("two".to_owned(), Ok(2)),
            ("none".to_owned(), Ok(0)),
            ("broken".to_owned(), Err(anyhow!("no picture"))),
            ("one".to_owned(), Ok(1)),
        ];
        let table_of = |faces: &[usize]| {
            let ages: Vec<f64> = (0..faces.iter().sum()).map(|face| face as f64).collect();
            Ok(df!("age" => ages)?)
        };
        let Rows { table, counts } = Rows::of("a", 7, answers, |faces| *faces, table_of).unwrap();
        let expected = df!(
            "shard" => ["a"; 5],
            "picture" => [7u64, 7, 8, 9, 10],
            "path" => ["two", "two", "none", "broken", "one"],
            "age" => [Some(0.0), Some(1.0), None, None, Some(2.0)],
            "error" => [None, None, None, Some("no picture"), None],
        )
        .unwrap();
        assert!(table.equals_missing(&expected), "{table}");
        assert_eq!((counts.pictures, counts.faces, counts.unread, counts.rows), (4, 3, 1, 5));
        assert_eq!(counts.first_error.unwrap(), "broken: no picture");
        let table = with_status(table, "age").unwrap();
        let status: Vec<_> = table.column("status").unwrap().str().unwrap().iter().collect();
        assert_eq!(status, ["ok", "ok", "no face", "error", "ok"].map(Some));
        assert_eq!(table.get_column_names(), ["path", "age", "status", "error"]);
    }
}
