//! Links what uses libtorch so that it finds it when it runs.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    // What torch-sys was built with.
    let Some(lib) = env::var_os("DEP_TCH_LIBTORCH_LIB") else {
        return;
    };
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", PathBuf::from(lib).display());

    // rustc hides the C symbols of a static library inside a dylib. A notebook cell that calls
    // a generic method of tch needs them, so they are exported again.
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux")
        && let Some(out) = env::var_os("OUT_DIR")
    {
        let script = PathBuf::from(out).join("exports.ld");
        let names = "at_*; atg_*; ato_*; atm_*; atc_*; ats_*; get_and_reset_last_er*;";
        if fs::write(&script, format!("{{ global: {names} }};\n")).is_ok() {
            println!("cargo:rustc-link-arg=-Wl,--version-script={}", script.display());
        }
    }
}
