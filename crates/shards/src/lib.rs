//! Predictions for shards: tar files, folders and lists of images. Each shard gets a Parquet file.

mod answering;
mod answers;
mod parquet;
mod pipeline;
mod rows;
mod shard;
mod share;

pub use answering::{ShardReport, predict_shards};
pub use parquet::{WriteParquet, is_our_parquet};
pub use pipeline::Times;
pub use rows::{Answers, crop_table, photo_table};
pub use shard::Shard;
pub use share::Share;
