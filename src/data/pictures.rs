//! Images: decoded, resized, in one contiguous tensor, and cached.

pub use imaging::{decode, decode_photo, resize};
use tch::Tensor;

/// Images of one size as a tensor, in the order of their set's records.
#[derive(Debug)]
pub struct Pictures {
    /// Shape `[n, size, size, 3]`, u8, RGB: channels last, as decoders write them and as
    /// convolutions run fastest.
    pub tensor: Tensor,
    /// Side length in pixels.
    pub size: u32,
}

impl Pictures {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.tensor.size()[0] as usize
    }

    /// Shares the images without copying them.
    pub(super) fn share(&self) -> Self {
        Self { tensor: self.tensor.shallow_clone(), size: self.size }
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
