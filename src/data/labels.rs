//! The labels of a folder, from its `labels.csv`.
//!
//! Its columns are `file`, `age` (years), `gender` (`male`, `female`, or UTKFace's `0`, `1`) and,
//! if known, `race` (a name of [`RACES`](crate::RACES), its number, or empty); other columns are
//! ignored. `file` is a path below the folder; `./a.jpg` is the same as `a.jpg`.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result, anyhow, ensure};
use csv::{Position, ReaderBuilder, StringRecord, Trim};

use crate::task::{Gender, Label, RACES};
use archive::{Tree, resolved};
use utils::files;

/// Name of the label file.
pub(super) const LABELS: &str = "labels.csv";

/// Returns the files and labels in the `labels.csv` at the root of a tree, with the tree's names.
///
/// # Errors
/// A missing column; or a value out of range, a file that is not in the tree or a file listed
/// twice, each with its line and column.
pub(super) fn read(tree: &Tree) -> Result<Vec<(String, Label)>> {
    let path = tree.root.join(LABELS);
    let files: HashSet<&str> = tree.files.iter().map(|file| file.name.as_str()).collect();
    // Reading a pipe or a device may never end.
    ensure!(path.is_file(), "{} is not a file", path.display());
    let context = || format!("in {}", path.display());
    let text = files::read_text(&path)?;
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(text.as_bytes());
    let heading = reader.headers().with_context(context)?.clone();
    let mut lines: HashMap<String, u64> = HashMap::new();
    let mut labelled = vec![];
    for row in reader.into_records() {
        let row = row.with_context(context)?;
        let line = row.position().map_or(0, |start| line_of(&text, start));
        let row = Row { heading: &heading, row: &row, line };
        let (file, label) = row.label(tree, &files).with_context(context)?;
        if let Some(first) = lines.insert(file.clone(), line) {
            let again = anyhow!("line {line}, column file: {file} is also in line {first}");
            return Err(again).with_context(context);
        }
        labelled.push((file, label));
    }
    ensure!(!labelled.is_empty(), "{} has no rows", path.display());
    Ok(labelled)
}

/// The line number of a row that starts here. csv reports the end of the row before, in front of
/// empty lines and of the second half of that row's `\r\n`.
fn line_of(text: &str, start: &Position) -> u64 {
    let rest = text.as_bytes().iter().skip(start.byte() as usize);
    let ends = rest.take_while(|b| matches!(b, b'\r' | b'\n'));
    start.line() + ends.filter(|b| **b == b'\n').count() as u64
}

struct Row<'a> {
    heading: &'a StringRecord,
    row: &'a StringRecord,
    line: u64,
}

impl Row<'_> {
    fn label(&self, tree: &Tree, files: &HashSet<&str>) -> Result<(String, Label)> {
        let file = self.value("file", "a file below the folder", |file| {
            let file = resolved("", file)?;
            (files.contains(file.as_str()) && tree.root.join(&file).is_file()).then_some(file)
        })?;
        let label = Label {
            age: self.value("age", "whole years, 0 to 130", |age| {
                age.parse().ok().filter(|age| *age <= 130)
            })?,
            gender: self.value("gender", "male, female, 0 or 1", |gender| match gender {
                "male" | "0" => Some(Gender::Male),
                "female" | "1" => Some(Gender::Female),
                _ => None,
            })?,
            race: match self.text("race").filter(|race| !race.is_empty()) {
                None => None,
                Some(_) => self.value("race", &format!("{}, or 0 to 4", RACES.join(", ")), race)?,
            },
        };
        Ok((file, label))
    }

    fn text(&self, column: &str) -> Option<&str> {
        let at = self.heading.iter().position(|name| name == column)?;
        self.row.get(at)
    }

    fn value<T>(&self, column: &str, what: &str, read: impl Fn(&str) -> Option<T>) -> Result<T> {
        let text = self.text(column).with_context(|| {
            format!(
                "there is no column {column}: file, age and gender are required, race is optional"
            )
        })?;
        read(text)
            .with_context(|| format!("line {}, column {column}: {text:?} is not {what}", self.line))
    }
}

/// Parses a race by its name or number.
fn race(text: &str) -> Option<Option<u8>> {
    (0u8..)
        .zip(RACES)
        .find(|(number, name)| text == *name || text == number.to_string())
        .map(|(number, _)| Some(number))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::data::Faces;

    fn folder(labels: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let faces = Faces::synthetic(3, 0).unwrap();
        fs::create_dir(folder.path().join("more")).unwrap();
        for (index, file) in ["a.jpg", "b.jpg", "more/c.jpg"].into_iter().enumerate() {
            fs::write(folder.path().join(file), faces.bytes(index).unwrap()).unwrap();
        }
        fs::write(folder.path().join(LABELS), labels).unwrap();
        folder
    }

    #[test]
    fn labels_come_from_the_file_and_other_columns_do_not_matter() {
        let folder = folder(
            "gender,file,mood,age,race\nfemale,b.jpg,\"good, very\",31,Asian\n0, more/c.jpg ,,7,\n",
        );
        let faces = Faces::open_at(folder.path()).unwrap();
        assert_eq!(faces.len(), 2);
        assert_eq!(faces.unparsed(), ["a.jpg"]);
        let label = |i| {
            let Label { age, gender, race } = faces.record(i).unwrap().label;
            (age, gender, race)
        };
        assert_eq!(label(0), (31, Gender::Female, Some(2)));
        assert_eq!(label(1), (7, Gender::Male, None));
        assert_eq!(faces.picture(1).unwrap().dimensions(), (200, 200));
    }

    #[test]
    fn a_file_may_be_named_in_several_ways_and_no_row_is_lost() {
        let named = |files: &[&str]| {
            let rows = files.iter().map(|file| format!("{file},30,male\n")).collect::<String>();
            folder(&format!("file,age,gender\n{rows}"))
        };
        let plain = named(&["a.jpg", "more/c.jpg", "b.jpg"]);
        let other = named(&["./a.jpg", "more//c.jpg", "more/../b.jpg"]);
        let [plain, other] = [plain, other].map(|folder| Faces::open_at(folder.path()).unwrap());
        assert_eq!((other.len(), other.unparsed().len()), (3, 0));
        assert_eq!(plain.fingerprint(), other.fingerprint());
        // They exist, but not below the folder.
        let outside = folder("");
        let absolute = outside.path().join("a.jpg").display().to_string();
        let name = outside.path().file_name().unwrap().to_str().unwrap();
        for file in [absolute, format!("../{name}/a.jpg"), "/".to_owned(), ".".to_owned()] {
            let error =
                format!("{:#}", Faces::open_at(named(&["b.jpg", &file]).path()).unwrap_err());
            assert!(error.contains("line 3, column file"), "{file}: {error}");
        }
        let twice = named(&["a.jpg", "./a.jpg"]);
        let error = format!("{:#}", Faces::open_at(twice.path()).unwrap_err());
        assert!(error.contains("a.jpg is also in line 2"), "{error}");
    }

    #[test]
    fn a_bad_value_is_named_by_line_and_column() {
        let (rows, heading) = ("a.jpg,30,male,", "file,age,gender,race");
        for (labels, words) in [
            (format!("{heading}\n{rows}\nb.jpg,-3,male,\n"), "line 3, column age: \"-3\""),
            (format!("{heading}\nb.jpg,131,male,\n"), "line 2, column age"),
            (format!("{heading}\r\n{rows}\r\n\r\nb.jpg,3,man,\r\n"), "line 4, column gender"),
            (format!("{heading}\n{rows}\n\nb.jpg,3,man,\n"), "line 4, column gender"),
            (format!("{heading}\nb.jpg,3,male,5\n"), "line 2, column race"),
            (format!("{heading}\nz.jpg,3,male,\n"), "line 2, column file"),
            (
                format!("{heading}\n{rows}\n{rows}\n"),
                "line 3, column file: a.jpg is also in line 2",
            ),
            (format!("{heading}\nb.jpg,3\n"), "line: 2"),
            ("file,age\na.jpg,3\n".to_owned(), "no column gender"),
            (heading.to_owned(), "no rows"),
        ] {
            let error = format!("{:#}", Faces::open_at(folder(&labels).path()).unwrap_err());
            assert!(error.contains(words), "{error}");
            assert!(error.contains(LABELS), "{error}");
        }
    }
}
