//! The labels of a folder, from its `labels.csv`.
//!
//! Its columns are `file`, `age` (years), `gender` (`male`, `female`, or UTKFace's `0`, `1`) and,
//! if known, `race` (a name of [`RACES`](crate::RACES), its number, or empty); other columns are
//! ignored. `file` is a path below the folder; `./a.jpg` is the same as `a.jpg`. What other programs
//! and systems write is read where it can mean only one thing: `;` or tabs between values, UTF-16,
//! `Male`, `30.0`, `sub\a.jpg`.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::{Context, Error, Result, anyhow, ensure};

use crate::task::{Gender, Label, RACES};
use archive::{Tree, resolved};
use utils::progress::say;
use utils::rows::{Rows, check_length};
use utils::{escape, files, text};

/// Name of the label file.
pub(super) const LABELS: &str = "labels.csv";

/// Maximum size of the label file in bytes: it is read into memory.
const MOST_BYTES: u64 = 64 << 20;
/// Maximum number of rows whose file is missing, if they are most of the rows: the table then
/// belongs to another folder.
const MOST_MISSING: usize = 1000;

/// What a label file says.
#[derive(Debug)]
pub(super) struct Labels {
    /// The files with their labels.
    pub(super) labelled: HashMap<String, Label>,
    /// The rows whose file is not there, each with the line.
    pub(super) missing: Vec<String>,
}

/// Returns the files and labels in the `labels.csv` at the root of a tree, with the tree's names.
///
/// # Errors
/// A missing column; a value out of range or a file listed twice, each with its line and column; a
/// path outside the folder; or no file that is there.
pub(super) fn read(tree: &Tree) -> Result<Labels> {
    let path = tree.root.join(LABELS);
    // Reading a pipe or a device may never end.
    ensure!(path.is_file(), "{} is not a file", path.display());
    read_table(tree, &path).with_context(|| format!("in {}", path.display()))
}

fn read_table(tree: &Tree, path: &Path) -> Result<Labels> {
    let bytes = std::fs::metadata(path)?.len();
    ensure!(
        bytes <= MOST_BYTES,
        "the file has {bytes} bytes: at most {} MiB are allowed",
        MOST_BYTES >> 20
    );
    let text = text::decoded(files::read_file(path)?)?;
    let mut rows = Rows::new(&text);
    let heading = rows.next_row()?.map(|(_, heading)| heading).unwrap_or_default();
    let heading: Vec<String> = heading.iter().map(|name| name.to_lowercase()).collect();
    let files = FileNames::new(tree);
    let mut lines: HashMap<String, u64> = HashMap::new();
    let mut found = Labels { labelled: HashMap::new(), missing: vec![] };
    let (mut first_missing, mut has_numbers) = (None, false);
    while let Some((line, row)) = rows.next_row()? {
        check_length(line, &row, &heading)?;
        let row = Row { heading: &heading, row: &row, line };
        has_numbers |= row.text("gender").is_some_and(|gender| ["0", "1"].contains(&gender));
        let (file, label) = (row.file(&files)?, row.label()?);
        let Some(file) = file else {
            let missing = format!(
                "line {line}, column file: {:?} is not a file below the folder",
                row.text("file").unwrap_or_default()
            );
            found.missing.push(format!("{missing} ({LABELS})"));
            first_missing.get_or_insert(missing);
            ensure!(
                found.missing.len() < MOST_MISSING.max(10 * found.labelled.len()),
                "most files are not there, the first is in {}: is this the table of another folder?",
                first_missing.unwrap_or_default()
            );
            continue;
        };
        if let Some(first) = lines.insert(file.clone(), line) {
            return Err(anyhow!("line {line}, column file: {file} is also in line {first}"));
        }
        found.labelled.insert(file, label);
    }
    ensure!(
        !found.labelled.is_empty(),
        first_missing.unwrap_or_else(|| "it has no rows".to_owned())
    );
    if has_numbers {
        say(&format!(
            "note: {} has genders as numbers: 0 is read as male and 1 as female, as in UTKFace; if \
             yours are the other way round, write male and female",
            escape::path(path)
        ));
    }
    Ok(found)
}

/// The files of a tree, by their names and by other forms of them.
struct FileNames<'a> {
    tree: &'a Tree,
    names: HashSet<&'a str>,
    forms: text::Names<'a>,
}

impl<'a> FileNames<'a> {
    fn new(tree: &'a Tree) -> Self {
        let names = || tree.files.iter().map(|file| file.name.as_str());
        Self { tree, names: names().collect(), forms: text::Names::new(names()) }
    }

    /// Returns the tree's name of a file; `None` if there is no such file.
    fn find(&self, written: &str) -> Option<String> {
        let name = match self.names.get(written) {
            Some(name) => name,
            None => self.forms.find(written)?,
        };
        self.tree.root.join(name).is_file().then(|| name.to_owned())
    }
}

struct Row<'a> {
    heading: &'a [String],
    row: &'a [String],
    line: u64,
}

impl Row<'_> {
    /// Returns the tree's name of the row's file; `None` if there is no such file.
    fn file(&self, files: &FileNames) -> Result<Option<String>> {
        let is_drive = |file: &str| file.get(1..3) == Some(":\\");
        let inside = self.value("file", "a file below the folder", |file| {
            resolved("", file).filter(|_| !is_drive(file))
        })?;
        Ok(files.find(&inside))
    }

    fn label(&self) -> Result<Label> {
        Ok(Label {
            age: self.value("age", "whole years, 0 to 130", age)?,
            gender: self.value("gender", "male, female, 0 (male) or 1 (female)", gender)?,
            race: match self.text("race").filter(|race| !race.is_empty()) {
                None => None,
                Some(_) => self.value("race", &format!("{}, or 0 to 4", RACES.join(", ")), race)?,
            },
        })
    }

    fn text(&self, column: &str) -> Option<&str> {
        let at = self.heading.iter().position(|name| name == column)?;
        self.row.get(at).map(String::as_str)
    }

    fn value<T>(&self, column: &str, what: &str, read: impl Fn(&str) -> Option<T>) -> Result<T> {
        let text = self.text(column).ok_or_else(|| self.without(column))?;
        read(text)
            .with_context(|| format!("line {}, column {column}: {text:?} is not {what}", self.line))
    }

    fn without(&self, column: &str) -> Error {
        let names: String = self.heading.join(", ").chars().take(200).collect();
        anyhow!(
            "there is no column {column}: file, age and gender are required, race is optional, with \
             commas, semicolons or tabs between them; the first line has: {names}"
        )
    }
}

/// Parses an age in whole years, which may be written as `30.0`.
fn age(text: &str) -> Option<u32> {
    let years: f64 = text.parse().ok()?;
    let is_age = text.starts_with(|c: char| c.is_ascii_digit()) && (0.0..=130.0).contains(&years);
    (is_age && years.fract() == 0.0).then_some(years as u32)
}

/// Parses a gender in any case. Numbers are UTKFace's.
fn gender(text: &str) -> Option<Gender> {
    match text.to_lowercase().as_str() {
        "male" | "m" | "0" => Some(Gender::Male),
        "female" | "f" | "1" => Some(Gender::Female),
        _ => None,
    }
}

/// Parses a race by its name or number.
fn race(text: &str) -> Option<Option<u8>> {
    (0u8..)
        .zip(RACES)
        .find(|(number, name)| text.eq_ignore_ascii_case(name) || text == number.to_string())
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
    fn tables_of_other_programs_say_the_same() {
        let utf16 = |text: &str| {
            let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
            units.flat_map(u16::to_le_bytes).collect::<Vec<u8>>()
        };
        let plain = "file,age,gender\na.jpg,30,male\nmore/c.jpg,7,female\n";
        let excel = "File;Age;Gender\r\na.jpg;30.0;Male\r\nmore\\c.jpg;7;FEMALE\r\n";
        for bytes in [
            plain.as_bytes().to_vec(),
            format!("\u{feff}{excel}").into_bytes(),
            utf16(&excel.replace(';', "\t")),
            "gender,age,file\nM,30,A.JPG\nf,7,./more/c.jpg\n".as_bytes().to_vec(),
        ] {
            let folder = folder("");
            fs::write(folder.path().join(LABELS), &bytes).unwrap();
            let faces = Faces::open_at(folder.path()).unwrap();
            let labels = faces.labels(&[0, 1]).unwrap();
            let label = |age, gender| Label { age, gender, race: None };
            assert_eq!(labels, [label(30, Gender::Male), label(7, Gender::Female)]);
        }
        for (text, says) in [
            ("file,age,gender\na.jpg,30,2\n", "0 (male) or 1 (female)"),
            ("file,age,gender\na.jpg,30.5,male\n", "whole years"),
            ("file,age,gender\na.jpg,1e1,male\n", ""),
            ("file|age|gender\na.jpg|3|male\n", "commas, semicolons or tabs"),
            ("file,age,gender\nC:\\faces\\a.jpg,30,male\n", "line 2, column file"),
        ] {
            let result = Faces::open_at(folder(text).path());
            assert_eq!(result.is_err(), !says.is_empty(), "{text}");
            let error = result.map_or_else(|error| format!("{error:#}"), |_| String::new());
            assert!(error.contains(says), "{error}");
        }
        let odd = folder("");
        fs::write(odd.path().join(LABELS), b"file,age,gender\nM\xfcller.jpg,3,male\n").unwrap();
        let error = format!("{:#}", Faces::open_at(odd.path()).unwrap_err());
        assert!(error.contains("save it as UTF-8"), "{error}");
    }

    #[test]
    fn a_row_without_its_file_is_left_out_and_named() {
        let folder = folder("file,age,gender\na.jpg,30,male\ngone.jpg,8,male\nb.jpg,7,female\n");
        let faces = Faces::open_at(folder.path()).unwrap();
        assert_eq!(faces.len(), 2);
        let [missing] = faces.unreadable() else { panic!("{:?}", faces.unreadable()) };
        assert!(missing.contains("line 3") && missing.contains("gone.jpg"), "{missing}");
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
            (format!("{heading}\nb.jpg,3\n"), "line 2: the row"),
            ("file,age\na.jpg,3\n".to_owned(), "no column gender"),
            (heading.to_owned(), "no rows"),
        ] {
            let error = format!("{:#}", Faces::open_at(folder(&labels).path()).unwrap_err());
            assert!(error.contains(words), "{error}");
            assert!(error.contains(LABELS), "{error}");
        }
    }
}
