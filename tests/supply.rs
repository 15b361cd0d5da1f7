//! What the program is made of: crates of crates.io alone, under licences that allow it.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use serde_json::Value;

/// Each lets its work be used, changed and passed on within a work under another licence.
const LICENCES: [&str; 12] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "OFL-1.1",         // fonts
    "Ubuntu-font-1.0", // fonts
    "Unicode-3.0",
    "Zlib",
];

/// Whether a licence expression can be met: `(MIT OR Apache-2.0) AND ISC`; `/` is an old OR.
fn allowed(expression: &str) -> bool {
    let one_of = |choice: &str| {
        choice.replace('/', " OR ").split(" OR ").any(|name| LICENCES.contains(&name.trim()))
    };
    let all = expression.split(" AND ").map(str::trim);
    // Without parentheses AND would bind more tightly than OR.
    let choice = |part: &str| {
        part.strip_prefix('(').and_then(|part| part.strip_suffix(')').map(str::to_owned))
    };
    let is_mixed = expression.contains(" AND ");
    all.into_iter().all(|part| match choice(part) {
        Some(part) => one_of(&part),
        None => !(is_mixed && part.contains(" OR ")) && one_of(part),
    })
}

/// Runs cargo in the workspace, without the network.
fn cargo(arguments: &[&str]) -> Output {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.args(arguments).args(["--locked", "--offline"]);
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn crates_come_from_one_place_under_known_licences() {
    for (expression, is_allowed) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("GPL-3.0-only OR MIT", true),
        ("MIT/Unlicense", true),
        ("MIT AND GPL-3.0-only", false),
        ("(GPL-3.0-only OR Zlib) AND ISC", true),
        ("MIT OR GPL-3.0-only AND ISC", false),
    ] {
        assert_eq!(allowed(expression), is_allowed, "{expression}");
    }
    let host = Command::new("rustc").args(["--print", "host-tuple"]).output().unwrap();
    let host = String::from_utf8(host.stdout).unwrap();
    // What other systems need is not downloaded.
    let output = cargo(&["metadata", "--format-version", "1", "--filter-platform", host.trim()]);
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100);
    for package in packages {
        let (name, licence) = (&package["name"], package["license"].as_str());
        assert!(licence.is_some_and(allowed), "{name}: {licence:?} is not in the list above");
        // Of its own folder, or of crates.io.
        let source = package["source"].as_str();
        let is_known = source
            .is_none_or(|source| source == "registry+https://github.com/rust-lang/crates.io-index");
        assert!(is_known, "{name} comes from {source:?}");
    }
}

/// `cargo build --workspace --bin ror-serve` finds all that it shares with the program compiled, but
/// for this library, whose feature `schema` is for the server alone.
#[test]
fn the_server_asks_for_no_other_features_of_shared_crates() {
    let crates = |members: &[&str]| -> BTreeSet<String> {
        let tree = ["tree", "--edges", "normal,build", "--prefix", "none", "--format", "{p} {f}"];
        let output = cargo(&[&tree, members].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .filter(|line| !line.starts_with("ror v"))
            .map(|line| line.replace(" (*)", ""))
            .collect()
    };
    let (default, all) = (crates(&[]), crates(&["--workspace"]));
    assert!(default.len() > 100 && all.iter().any(|line| line.starts_with("axum ")));
    let again: Vec<&String> = default.difference(&all).collect();
    assert!(again.is_empty(), "compiled again for the server: {again:?}");
}
