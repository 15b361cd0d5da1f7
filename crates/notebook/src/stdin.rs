//! What cells get instead of standard input, which evcxr needs for itself.

use std::io::{self, BufRead, ErrorKind, Lines, Read};

/// Standard input of a cell: every read is an error.
#[derive(Debug, Clone, Copy)]
pub struct Stdin;

/// `std::io::stdin` for cells: the kernel's front writes this instead. Without it, a cell would wait
/// for a line that nobody can type.
pub fn stdin() -> Stdin {
    Stdin
}

fn nothing<T>() -> io::Result<T> {
    let why = "a cell has no standard input: write the value into the code, such as `let name = \"Ada\";`";
    Err(io::Error::new(ErrorKind::Unsupported, why))
}

/// As [`std::io::Stdin`] has them.
impl Stdin {
    /// Returns itself.
    pub fn lock(self) -> Self {
        self
    }

    /// Reads nothing.
    ///
    /// # Errors
    /// Always.
    pub fn read_line(&self, _: &mut String) -> io::Result<usize> {
        nothing()
    }

    /// One line, which is an error.
    pub fn lines(self) -> Lines<Self> {
        BufRead::lines(self)
    }
}

impl Read for Stdin {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        nothing()
    }
}

impl BufRead for Stdin {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        nothing()
    }

    fn consume(&mut self, _: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_read_is_an_error() {
        let mut line = String::new();
        let errors = [
            stdin().read_line(&mut line).map(|_| ()),
            BufRead::read_line(&mut stdin().lock(), &mut line).map(|_| ()),
            stdin().lines().next().unwrap().map(|_| ()),
            io::read_to_string(stdin()).map(|_| ()),
        ];
        for error in errors {
            assert!(error.unwrap_err().to_string().contains("no standard input"));
        }
    }
}
