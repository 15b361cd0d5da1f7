//! Compiles the shim between c10d's C++ and Rust.

use std::env;
use std::path::PathBuf;

fn main() {
    for file in ["build.rs", "src/shim.cpp", "gloo"] {
        println!("cargo:rerun-if-changed={file}");
    }
    // The libtorch that torch-sys was built with.
    let Some(lib) = env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from) else {
        return;
    };
    let include = lib.with_file_name("include");
    cc::Build::new()
        .cpp(true)
        .pic(true)
        .warnings(false)
        .include("gloo/..") // PyTorch's wheel does not contain Gloo's headers
        .include(include.join("torch/csrc/api/include"))
        .include(include)
        .flag("-std=c++17")
        .flag("-D_GLIBCXX_USE_CXX11_ABI=1")
        .flag("-DUSE_C10D_GLOO")
        .file("src/shim.cpp")
        .compile("ror_c10d");
    // Lets this crate's tests find libtorch.
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
}
