//! Predictions for shards: tar files, folders and lists of images. Each shard gets a Parquet file.

mod answering;
mod answers;
mod parquet;
mod pipeline;
mod shard;
mod share;

pub use answering::{ShardReport, predict_shards};
pub use parquet::WriteParquet;
pub use pipeline::Times;
pub use shard::Shard;
pub use share::Share;
