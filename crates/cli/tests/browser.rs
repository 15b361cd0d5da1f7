//! Pages in a browser: the page of faces, and the notebooks in JupyterLab before they are trusted.
//! The tests are reported as skipped without Chromium.

#[path = "../../../tests/common/mod.rs"]
mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{OWN_PYTHON, faces_folder, program, run_python};
use tempfile::TempDir;

fn project() -> &'static Path {
    Path::new(common::ROOT)
}

/// Runs a script in `tests/browser/` on files. Returns `None` without Chromium.
fn look(script: &str, files: &[PathBuf]) -> Option<String> {
    let install = "apt-get install chromium, or set CHROMIUM to one";
    run_python(OWN_PYTHON, &project().join("tests/browser").join(script), files, install)
}

#[test]
fn the_page_of_faces_shows_and_sorts_them() {
    let (place, data) = (TempDir::new().unwrap(), faces_folder(1));
    let at = |name: &str| place.path().join(name);
    let broken = at(&format!("{}.jpg", "broken".repeat(30)));
    fs::write(&broken, b"no picture").unwrap();
    let photos = project().join("tests/photos");
    // Markup, and what means something in an address.
    let odd = at("a\"><img src=x onerror=alert(1)>'&amp; #1 %41 é?.jpg");
    fs::copy(photos.join("plain.jpg"), &odd).unwrap();
    let output = program(place.path(), data.path())
        .env("ROR_MODELS", project().join("models"))
        .args(["predict", "--json", "--html"])
        .args([at("page.html"), photos.join("group.jpg"), photos.join("plain.jpg")])
        .args([&odd, &broken])
        .output()
        .unwrap();
    assert!(!output.status.success(), "one file is no picture");
    fs::write(at("faces.jsonl"), &output.stdout).unwrap();
    if let Some(said) = look("gallery.py", &["--phone".into(), at("page.html"), at("faces.jsonl")])
    {
        assert!(said.starts_with("9 faces") && said.contains("1 files not read"), "{said}");
    }
}

#[test]
fn notebooks_show_all_they_hold_in_jupyterlab_without_trust() {
    let entries = fs::read_dir(project().join("notebooks")).unwrap();
    let mut notebooks: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ipynb"))
        .collect();
    notebooks.sort();
    if let Some(said) = look("lab.py", &notebooks) {
        assert_eq!(said.lines().count(), notebooks.len(), "{said}");
    }
}
