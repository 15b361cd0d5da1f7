//! The order of modules that CONTRIBUTING.md states: each uses only those before it.

use std::fs;
use std::path::{Path, PathBuf};

/// From low to high. Files and folders of `src/` by these names.
const ORDER: [&str; 14] = [
    "support",
    "task",
    "data",
    "model",
    "metrics",
    "train",
    "store",
    "experiment",
    "detect",
    "predict",
    "plot",
    "report",
    "export",
    "notebook",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The modules of this crate that a source names: `crate::data::...`, `crate::{data, model}`,
/// and the names that lib.rs gives `task` and `support` at the root.
fn used(text: &str) -> Vec<String> {
    let mut names = vec![];
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        names.push(match name.as_str() {
            "Task" | "Gender" | "Label" | "RACES" | "MAX_AGE" | "OLDEST" => "task".to_owned(),
            "device" | "device_named" | "Progress" | "keep_going" | "say" => "support".to_owned(),
            _ => name,
        });
    }
    names
}

/// What tests inside a file use is free: they may build a case from anything.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text)
}

#[test]
fn no_module_uses_one_above_it() {
    let src = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![];
    sources(&src, &mut files);
    let mut checked = 0;
    for file in files {
        let module = file.strip_prefix(&src).unwrap().components().next().unwrap();
        let module = module.as_os_str().to_string_lossy();
        let Some(own) = ORDER.iter().position(|m| *m == module.trim_end_matches(".rs")) else {
            assert!(["lib.rs", "main.rs", "cli"].contains(&&*module), "{module} has no place");
            continue;
        };
        let text = fs::read_to_string(&file).unwrap();
        for name in used(without_tests(&text)) {
            let other = ORDER.iter().position(|m| *m == name);
            let other = other.unwrap_or_else(|| panic!("{}: crate::{name}", file.display()));
            assert!(
                other <= own,
                "{} uses {name}, which stands above {}",
                file.display(),
                ORDER[own]
            );
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked} uses");
}

#[test]
fn one_place_each_for_plotters_and_evcxr() {
    let src = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![];
    sources(&src, &mut files);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let at = file.strip_prefix(&src).unwrap();
        let only = |word: &str, places: &[&str]| {
            let allowed = places.iter().any(|place| at.starts_with(place));
            assert!(allowed || !text.contains(word), "{} has {word}", file.display());
        };
        only("plotters::", &["plot"]);
        only("evcxr_display", &["notebook"]);
        only("EVCXR", &["notebook", "support/progress.rs", "support/live.rs"]);
    }
}

#[test]
fn contributing_states_this_order() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    let mut at = 0;
    for module in ORDER {
        let name = match module {
            "task" => "`src/task.rs`".to_owned(),
            folder => format!("`src/{folder}/`"),
        };
        let found = text[at..].find(&name);
        at += found.unwrap_or_else(|| panic!("{name} is missing, or out of order"));
    }
}

/// Every file of the crate stands in CONTRIBUTING with a line of its own.
#[test]
fn contributing_names_every_file() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    let mut files = vec![];
    sources(&root.join("src"), &mut files);
    sources(&root.join("crates"), &mut files);
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let named = [format!("`{name}`"), format!("/{name}`")];
        let found = named.iter().any(|name| text.contains(name.as_str()));
        assert!(found || ["mod.rs", "lib.rs"].contains(&&*name), "{} has no line", file.display());
    }
}
