//! ror as notebooks use it. Cells know this crate as `ror`: it has all of the library, and with it how
//! values show themselves, plots that move, and what the `lab` finds out.
//!
//! The evcxr kernel shows a cell's last expression by its method `evcxr_display`, where it has one:
//! [`Show`] is where they are.

mod display;
mod live;
mod table;

pub use display::Show;
#[doc(hidden)]
pub use display::failed;
pub use distributed;
pub use lab as report;
pub use live::Moving;
pub use ror::*;
pub use table::Table;

/// What a notebook uses: `use ror::prelude::*;`
pub mod prelude {
    pub use crate::report::{self, Ablation, Explain, PublishedResults, Remeasure, Trials};
    pub use crate::{Moving, Show, Table};
    pub use ror::prelude::*;
    pub use shards::WriteParquet;
}

/// Prepares a notebook: short panics, and trainings that show what they do while they run. The
/// kernel calls this when it starts.
pub fn start() {
    display::short_panics();
    utils::live::draw_with(live::draw);
}
