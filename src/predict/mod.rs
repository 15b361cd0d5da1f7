//! Predictions: for single faces, whole photographs, and shards of them.

mod answers;
mod by_index;
mod face;
mod photo;
mod pipeline;
mod predictor;
mod shards;
mod share;

pub use by_index::{LabelledPrediction, pred_gender_age_group, pred_gender_age_group_with};
pub use face::FacePrediction;
pub use photo::{Photo, PhotoFace};
pub use pipeline::Times;
pub use predictor::Predictor;
pub use shards::ShardReport;
pub use share::Share;
