//! Sets the run-time path to libtorch and exports its C symbols.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    // The libtorch that torch-sys was built with.
    let Some(lib) = env::var_os("DEP_TCH_LIBTORCH_LIB") else {
        return;
    };
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", PathBuf::from(lib).display());

    // rustc hides the C symbols of a static library in a dylib. Notebook cells that call a generic
    // method of tch need them, so export them again.
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
