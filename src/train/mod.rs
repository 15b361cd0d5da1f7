//! Training: recipes, the loop, and the runs it leaves behind.

mod augment;
mod checkpoint;
mod history;
mod optimiser;
mod recipe;
mod run;
mod search;
mod trainer;

pub use history::{Epoch, History};
pub use recipe::{Recipe, Schedule};
pub use run::{Card, Trained, find};
pub use search::{Search, search};
pub use trainer::Training;
