//! What a cell says to evcxr: blocks of content, and errors and panics.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::words::of_panic;
use serde_json::json;
use utils::live::{tell, tell_failed};

/// Sends one block of content to evcxr.
pub(super) fn block(mime: &str, content: impl Display) {
    println!("EVCXR_BEGIN_CONTENT {mime}\n{content}\nEVCXR_END_CONTENT");
}

/// Tells the front that the cell failed, so that Run All stops there.
#[doc(hidden)]
pub fn failed() {
    tell_failed("the cell ended with an error");
}

/// Runs a statement of a cell. Returns `None` after an error or a panic, which have been reported.
#[doc(hidden)]
pub fn ran<T, E>(statement: impl FnOnce() -> Result<T, E>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(statement)).ok()?.ok()
}

/// What the front puts in place of the variables that a failed cell did not define.
#[doc(hidden)]
pub struct NotKept;

/// Tells the front which variables a failed cell had defined, and has stored if it could.
#[doc(hidden)]
pub fn kept(names: &[&str]) {
    tell(&json!({ "kept": names }));
}

/// `println!` for cells. When `?` ends a cell, evcxr's own code prints a marker and then reports
/// success, so the front must be told before.
#[doc(hidden)]
#[macro_export]
macro_rules! println_in_cell {
    ("{}", evcxr_internal_runtime::USER_ERROR_OCCURRED) => {{
        $crate::failed();
        ::std::println!("{}", evcxr_internal_runtime::USER_ERROR_OCCURRED)
    }};
    ($($anything:tt)*) => { ::std::println!($($anything)*) };
}

/// `eprintln!` for cells. evcxr prints the error after `?` with it, as `Debug`.
#[doc(hidden)]
#[macro_export]
macro_rules! eprintln_in_cell {
    ("{:?}", $error:ident) => { ::std::eprintln!("{}", $crate::in_words(&$error)) };
    ($($anything:tt)*) => { ::std::eprintln!($($anything)*) };
}

/// Reports a panic in one line, without the kernel's stack frames. One that polars' brackets cause, as
/// in `table["agee"]`, reads like the error that it is.
pub(super) fn short_panics() {
    std::panic::set_hook(Box::new(|info| {
        let message = info.payload_as_str().unwrap_or("no message");
        if let Some(words) = of_panic(message) {
            tell_failed(&words);
            eprintln!("{words}");
            return;
        }
        tell_failed(message);
        // A cell is compiled as src/lib.rs, but its line numbers differ from the cell's.
        let place = info.location().filter(|place| place.file() != "src/lib.rs");
        let place = place.map_or("the cell".to_owned(), ToString::to_string);
        eprintln!("panic in {place}: {message}");
    }));
}
