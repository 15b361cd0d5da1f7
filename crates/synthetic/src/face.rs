//! The parameters of a face.

/// Everything that determines an image. A label may disagree with it, as in UTKFace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Face {
    pub(crate) age: u32,
    pub(crate) gender: u8,
    pub(crate) race: u8,
    pub(crate) seed: u64,
}
