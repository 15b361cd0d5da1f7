//! The OpenAPI description of the answers, as far as the library's types do not describe themselves.
//! `tests/api.rs` compares it with what is answered.

#![allow(dead_code)] // The library makes the answers; these types only describe them.

use ror::predict::{FacePrediction, Photo};
use serde::Serialize;
use utoipa::ToSchema;

/// An aligned crop (`?aligned=true`).
#[derive(Serialize, ToSchema)]
pub struct Crop {
    /// The image's file name in the form; empty for a body.
    path: String,
    #[serde(flatten)]
    face: FacePrediction,
}

/// An image that can't be read.
#[derive(Serialize, ToSchema)]
pub struct Unread {
    /// The image's file name in the form; empty for a body.
    path: String,
    /// What is wrong with it.
    error: String,
}

/// The answer for one image.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Answer {
    Photo(Photo),
    Crop(Crop),
    Unread(Unread),
}

/// One object for an image that is the body, or an array of them for a form.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Answers {
    One(Answer),
    All(Vec<Answer>),
}

/// A request that is not served.
#[derive(Serialize, ToSchema)]
pub struct Error {
    /// What is wrong with it.
    error: String,
}

/// Images as a form.
#[derive(Serialize, ToSchema)]
pub struct Form {
    /// Image files. The name of the field does not matter.
    #[schema(value_type = Vec<String>, format = Binary)]
    images: Vec<Vec<u8>>,
}

/// A network in use. Predictions of several are averaged.
#[derive(Serialize, ToSchema)]
pub struct Model {
    /// Identifies task, shape, data and training.
    key: String,
    /// `both`, `gender`, `years`, or an age group's name.
    task: String,
    /// SHA-256 of its weights.
    weights_sha256: String,
    /// How many numbers were trained.
    parameters: u64,
    /// Side of its input in pixels.
    input: u32,
}
