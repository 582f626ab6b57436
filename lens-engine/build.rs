//! Tells the linker where this crate's executables find libtorch at run time; `lens-models/build.rs` says why.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Some(lib) = std::env::var_os("DEP_LENS_MODELS_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{}", lib.display());
        // For the tests of where libtorch is found.
        println!("cargo::rustc-env=BUILT_WITH_LIBTORCH={}", lib.display());
    }
}
