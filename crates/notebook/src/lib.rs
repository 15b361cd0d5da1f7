//! ror for notebooks. Cells use this crate under the name `ror`. It re-exports the library and adds
//! the display of values, live plots and the crate `lab`.
//!
//! The evcxr kernel shows a cell's last expression with its method `evcxr_display`, if it has one.
//! The trait [`Show`] provides that method.

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

/// Everything a notebook needs: `use ror::prelude::*;`
pub mod prelude {
    pub use crate::report::{self, Ablation, Explain, PublishedResults, Remeasure, Trials};
    pub use crate::{Moving, Show, Table};
    pub use anyhow::Context;
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

/// Prepares a notebook for short panic messages and live training output. The kernel calls this
/// when it starts.
pub fn start() {
    display::short_panics();
    utils::live::draw_with(live::draw);
}
