//! The kernel and its front, with Jupyter's own clients: the scripts in `tests/kernel/`.

mod common;

use std::process::Command;

use common::words;

/// Runs a script in the project's Python environment.
fn run(script: &str) {
    let output = Command::new("bash")
        .args(["-c", &format!("source setup/env.sh && exec \"$python\" tests/kernel/{script}")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("bash");
    assert!(output.status.success(), "{}", words(&output));
}

#[test]
fn jupyter_clients_see_live_cells_and_interrupts_that_keep_variables() {
    run("front.py");
}

#[test]
fn cells_lose_nothing_that_they_print_show_or_keep() {
    run("output.py");
}

#[test]
fn sliders_redraw_what_closures_return() {
    run("interact.py");
}

#[test]
fn cells_typed_as_in_python_say_what_to_type() {
    run("hints.py");
}
