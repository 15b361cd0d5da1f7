//! Trained nets: kept with a card that says all about them, found again, and checked for what
//! they have seen.

mod card;
mod evaluate;
mod lineage;
mod models;
mod trained;

pub(crate) use card::today;
pub use card::{Card, DataCard, Published};
pub use lineage::{Lineage, Overlap};
pub use models::{DEFAULT_MODEL, Model, ModelStore};
pub use trained::{Trained, ensemble};
