//! The three sets of a split.

use serde::{Deserialize, Serialize};

/// Training, validation or test set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Training set.
    Train,
    /// Validation set.
    Validation,
    /// Test set.
    Test,
}

impl Part {
    /// All three sets.
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
