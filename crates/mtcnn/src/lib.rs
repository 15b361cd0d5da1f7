//! Detecting faces in photos, and cropping them aligned like UTKFace's images.
//!
//! [`Detector`] is MTCNN (Zhang et al., "Joint Face Detection and Alignment Using Multitask
//! Cascaded Convolutional Networks", arXiv 1604.02878): three small convolutional networks, each of
//! which refines the proposals of the one before. [`Chip`] maps a face's five landmarks to their
//! positions in UTKFace's images.

mod boxes;
mod chip;
mod detector;
mod nets;
mod orientation;

pub use boxes::Bounds;
pub use chip::{CHIP, Chip};
pub use detector::{Detector, Found};
