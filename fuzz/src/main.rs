//! libFuzzer with the target that `$ROR_FUZZ` names: `setup/fuzz.sh` calls it.

#![no_main]

#[path = "../targets.rs"]
mod targets;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    static TARGET: OnceLock<targets::Target> = OnceLock::new();
    let (_, run) = *TARGET.get_or_init(|| {
        targets::place();
        let name = std::env::var("ROR_FUZZ").expect("ROR_FUZZ names a target");
        let found = targets::TARGETS.iter().find(|(own, _)| *own == name);
        *found.unwrap_or_else(|| panic!("there is no target {name}"))
    });
    run(bytes);
});
