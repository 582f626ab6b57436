//! Tells the linker where this crate's executables find libtorch at run time; `lens-models/build.rs` says why.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Some(lib) = std::env::var_os("DEP_LENS_MODELS_LIBTORCH_LIB") {
        // First, where an installation has its own (lens-cli/src/engine/libtorch.rs looks there too). `cargo xtask dist`
        // cuts off the folder of this machine, which therefore has to come last.
        println!("cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN/../lib/lens/libtorch/lib");
        println!("cargo::rustc-link-arg=-Wl,-rpath,{}", lib.display());
        // For the tests of where libtorch is found.
        println!("cargo::rustc-env=BUILT_WITH_LIBTORCH={}", lib.display());
    }
}
