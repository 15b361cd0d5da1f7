//! The last expression of a cell where evcxr would show it as text.

use std::fmt::Debug;

use super::cell::{block, failed};
use super::show::Show;

/// `format!` for cells. If evcxr can't call [`Show::evcxr_display`], it formats the last expression
/// instead. It also does this by mistake, when the expression moves a variable of the same cell. The
/// kernel's setting `:fmt {0:?}` tells its call from others.
#[doc(hidden)]
#[macro_export]
macro_rules! format_in_cell {
    ("{0:?}", &($value:expr)) => {{
        #[allow(unused_imports)]
        use $crate::{ByDebug as _, ByShow as _};
        (&$crate::Last(&$value)).in_cell()
    }};
    ($($anything:tt)*) => { ::std::format!($($anything)*) };
}

/// The last expression of a cell. Method calls prefer [`ByShow`], which needs one reference less.
#[doc(hidden)]
pub struct Last<'a, T: ?Sized>(pub &'a T);

#[doc(hidden)]
pub trait ByShow {
    fn in_cell(&self) -> String;
}

impl<T: Show + ?Sized> ByShow for Last<'_, T> {
    fn in_cell(&self) -> String {
        match self.0.output() {
            Ok(output) => {
                if let Some(html) = output.html {
                    block("text/html", html);
                }
                output.text
            }
            Err(error) => {
                eprintln!("{error}");
                failed();
                String::new()
            }
        }
    }
}

#[doc(hidden)]
pub trait ByDebug {
    fn in_cell(&self) -> String;
}

impl<T: Debug + ?Sized> ByDebug for &Last<'_, T> {
    fn in_cell(&self) -> String {
        format!("{:?}", self.0)
    }
}
