//! Predictions for single faces and whole photographs.

#[cfg(feature = "tables")]
mod by_index;
mod embeddings;
mod face;
mod json;
mod photo;
mod predictor;
#[cfg(feature = "tables")]
mod tables;

#[cfg(feature = "tables")]
pub use by_index::{LabelledPrediction, pred_gender_age_group, pred_gender_age_group_with};
pub use embeddings::nearest;
pub use face::FacePrediction;
pub use json::{crop_json, unread_json};
pub use mtcnn::{Bounds, CHIP, Chip, Detector, Found};
pub use photo::{Photo, PhotoFace, Seen, detector};
pub use predictor::{Predictor, Worker};
