//! The last expression of a cell where evcxr would show it as text.

use std::fmt::Debug;

use super::cell::{block, failed};
use super::show::Show;
use super::words::in_words;
use utils::progress::thousands;

/// Maximum number of characters of a value that is shown by `Debug`.
const MOST: usize = 2000;

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
        short(in_words(self.0))
    }
}

/// Leaves out the middle of a long text.
fn short(text: String) -> String {
    let length = text.chars().count();
    if length <= MOST {
        return text;
    }
    let part = MOST / 2;
    let ends = [text.chars().take(part).collect(), text.chars().skip(length - part).collect()];
    let [first, last]: [String; 2] = ends;
    format!("{first} ... {last}\n({} characters)", thousands(length))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_is_shown_by_debug_does_not_flood_the_page() {
        let shown = |most: u32| {
            let numbers: BTreeSet<u32> = (0..most).collect();
            (&Last(&numbers)).in_cell()
        };
        assert_eq!(shown(3), "{0, 1, 2}");
        let long = shown(23_708);
        assert!(long.len() < MOST + 50, "{}", long.len());
        assert!(long.starts_with("{0, 1, 2, ") && long.contains(" 23707}\n(154,846 "), "{long}");
    }
}
