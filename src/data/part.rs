//! The three parts of a split.

use serde::{Deserialize, Serialize};

/// One of the three parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// To train on.
    Train,
    /// To select by.
    Validation,
    /// To test on.
    Test,
}

impl Part {
    /// All three.
    pub const ALL: [Part; 3] = [Part::Train, Part::Validation, Part::Test];

    /// `train`, `validation` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Validation => "validation",
            Part::Test => "test",
        }
    }
}
