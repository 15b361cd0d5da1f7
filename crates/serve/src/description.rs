//! The OpenAPI description of the answers. `tests/api.rs` compares it with what is answered.

#![allow(dead_code)] // The library makes the answers; these types only describe them.

use serde::Serialize;
use utoipa::ToSchema;

/// A photo with its faces, the largest first.
#[derive(Serialize, ToSchema)]
pub struct Photo {
    /// The image's file name in the form; empty for a body.
    path: String,
    /// Width in pixels, upright.
    width: u32,
    /// Height in pixels, upright.
    height: u32,
    faces: Vec<Face>,
}

/// A face, in the photo's pixels.
#[derive(Serialize, ToSchema)]
pub struct Face {
    /// Left, top, width and height.
    #[serde(rename = "box")]
    bounds: [f64; 4],
    /// The detector's confidence that it is a face, 0 to 1.
    score: f64,
    /// Left and right eye, nose, left and right corner of the mouth.
    landmarks: [[f64; 2]; 5],
    /// Corners of the aligned crop, clockwise from the upper left.
    chip: [[f64; 2]; 4],
    /// Reasons to trust the prediction less.
    notes: Vec<String>,
    gender: Gender,
    /// Probability of female, 0 to 1.
    female: f64,
    /// Expected age in years.
    age: f64,
    /// The network's 80 % interval for the age, in years.
    age_range: [f64; 2],
    /// Index of the expected age's group.
    group: u32,
    /// Name of that group, such as `11-15`.
    age_group: String,
    /// Name and probability of every group.
    groups: Vec<(String, f64)>,
}

/// An aligned crop (`?aligned=true`).
#[derive(Serialize, ToSchema)]
pub struct Crop {
    /// The image's file name in the form; empty for a body.
    path: String,
    gender: Gender,
    /// Probability of female, 0 to 1.
    female: f64,
    /// Expected age in years.
    age: f64,
    /// The network's 80 % interval for the age, in years.
    age_range: [f64; 2],
    /// Index of the expected age's group.
    group: u32,
    /// Name of that group, such as `11-15`.
    age_group: String,
    /// Name and probability of every group.
    groups: Vec<(String, f64)>,
}

/// The more likely gender.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Gender {
    Male,
    Female,
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
