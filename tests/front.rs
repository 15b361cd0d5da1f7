//! The front of the kernel, with Jupyter's own clients: `tests/kernel/front.py`.

mod common;

use std::process::Command;

use common::words;

#[test]
fn jupyter_clients_see_live_cells_and_interrupts_that_keep_variables() {
    let output = Command::new("bash")
        .args(["-c", r#"source setup/env.sh && exec "$python" tests/kernel/front.py"#])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("bash");
    assert!(output.status.success(), "{}", words(&output));
}
