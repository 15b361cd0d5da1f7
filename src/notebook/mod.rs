//! How things show themselves in a notebook cell.
//!
//! The evcxr kernel shows a cell's last expression by its method `evcxr_display`, where it has
//! one. All of them are here: nothing else in the crate knows of notebooks, but for where progress
//! is printed.

mod display;
mod live;
mod table;

pub use display::Show;
#[doc(hidden)]
pub use display::failed;
pub use live::Moving;
pub use table::Table;

/// Prepares a notebook: short panics, and trainings that show what they do while they run. The
/// kernel calls this when it starts.
pub fn start() {
    display::short_panics();
    crate::support::live::draw_with(live::draw);
}
