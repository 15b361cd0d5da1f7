//! Predictions for pictures of cropped and aligned faces.

mod by_index;
mod face;
mod photo;
mod predictor;

pub use by_index::{LabelledPrediction, pred_gender_age_group, pred_gender_age_group_with};
pub use face::FacePrediction;
pub use photo::{Photo, PhotoFace};
pub use predictor::Predictor;
