//! The one place that decides whether a command may write somewhere.
//!
//! Before any work, a command names what it reads and where it will write to. [`Outputs`] refuses
//! an output that is an input, or another output, however the paths are written. It refuses to
//! replace a file that this program did not write, unless the user forces it. Links, pipes and
//! devices are [`Destination`]'s.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::destination::{Destination, Identity};
use crate::hash::sha256;
use crate::html::PAGE_MARK;
use crate::listing::is_picture;

/// Longest file name in bytes on common file systems.
const MOST_NAME: usize = 255;

/// What a command reads, and where it will write to.
#[derive(Debug)]
pub struct Outputs {
    force: bool,
    inputs: Vec<PathBuf>,
    /// The inputs by what they are, looked up when the first output exists already.
    known: OnceCell<HashMap<Identity, PathBuf>>,
    taken: HashMap<Identity, (String, PathBuf)>,
}

impl Outputs {
    /// Starts with what the command reads. `force` replaces files that this program did not write.
    pub fn new(inputs: Vec<PathBuf>, force: bool) -> Self {
        Self { force, inputs, known: OnceCell::new(), taken: HashMap::new() }
    }

    /// Checks a file that the command will write, named by `option`. `is_ours` tells whether this
    /// program wrote the file that is there.
    ///
    /// # Errors
    /// It is an input or another output; it is a folder, a disk or a socket; it exists and is not
    /// ours; or its folder can't be written to.
    pub fn file(
        &mut self,
        option: &str,
        path: &Path,
        is_ours: impl FnOnce(&Path) -> bool,
    ) -> Result<()> {
        let shown = path.display();
        let destination = Destination::of(path).with_context(|| option.to_owned())?;
        let identity = Identity::of(path);
        if let Some(input) = self.input(&identity) {
            bail!(
                "{option} {shown} is one of the files to read, {}: give another name for the output",
                input.display()
            );
        }
        if is_shared(path) {
            return Ok(()); // a device such as /dev/null takes several outputs
        }
        let taken = self.taken.insert(identity, (option.to_owned(), path.to_owned()));
        if let Some((other, same)) = taken {
            bail!("{option} {shown} and {other} {} are the same file", same.display());
        }
        let Destination::File(file) = destination else {
            return Ok(()); // written through
        };
        match fs::metadata(&file) {
            Ok(old) if !self.force && old.len() > 0 => {
                ensure!(
                    is_ours(&file),
                    "{option} {shown} exists, and was not written by this command: choose another \
                     name, or use --force to replace it"
                );
                ensure!(
                    !old.permissions().readonly(),
                    "{option} {shown} is write-protected: choose another name, or use --force to \
                     replace it"
                );
            }
            _ => {}
        }
        can_be_made(&file).with_context(|| format!("{option} {shown} cannot be written"))
    }

    /// Checks a table or page that the command will write: as [`Outputs::file`], and refuses the
    /// name of an image, which the shell puts there for `*.jpg`.
    ///
    /// # Errors
    /// As [`Outputs::file`].
    pub fn table(
        &mut self,
        option: &str,
        path: &Path,
        is_ours: impl FnOnce(&Path) -> bool,
    ) -> Result<()> {
        ensure!(
            !is_picture(path),
            "{option} {} is the name of an image: give a file to write after {option}",
            path.display()
        );
        self.file(option, path, is_ours)
    }

    /// Checks a folder that the command will fill with images.
    ///
    /// # Errors
    /// An input is in it.
    pub fn folder(&self, option: &str, path: &Path) -> Result<()> {
        let own = Identity::of(path);
        let mut last = None;
        for input in &self.inputs {
            let around = input.parent().filter(|around| *around != Path::new(""));
            let around = around.unwrap_or(Path::new("."));
            if last == Some(around) {
                continue;
            }
            last = Some(around);
            ensure!(
                Identity::of(around) != own,
                "{option} {} is the folder of {}: choose another folder, so that originals and \
                 results stay apart",
                path.display(),
                input.display()
            );
        }
        Ok(())
    }

    fn input(&self, identity: &Identity) -> Option<&PathBuf> {
        let Identity::There(..) = identity else {
            return None;
        };
        let known = || self.inputs.iter().map(|path| (Identity::of(path), path.clone())).collect();
        self.known.get_or_init(known).get(identity)
    }
}

/// Whether several outputs may go to a path at once.
#[cfg(unix)]
fn is_shared(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    fs::metadata(path).is_ok_and(|found| found.file_type().is_char_device())
}

#[cfg(not(unix))]
fn is_shared(_: &Path) -> bool {
    false
}

/// Refuses a file in a folder that can't be written to, before hours of work. Leaves nothing there.
fn can_be_made(file: &Path) -> Result<()> {
    let folder = file.parent().filter(|folder| *folder != Path::new(""));
    let folder = folder.unwrap_or(Path::new("."));
    for above in folder.ancestors() {
        let above = if above == Path::new("") { Path::new(".") } else { above };
        if let Ok(found) = fs::metadata(above) {
            ensure!(found.is_dir(), "{} is not a folder", above.display());
            tempfile::tempfile_in(above)
                .with_context(|| format!("cannot write to the folder {}", above.display()))?;
            break;
        }
    }
    Ok(())
}

/// A PNG's text block that says the same, with its length and checksum.
const PNG_MARK: &[u8] = b"\0\0\0\x0ctEXtSoftware\0ror\x1e\x87\xee\x01";
/// Length of a PNG's signature and header, which come first.
const PNG_HEADER: usize = 33;

/// Marks a PNG as made by this program.
pub fn marked_png(mut png: Vec<u8>) -> Vec<u8> {
    if png.len() >= PNG_HEADER {
        png.splice(PNG_HEADER..PNG_HEADER, PNG_MARK.iter().copied());
    }
    png
}

/// Whether this program made a PNG.
pub fn is_our_png(path: &Path) -> bool {
    beginning(path, PNG_HEADER + PNG_MARK.len()).ends_with(PNG_MARK)
}

/// Whether this program made a page.
pub fn is_our_page(path: &Path) -> bool {
    String::from_utf8_lossy(&beginning(path, 1024)).contains(PAGE_MARK)
}

/// Whether a CSV file begins with one of these headings.
pub fn has_heading(path: &Path, headings: &[String]) -> bool {
    let longest = headings.iter().map(String::len).max().unwrap_or(0);
    let begin = beginning(path, longest + 1);
    let is_first = |heading: &String| {
        let rest = begin.strip_prefix(heading.as_bytes());
        rest.is_some_and(|rest| rest.starts_with(b"\n"))
    };
    headings.iter().any(is_first)
}

fn beginning(path: &Path, bytes: usize) -> Vec<u8> {
    let mut begin = vec![];
    if let Ok(file) = fs::File::open(path) {
        let _ = file.take(bytes as u64).read_to_end(&mut begin);
    }
    begin
}

/// Returns `stem` with an ending as a file name. A name that would be too long is shortened, and
/// gets a hash so that it stays unique.
pub fn file_name(stem: &str, ending: &str) -> String {
    if stem.len() + ending.len() <= MOST_NAME {
        return format!("{stem}{ending}");
    }
    let hash = &sha256(stem.as_bytes())[..12];
    let mut end = MOST_NAME.saturating_sub(ending.len() + hash.len() + 1).min(stem.len());
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}-{hash}{ending}", &stem[..end])
}

/// Returns a file name with an ending for each path: its own name without the extension, or where
/// several paths share that name, all parts of the path. Equal paths have equal names.
pub fn names_of<'a>(paths: &'a [PathBuf], ending: &str) -> HashMap<&'a Path, String> {
    let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut sharing: HashMap<String, HashSet<&Path>> = HashMap::new();
    for path in paths {
        sharing.entry(stem(path).to_lowercase()).or_default().insert(path);
    }
    let (mut names, mut taken) = (HashMap::new(), HashSet::new());
    // In the order of the paths, so that a run gives the same names again.
    for path in paths {
        if names.contains_key(path.as_path()) {
            continue;
        }
        let name = match sharing[&stem(path).to_lowercase()].len() {
            1 => stem(path),
            _ => {
                let parts = path.components().filter_map(|part| match part {
                    Component::Normal(part) => Some(part.to_string_lossy()),
                    Component::ParentDir => Some("up".into()),
                    _ => None,
                });
                parts.collect::<Vec<_>>().join("-")
            }
        };
        let mut unique = name.clone();
        let mut number = 1;
        while !taken.insert(unique.to_lowercase()) {
            number += 1;
            unique = format!("{name}-{number}");
        }
        names.insert(path.as_path(), file_name(&unique, ending));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place(tempfile::TempDir);

    impl Place {
        fn new(files: &[&str]) -> Self {
            let place = Self(tempfile::tempdir().unwrap());
            for file in files {
                fs::create_dir_all(place.at(file).parent().unwrap()).unwrap();
                fs::write(place.at(file), "x").unwrap();
            }
            place
        }

        fn at(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }
    }

    fn says(result: Result<()>, part: &str) {
        let error = format!("{:#}", result.unwrap_err());
        assert!(error.contains(part), "{error}");
    }

    #[test]
    fn an_output_is_neither_an_input_nor_another_output_however_it_is_written() {
        let place = Place::new(&["in/a.csv", "in/b.csv"]);
        fs::hard_link(place.at("in/a.csv"), place.at("hard.csv")).unwrap();
        let mut outputs = Outputs::new(vec![place.at("in/a.csv"), place.at("in/b.csv")], true);
        for same in ["in/a.csv", "in/../in/./b.csv", "hard.csv"] {
            says(outputs.file("--csv", &place.at(same), |_| true), "one of the files to read");
        }
        outputs.file("--csv", &place.at("new.csv"), |_| false).unwrap();
        for same in ["new.csv", "in/../new.csv", "no/../new.csv"] {
            says(outputs.file("--html", &place.at(same), |_| true), "are the same file");
        }
        says(outputs.file("--csv", &place.at("in"), |_| true), "is a folder");
        says(outputs.table("--csv", &place.at("other.JPG"), |_| true), "name of an image");
        says(outputs.folder("--draw", &place.at("in")), "the folder of");
        outputs.folder("--draw", &place.at("drawn")).unwrap();
        assert!(
            !place.at("new.csv").exists() && fs::read_dir(place.0.path()).unwrap().count() == 2
        );
    }

    #[test]
    fn a_file_of_others_is_replaced_only_by_force() {
        let place = Place::new(&["letter.txt", "ours.csv", "locked.csv"]);
        fs::write(place.at("empty"), "").unwrap();
        let mut locked = fs::metadata(place.at("locked.csv")).unwrap().permissions();
        locked.set_readonly(true);
        fs::set_permissions(place.at("locked.csv"), locked).unwrap();
        let check = |name: &str, force: bool, ours: bool| {
            Outputs::new(vec![], force).file("--csv", &place.at(name), |_| ours)
        };
        says(check("letter.txt", false, false), "--force");
        says(check("locked.csv", false, true), "write-protected");
        says(check("letter.txt/t.csv", false, true), "cannot");
        for (name, force, ours) in [
            ("letter.txt", true, false),
            ("locked.csv", true, true),
            ("ours.csv", false, true),
            ("empty", false, false),
            ("new/deep/t.csv", false, false),
        ] {
            check(name, force, ours).unwrap();
        }
    }

    #[test]
    fn what_this_program_wrote_is_known_by_its_beginning() {
        let place = Place::new(&["x.png"]);
        let png = [b"\x89PNG\r\n\x1a\n".to_vec(), vec![7; 200]].concat();
        fs::write(place.at("a.png"), &png).unwrap();
        fs::write(place.at("b.png"), marked_png(png)).unwrap();
        assert!(!is_our_png(&place.at("a.png")) && is_our_png(&place.at("b.png")));
        assert!(!is_our_png(&place.at("x.png")) && !is_our_png(&place.at("none.png")));
        let headings = ["path,age".to_owned(), "path,face,age".to_owned()];
        for (text, ours) in [
            ("path,age\nx,1\n", true),
            ("path,face,age\n", true),
            ("path,age,mine\n", false),
            ("path,age", false),
            ("", false),
        ] {
            fs::write(place.at("t.csv"), text).unwrap();
            assert_eq!(has_heading(&place.at("t.csv"), &headings), ours, "{text:?}");
        }
    }

    #[test]
    fn every_path_has_a_name_of_its_own_that_fits() {
        let long = "é".repeat(126);
        let paths =
            ["2021/IMG_1.jpg", "2022/img_1.png", "2022/b.jpg", "b/../2022/b.jpg", "c.jpg", "c.jpg"];
        let mut paths: Vec<PathBuf> = paths.map(PathBuf::from).to_vec();
        paths.extend([format!("{long}.jp"), format!("{long}x.j")].map(PathBuf::from));
        let names = names_of(&paths, ".drawn.png");
        let distinct: HashSet<&String> = names.values().collect();
        assert_eq!((names.len(), distinct.len()), (7, 7), "{names:?}");
        assert_eq!(names[Path::new("c.jpg")], "c.drawn.png");
        assert_eq!(names[Path::new("2021/IMG_1.jpg")], "2021-IMG_1.jpg.drawn.png");
        assert!(names.values().all(|name| name.len() <= 255), "{names:?}");
        assert_eq!(file_name("a", ".parquet"), "a.parquet");
    }
}
