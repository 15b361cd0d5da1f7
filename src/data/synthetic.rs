//! Synthetic faces as a [`Source`].

use anyhow::{Context, Result, ensure};
use image::RgbImage;
use synthetic::{Person, SIZE, population};

use super::{Record, Source, parse_name};

/// Synthetic people, drawn from a seed.
#[derive(Debug)]
pub(super) struct Synthetic {
    people: Vec<Person>,
    seed: u64,
}

impl Synthetic {
    /// Creates `n` people and their records, the same for the same seed on every machine.
    pub(super) fn new(n: usize, seed: u64) -> Result<(Self, Vec<Record>)> {
        ensure!(n > 0, "a set needs at least one face");
        let people = population(n, seed);
        let record = |person: &Person| {
            let file = person.file_name();
            let label =
                parse_name(&file).with_context(|| format!("unexpected file name {file}"))?;
            let content = person.content();
            Ok(Record { file, label, content })
        };
        let records = people.iter().map(record).collect::<Result<_>>()?;
        Ok((Self { people, seed }, records))
    }

    fn person(&self, index: usize) -> Result<&Person> {
        self.people.get(index).context("there is no such person")
    }
}

impl Source for Synthetic {
    fn describe(&self) -> String {
        format!("seed {}", self.seed)
    }

    fn bytes(&self, index: usize) -> Result<Vec<u8>> {
        self.person(index)?.jpeg()
    }

    /// Returns the pixels before JPEG: twice as fast.
    fn picture(&self, index: usize) -> Result<RgbImage> {
        self.person(index)?.draw(SIZE)
    }

    fn is_synthetic(&self) -> bool {
        true
    }
}
