//! Faces in photographs: found, and cut as UTKFace's chips are.
//!
//! [`Detector`] is MTCNN (Zhang et al., "Joint Face Detection and Alignment Using Multitask
//! Cascaded Convolutional Networks", arXiv 1604.02878): three small convolutional nets, each of
//! which looks again at what the one before it proposed. [`Chip`] takes a face's five points to
//! where they are in UTKFace's chips.

mod boxes;
mod chip;
mod detector;
mod nets;

pub use boxes::Bounds;
pub use chip::{CHIP, Chip};
pub use detector::{Detector, Found};
