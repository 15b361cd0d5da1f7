//! The examples in three languages. Those whose program is not installed are reported as skipped.

mod common;

use std::io::{Write, stderr};
use std::process::Command;

use common::{Running, root};

#[test]
fn the_examples_predict_photos() {
    let server = Running::start(&[]);
    for (program, script) in
        [("sh", "predict.sh"), ("$python", "predict.py"), ("node", "predict.mjs")]
    {
        let photos = ["tests/photos/plain.jpg", "tests/photos/group.jpg"];
        let output = Command::new("bash")
            .args([
                "-c",
                "source setup/env.sh; eval program=$1; shift; exec \"$program\" \"$@\"",
                "bash",
            ])
            .args([
                program,
                &format!("examples/serve/{script}"),
                &format!("http://{}", server.address),
            ])
            .args(photos)
            .current_dir(root())
            .output()
            .unwrap();
        if output.status.code() == Some(127) {
            // Not by eprintln, which a test that passes does not show.
            writeln!(stderr(), "SKIPPED examples/serve/{script}: {program} is not installed")
                .unwrap();
            continue;
        }
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{script}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            photos.iter().all(|photo| said.contains(&photo["tests/photos/".len()..])),
            "{script}: {said}"
        );
        // `group.jpg` has seven faces, `plain.jpg` one.
        let genders = said.matches("male").count(); // also in "female"
        let per_face = if script == "predict.sh" { 2 } else { 1 }; // JSON has a field `female`, too
        assert_eq!(genders, 8 * per_face, "{script}: {said}");
    }
}
