//! ror for notebooks. Cells use this crate under the name `ror`. It re-exports the library and adds
//! the display of values, live plots and the crate `lab`.
//!
//! The evcxr kernel shows a cell's last expression with its method `evcxr_display`, if it has one.
//! The trait [`Show`] provides that method; [`show`] shows values anywhere in a cell, and
//! [`interact`] shows them below sliders.

mod by_index;
mod cell;
mod columns;
mod control;
mod display;
mod front;
mod interact;
mod last;
mod live;
mod show;
mod stdin;
mod table;
mod words;

pub use by_index::{pred_gender_age_group, pred_gender_age_group_with};
#[doc(hidden)]
pub use cell::{NotKept, failed, kept, ran};
#[doc(hidden)]
pub use columns::{Columns, columns};
pub use control::{Control, Number};
pub use distributed;
pub use interact::interact;
pub use lab as report;
#[doc(hidden)]
pub use last::{ByDebug, ByShow, Last};
pub use live::Moving;
pub use ror::*;
pub use show::{Output, Show, show};
#[doc(hidden)]
pub use stdin::{Stdin, stdin};
pub use table::Table;
#[doc(hidden)]
pub use words::in_words;

/// Everything a notebook needs: `use ror::prelude::*;`
pub mod prelude {
    pub use crate::report::{self, Ablation, Comparison, Explain, PublishedResults};
    pub use crate::report::{Remeasure, Trials};
    pub use crate::{Moving, Show, Table, interact, show};
    pub use crate::{pred_gender_age_group, pred_gender_age_group_with};
    pub use anyhow::Context;
    pub use ror::data::read_csv;
    // What filtering, grouping and joining a table takes.
    pub use polars::prelude::{
        ChunkCompareEq, ChunkCompareIneq, Column, DataFrame, DataType, Expr, IntoColumn, IntoLazy,
        JoinArgs, JoinType, LazyFrame, NamedFrom, Series, SortMultipleOptions, col, df, len, lit,
        when,
    };
    pub use ror::metrics::{Interval, Metric};
    pub use ror::model::{KerasBaselineConfig, NetConfig};
    pub use ror::prelude::*;
    pub use ror::store::DEFAULT_MODEL;
    pub use ror::train::Schedule;
    pub use shards::WriteParquet;
}

/// Prepares the process of cells: its connection to the kernel's front, short panic messages, and
/// live training output. The kernel calls this when the process starts.
pub fn start() {
    cell::short_panics();
    utils::live::draw_with(live::draw);
    if let Err(error) = front::connect(interact::call) {
        eprintln!(
            "what cells print comes late, because the kernel's front is not reached: {error}"
        );
    }
}
