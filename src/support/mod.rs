//! What every floor stands on: files, hashes, random numbers, threads, progress, the device.

pub(crate) mod device;
pub(crate) mod files;
pub(crate) mod hash;
pub(crate) mod live;
pub(crate) mod progress;
pub(crate) mod python;
pub(crate) mod random;
pub(crate) mod ranks;
pub(crate) mod threads;
