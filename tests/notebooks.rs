//! The notebooks as someone sees them who has not run them: in JupyterLab before they are trusted,
//! and on a code-hosting site, where SVG in HTML and scripts are dropped.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// A notebook's outputs, each with its cell's code.
fn outputs(notebook: &Value) -> Vec<(String, &Value)> {
    let text = |value: &Value| match value {
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect::<String>(),
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    let mut found = vec![];
    for cell in notebook["cells"].as_array().unwrap() {
        for output in cell["outputs"].as_array().into_iter().flatten() {
            found.push((text(&cell["source"]), output));
        }
    }
    found
}

#[test]
fn every_plot_shows_without_trust() {
    let mut plots = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("notebooks")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "ipynb") {
            continue;
        }
        let (name, bytes) = (path.display(), fs::read(&path).unwrap());
        assert!(bytes.len() < 1_500_000, "{name} has {} bytes", bytes.len());
        let notebook: Value = serde_json::from_slice(&bytes).unwrap();
        for (code, output) in outputs(&notebook) {
            let Some(html) = output["data"].get("text/html") else { continue };
            let lines =
                html.as_array().map(|lines| lines.iter().filter_map(Value::as_str).collect());
            let html: String = lines.unwrap_or_else(|| html.as_str().unwrap().to_owned());
            assert!(!html.contains("<svg"), "{name} has an SVG in HTML, which is dropped:\n{code}");
            // A table's script only adds to what stands there already.
            let kept = html.split("<script>").next().unwrap();
            let pictures = kept.matches("<img ").count();
            let mut between = kept.split('<').map(|tag| tag.split_once('>').map_or(tag, |t| t.1));
            let words = between.any(|text| !text.trim().is_empty());
            assert!(pictures > 0 || words, "{name} shows nothing for:\n{code}");
            assert_eq!(kept.matches("src=").count(), pictures, "{name}:\n{code}");
            for (start, _) in kept.match_indices("src=") {
                assert!(kept[start + 5..].starts_with("data:image/"), "{name}:\n{code}");
            }
            plots += pictures;
        }
        let ran =
            notebook["cells"].as_array().unwrap().iter().filter(|cell| cell["cell_type"] == "code");
        for cell in ran {
            assert!(cell["execution_count"].is_u64(), "{name}: a cell was not run: {cell}");
        }
    }
    assert!(plots > 30, "{plots} plots");
}
