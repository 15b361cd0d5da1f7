//! Compiles the shim between c10d's C++ and Rust.

use std::env;
use std::path::PathBuf;

fn main() {
    for file in ["build.rs", "src/shim.cpp", "gloo"] {
        println!("cargo:rerun-if-changed={file}");
    }
    // What torch-sys was built with.
    let Some(lib) = env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from) else {
        return;
    };
    let include = lib.with_file_name("include");
    cc::Build::new()
        .cpp(true)
        .pic(true)
        .warnings(false)
        .include("gloo/..") // PyTorch's wheel has no headers of Gloo
        .include(include.join("torch/csrc/api/include"))
        .include(include)
        .flag("-std=c++17")
        .flag("-D_GLIBCXX_USE_CXX11_ABI=1")
        .flag("-DUSE_C10D_GLOO")
        .file("src/shim.cpp")
        .compile("ror_c10d");
    // Tests of this crate find libtorch as the programs of the workspace do.
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
}
