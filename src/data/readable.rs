//! A data set without the images that can't be decoded.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Result;
use image::RgbImage;

use super::faces::LeftOut;
use super::resized::BadImages;
use super::{Faces, Source};
use utils::progress::say;

/// Some of the images of a set.
#[derive(Debug)]
struct Part {
    of: Faces,
    indices: Vec<usize>,
}

impl Source for Part {
    fn describe(&self) -> String {
        self.of.source().describe()
    }

    fn bytes(&self, index: usize) -> Result<Vec<u8>> {
        self.of.source().bytes(self.indices[index])
    }

    fn picture(&self, index: usize) -> Result<RgbImage> {
        self.of.source().picture(self.indices[index])
    }

    fn is_synthetic(&self) -> bool {
        self.of.is_synthetic()
    }

    fn is_kept(&self) -> bool {
        self.of.source().is_kept()
    }

    fn folder(&self) -> Option<&Path> {
        self.of.folder()
    }
}

impl Faces {
    /// Returns the set without the images that can't be decoded, which are named in a note and in
    /// [`Faces::unreadable`]. If all can be decoded, it is this set. Prepares the images in `size`, as
    /// [`Faces::pictures`] does.
    ///
    /// The indices behind an image that is left out change, so call it before splitting.
    ///
    /// # Errors
    /// No image can be decoded, `size` is outside 8..=512, or Stop was pressed in a notebook.
    pub fn readable(&self, size: u32) -> Result<Self> {
        let bad = match self.pictures(size) {
            Ok(_) => return Ok(self.clone()),
            Err(error) => error.downcast::<BadImages>()?.bad,
        };
        let bad: HashMap<usize, String> = bad.into_iter().collect();
        let indices: Vec<usize> = (0..self.len()).filter(|i| !bad.contains_key(i)).collect();
        let records = indices.iter().map(|i| self.all()[*i].clone()).collect();
        let mut new: Vec<_> = bad.into_iter().collect();
        new.sort_unstable();
        let new = LeftOut {
            unreadable: new.into_iter().map(|(_, why)| why).collect(),
            ..LeftOut::default()
        };
        if let Some(note) = new.unreadable() {
            say(&format!("note: {note}"));
        }
        let left_out = LeftOut {
            unparsed: self.unparsed().to_vec(),
            unreadable: [self.unreadable(), &new.unreadable].concat(),
        };
        Self::new(Box::new(Part { of: self.clone(), indices }), records, left_out)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::data::{Split, SplitSizes};

    #[test]
    fn one_bad_image_does_not_cost_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let faces = Faces::synthetic(6, 0).unwrap();
        let name = |age: usize| folder.path().join(format!("{age}_0_20170116184024662.jpg"));
        for i in 0..6 {
            fs::write(name(10 + i), faces.bytes(i).unwrap()).unwrap();
        }
        fs::write(name(11), "").unwrap();
        fs::write(name(14), "no picture").unwrap();
        let all = Faces::open_at(folder.path()).unwrap();
        let error = format!("{:#}", all.pictures(16).unwrap_err());
        assert!(error.contains("2 of 6 images") && error.contains("readable"), "{error}");
        let some = all.readable(16).unwrap();
        assert_eq!((some.len(), some.unreadable().len()), (4, 2));
        assert_eq!(some.labels(&[1]).unwrap()[0].age, 12);
        assert_eq!(some.bytes(1).unwrap(), faces.bytes(2).unwrap());
        assert_eq!(some.pictures(16).unwrap().size()[0], 4);
        assert_ne!(some.fingerprint(), all.fingerprint());
        let sizes = SplitSizes { train: 2, validation: 1, test: None, seed: 0 };
        Split::new(&some, some.records(), &sizes).unwrap();
        assert_eq!(some.readable(16).unwrap().len(), 4);
        for age in [10, 12, 13, 15] {
            fs::write(name(age), "no picture").unwrap();
        }
        let none =
            format!("{:#}", Faces::open_at(folder.path()).unwrap().readable(16).unwrap_err());
        assert!(none.contains("no labeled image") && none.contains("10_0_"), "{none}");
    }
}
