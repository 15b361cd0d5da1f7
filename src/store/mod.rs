//! Trained networks: saved with their cards, found by name, and checked for train/test leakage.

mod card;
mod evaluate;
mod lineage;
mod models;
mod trained;

pub(crate) use card::today;
pub use card::{Card, DataCard, Published};
pub use evaluate::Unseen;
pub use lineage::Lineage;
pub use models::{DEFAULT_MODEL, Model, ModelStore};
pub use trained::{Trained, ensemble, files_of};
