//! JSON of predictions, one line for each image. That of a photo is [`Photo`](super::Photo) itself.

use anyhow::{Error, Result};
use serde::Serialize;
use utils::escape;

use super::FacePrediction;

/// The prediction for an aligned crop as a line of JSON, with its path. What could move a
/// terminal's cursor is escaped.
///
/// # Errors
/// None is expected.
pub fn crop_json(path: &str, face: &FacePrediction) -> Result<String> {
    #[derive(Serialize)]
    struct Line<'a> {
        path: &'a str,
        #[serde(flatten)]
        face: &'a FacePrediction,
    }
    escape::to_json(&Line { path, face })
}

/// Why an image could not be predicted as a line of JSON, with its path.
///
/// ```
/// let error = anyhow::anyhow!("the file is empty");
/// let line = ror::predict::unread_json("a.jpg", &error);
/// assert_eq!(line, r#"{"path":"a.jpg","error":"the file is empty"}"#);
/// ```
pub fn unread_json(path: &str, error: &Error) -> String {
    #[derive(Serialize)]
    struct Unread<'a> {
        path: &'a str,
        error: String,
    }
    let unread = Unread { path, error: format!("{error:#}") };
    escape::to_json(&unread).unwrap_or_default() // two texts always have a JSON
}
