//! Has the tests, examples and programs of a package find libtorch when they run. Packages that depend
//! on this library find it as those of tch do.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Where torch-sys found it; nothing when only the documentation is built.
    if let Ok(folder) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
    }
}
