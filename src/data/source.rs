//! Where pictures come from.

use std::fmt;
use std::path::Path;

use anyhow::Result;
use image::RgbImage;

use super::decode;

/// Pictures by their index in a [`Faces`](super::Faces). Implement it for pictures of your own
/// that are not files in one folder, and hand it to
/// [`Faces::from_source`](super::Faces::from_source).
pub trait Source: fmt::Debug + Send + Sync {
    /// Where the pictures are, in words that follow "from", such as a folder's path.
    fn describe(&self) -> String;

    /// A picture's encoded bytes, JPEG or PNG.
    ///
    /// # Errors
    /// A picture that is not there, or can't be read.
    fn bytes(&self, index: usize) -> Result<Vec<u8>>;

    /// A picture in full size, RGB.
    ///
    /// # Errors
    /// A picture that can't be read or decoded.
    fn picture(&self, index: usize) -> Result<RgbImage> {
        decode(&self.bytes(index)?)
    }

    /// Whether the pictures are made by a program rather than photographs.
    fn is_synthetic(&self) -> bool {
        false
    }

    /// Whether resized pictures are kept in the cache for the next time.
    fn is_kept(&self) -> bool {
        true
    }

    /// The folder that holds the pictures, where there is one.
    fn folder(&self) -> Option<&Path> {
        None
    }
}
