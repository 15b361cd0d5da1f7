//! One file a command: its arguments, and what it does.

pub mod ablate;
pub mod data;
pub mod evaluate;
pub mod export;
pub mod lineage;
pub mod predict;
pub mod protocols;
pub mod results;
pub mod train;
pub mod visualize;
pub mod worker;
