//! Training: recipes, the loop, and the runs it leaves behind.

mod ablation;
mod augment;
mod checkpoint;
mod experiment;
mod history;
mod log;
mod optimiser;
mod recipe;
mod run;
mod search;
mod targets;
mod trainer;

pub use ablation::{
    Ablation, Difference, Trial, difference_table, differences, plot_differences, read_trials,
    trials,
};
pub use experiment::Experiment;
pub use history::{Epoch, History};
pub use recipe::{Recipe, Schedule, Stage};
pub use run::{Card, Data, Test, Trained, ensemble_answers, find, named, shipped};
pub use search::{Search, search};
pub use trainer::Training;
