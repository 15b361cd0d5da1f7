//! Sources of images.

use std::fmt;
use std::path::Path;

use anyhow::Result;
use image::RgbImage;

use super::decode;

/// Images by their index in a [`Faces`](super::Faces). Implement it for custom images that are not
/// files in one folder, and pass it to
/// [`Faces::from_source`](super::Faces::from_source).
pub trait Source: fmt::Debug + Send + Sync {
    /// Describes where the images are, in words that follow "from", such as a folder's path.
    fn describe(&self) -> String;

    /// Returns an image's encoded bytes, JPEG or PNG.
    ///
    /// # Errors
    /// An image that is missing or can't be read.
    fn bytes(&self, index: usize) -> Result<Vec<u8>>;

    /// Returns an image at full size, RGB.
    ///
    /// # Errors
    /// An image that can't be read or decoded.
    fn picture(&self, index: usize) -> Result<RgbImage> {
        decode(&self.bytes(index)?)
    }

    /// Whether the images are synthetic rather than photographs.
    fn is_synthetic(&self) -> bool {
        false
    }

    /// Whether resized images are kept in the cache.
    fn is_kept(&self) -> bool {
        true
    }

    /// The folder that holds the images, if there is one.
    fn folder(&self) -> Option<&Path> {
        None
    }
}
