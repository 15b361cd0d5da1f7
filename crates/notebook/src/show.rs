//! How values show themselves in a cell: the trait [`Show`], and plain values and collections.

use std::fmt::{Debug, Display};

use serde_json::json;

use super::cell::{block, failed};
use super::words::in_words;
use utils::html::escape;
use utils::live::{has_front, in_notebook, tell};
use utils::progress::thousands;

/// Maximum number of values of a collection that are shown.
const MOST: usize = 100;
/// Values at either end of a longer one, if they are short texts.
const ENDS: usize = 5;

/// What a value looks like in a notebook.
#[derive(Clone, Default)]
pub struct Output {
    /// For clients that can't show HTML. Empty if there is nothing to show.
    pub text: String,
    /// HTML, if it shows more than the text.
    pub html: Option<String>,
}

impl Output {
    /// Plain text.
    pub fn text(text: impl Display) -> Self {
        Self { text: text.to_string(), html: None }
    }

    /// HTML, and plain text for clients that can't show it.
    pub fn html(text: impl Display, html: impl Display) -> Self {
        Self { text: text.to_string(), html: Some(html.to_string()) }
    }

    /// As a bundle of MIME types.
    pub(super) fn bundle(&self) -> serde_json::Value {
        match &self.html {
            Some(html) => json!({ "text/plain": self.text, "text/html": html }),
            None => json!({ "text/plain": self.text }),
        }
    }

    /// Whether it is one line of text.
    fn is_short(&self) -> bool {
        self.html.is_none() && !self.text.contains('\n')
    }

    /// Several outputs: short texts in brackets, and everything else one below the other.
    fn several(parts: &[Self], [open, close]: [&str; 2]) -> Self {
        let texts = parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>();
        if parts.iter().all(Self::is_short) {
            return Self::text(format_args!("{open}{}{close}", texts.join(", ")));
        }
        let html = parts.iter().map(|part| match &part.html {
            Some(html) => format!("<div>{html}</div>"),
            None => format!("<pre>{}</pre>", escape(&part.text)),
        });
        Self::html(texts.join("\n"), html.collect::<String>())
    }
}

/// A value that a notebook cell can show: as its last expression, with [`show`] or in
/// [`interact`](crate::interact).
///
/// A `Result` shows its value, or its error in red. Tuples and collections show what they hold.
#[diagnostic::on_unimplemented(
    message = "a notebook can't show `{Self}`",
    note = "print it, for example with `println!(\"{{:?}}\", value)`"
)]
pub trait Show {
    /// Returns what the value looks like.
    ///
    /// # Errors
    /// The words of an error: the value is one, or can't be drawn.
    fn output(&self) -> Result<Output, String>;

    /// Returns what several values look like. By default they are one below the other, or in
    /// brackets if all are short. Of more than 100, short ones are shown as numpy does: the first
    /// and last five.
    ///
    /// # Errors
    /// As [`Show::output`].
    fn output_of_all(values: &[&Self]) -> Result<Output, String>
    where
        Self: Sized,
    {
        let outputs = |values: &[&Self]| -> Result<Vec<Output>, String> {
            values.iter().map(|value| value.output()).collect()
        };
        let mut parts = outputs(&values[..values.len().min(MOST)])?;
        if values.len() <= MOST {
            return Ok(Output::several(&parts, ["[", "]"]));
        }
        if parts.iter().all(Output::is_short) {
            parts.truncate(ENDS);
            parts.push(Output::text("..."));
            parts.extend(outputs(&values[values.len() - ENDS..])?);
            let count = thousands(values.len());
            return Ok(Output::several(&parts, ["[", &format!("], {count} values")]));
        }
        parts.push(Output::text(format!("... and {} more", values.len() - MOST)));
        Ok(Output::several(&parts, ["[", "]"]))
    }

    /// Shows the value as the result of its cell; evcxr calls it on the last expression.
    fn evcxr_display(&self) {
        match self.output() {
            Ok(output) => {
                if let Some(html) = &output.html {
                    block("text/html", html);
                }
                if !output.text.is_empty() {
                    block("text/plain", &output.text);
                }
            }
            Err(error) => {
                eprintln!("{error}");
                failed();
            }
        }
    }
}

/// Shows a value immediately, anywhere in a cell: in a loop, in a function, or several in one cell.
///
/// In a terminal, and in a kernel without a front, it prints the value's text.
///
/// ```
/// use notebook::prelude::*;
///
/// # fn main() -> Result<()> {
/// let faces = Faces::synthetic(100, 0)?;
/// for n in [50, 100] {
///     show(&plot::ages(&faces.records().head(Some(n)))?);
/// }
/// # Ok(())
/// # }
/// ```
pub fn show<T: Show + ?Sized>(value: &T) {
    match value.output() {
        Ok(output) if has_front() => tell(&json!({ "show": output.bundle() })),
        Ok(output) => println!("{}", output.text),
        Err(error) => {
            eprintln!("{error}");
            if in_notebook() {
                failed();
            }
        }
    }
}

impl<T: Show, E: Debug> Show for Result<T, E> {
    fn output(&self) -> Result<Output, String> {
        match self {
            Ok(value) => value.output(),
            Err(error) => Err(in_words(error)),
        }
    }

    /// The values together, and the errors with their places below: one bad file hides no other.
    fn output_of_all(results: &[&Self]) -> Result<Output, String> {
        let values: Vec<&T> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
        let errors =
            results.iter().enumerate().filter_map(|(i, result)| Some((i, result.as_ref().err()?)));
        let errors: Vec<Output> =
            errors.map(|(i, error)| Output::text(format!("{i}: {}", in_words(error)))).collect();
        let values = (!values.is_empty()).then(|| T::output_of_all(&values)).transpose()?;
        let parts: Vec<Output> = values.into_iter().chain(errors).collect();
        Ok(Output::several(&parts, ["", ""]))
    }
}

impl<T: Show> Show for Option<T> {
    fn output(&self) -> Result<Output, String> {
        match self {
            Some(value) => value.output(),
            None => Ok(Output::text("None")),
        }
    }
}

impl<T: Show + ?Sized> Show for &T {
    fn output(&self) -> Result<Output, String> {
        (**self).output()
    }
}

impl<T: Show> Show for [T] {
    fn output(&self) -> Result<Output, String> {
        T::output_of_all(&self.iter().collect::<Vec<_>>())
    }
}

impl<T: Show> Show for Vec<T> {
    fn output(&self) -> Result<Output, String> {
        T::output_of_all(&self.iter().collect::<Vec<_>>())
    }
}

impl<T: Show, const N: usize> Show for [T; N] {
    fn output(&self) -> Result<Output, String> {
        T::output_of_all(&self.iter().collect::<Vec<_>>())
    }
}

/// Shows tuples like collections, but plain values as `(1, 2)`.
macro_rules! show_tuples {
    ($($name:ident)+) => {
        impl<$($name: Show),+> Show for ($($name,)+) {
            fn output(&self) -> Result<Output, String> {
                #[allow(non_snake_case)]
                let ($($name,)+) = self;
                let parts = [$($name.output()?),+];
                Ok(Output::several(&parts, ["(", ")"]))
            }
        }
    };
}

show_tuples!(A B);
show_tuples!(A B C);
show_tuples!(A B C D);

/// Shows nothing.
impl Show for () {
    fn output(&self) -> Result<Output, String> {
        Ok(Output::default())
    }
}

/// Shows plain values using `Debug`. Numbers need the trait too: otherwise `let rate = 1e-3;`
/// followed by `rate` would not compile, because the type of `rate` is still open.
macro_rules! show_plainly {
    ($($type:ty),+) => {$(
        impl Show for $type {
            fn output(&self) -> Result<Output, String> {
                Ok(Output::text(format_args!("{self:?}")))
            }
        }
    )+};
}

show_plainly!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, f32, f64, bool, char);
show_plainly!(String);

impl Show for str {
    fn output(&self) -> Result<Output, String> {
        Ok(Output::text(format_args!("{self:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_collections_are_shown_by_their_ends() {
        let text = |n: u32| (0..n).collect::<Vec<_>>().output().unwrap().text;
        assert_eq!(text(3), "[0, 1, 2]");
        assert!(text(100).contains(", 49, 50, ") && text(0) == "[]");
        let all = "[0, 1, 2, 3, 4, ..., 23703, 23704, 23705, 23706, 23707], 23,708 values";
        assert_eq!(text(23_708), all);
        let names = vec!["a".to_owned(); 101].output().unwrap().text;
        assert!(
            names.starts_with("[\"a\", \"a\", ") && names.ends_with("\"], 101 values"),
            "{names}"
        );
        let some = vec![Some(0.5); 200].output().unwrap().text;
        assert_eq!(some.matches("0.5").count(), 10);
        let lists = vec![vec![1; 300]; 200].output().unwrap().text;
        assert_eq!((lists.matches('1').count(), lists.matches("300 values").count()), (100, 10));
    }

    #[test]
    fn a_bad_one_of_many_hides_no_other() {
        let results = [Ok(1), Err("no such file"), Ok(3)];
        let shown = results.output().unwrap();
        assert_eq!(shown.text, "[1, 3], 1: \"no such file\"");
        assert!(Vec::<Result<i32, String>>::new().output().unwrap().text.is_empty());
        assert_eq!(vec![vec![1, 2], vec![3]].output().unwrap().text, "[[1, 2], [3]]");
    }
}
