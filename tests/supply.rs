//! What the program is made of: crates of crates.io alone, under licences that allow it.

use std::process::Command;

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
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let host = Command::new("rustc").args(["--print", "host-tuple"]).output().unwrap();
    let host = String::from_utf8(host.stdout).unwrap();
    let mut metadata = Command::new(cargo);
    metadata.args(["metadata", "--locked", "--offline", "--format-version", "1"]);
    // What other systems need is not downloaded.
    metadata.args(["--filter-platform", host.trim()]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = metadata.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
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
