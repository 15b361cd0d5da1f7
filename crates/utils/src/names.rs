//! Suggestions for misspelled names.

use std::path::{Path, PathBuf};

/// How alike a name and its suggestion are at least, 0 to 1: the same as for options and commands.
const ALIKE: f64 = 0.7;

/// Returns the name that is most like a misspelled one, if any is alike.
///
/// ```
/// use utils::names::nearest;
///
/// let known = ["both-32px", "both-64px", "groups-32px"];
/// assert_eq!(nearest("both-64", known), Some("both-64px"));
/// assert_eq!(nearest("resnet50", known), None);
/// ```
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase();
    let alike = names.into_iter().map(|name| (strsim::jaro(&written, &name.to_lowercase()), name));
    let alike = alike.filter(|(alike, _)| *alike > ALIKE);
    // Of equals the first.
    alike.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, name)| name)
}

/// The end of a message about a name that does not exist: `; did you mean both-64px?`, or nothing if
/// no name is alike.
pub fn did_you_mean<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(written, names).map_or(String::new(), |name| format!("; did you mean {name}?"))
}

/// Returns the file that is most like a missing one: in the same folder, with the same extension.
pub fn nearest_file(missing: &Path) -> Option<PathBuf> {
    let folder = missing.parent().filter(|folder| *folder != Path::new(""));
    let entries = std::fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut names: Vec<String> = paths
        .filter(|path| path.extension() == missing.extension())
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    let name = nearest(missing.file_name()?.to_str()?, names.iter().map(String::as_str))?;
    Some(missing.with_file_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_alike_name_is_suggested_and_a_strange_one_is_not() {
        let known = ["random-80-10-10", "both-32px", "both-64px"];
        for (written, meant) in [
            ("random", Some("random-80-10-10")),
            ("both-64", Some("both-64px")),
            ("BOTH-32PX", Some("both-32px")),
            ("both", Some("both-32px")),
            ("nobody", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, known), meant, "{written}");
        }
        assert_eq!(did_you_mean("both-64", known), "; did you mean both-64px?");
        assert_eq!(did_you_mean("nobody", known), "");
    }

    #[test]
    fn a_missing_file_is_one_like_it_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["both-32px.toml", "both-64px.toml", "both32.json"] {
            std::fs::write(at(name), "x").unwrap();
        }
        assert_eq!(nearest_file(&at("both32.toml")), Some(at("both-32px.toml")));
        assert_eq!(nearest_file(&at("x.toml")), None);
        assert_eq!(nearest_file(&at("no/both32.toml")), None);
    }
}
