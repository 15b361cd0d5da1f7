//! Shared utilities of ror's crates. This crate does not depend on faces, ages or networks.

pub mod busy;
pub mod destination;
pub mod device;
pub mod escape;
pub mod files;
pub mod hash;
pub mod html;
pub mod interval;
pub mod launcher;
pub mod listing;
pub mod live;
pub mod names;
pub mod outputs;
pub mod paths;
pub mod progress;
pub mod python;
pub mod random;
pub mod rows;
pub mod tar_members;
pub mod text;
pub mod threads;
