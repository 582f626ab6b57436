//! Tells the linker where this crate's executables find libtorch at run time, and passes the place on.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // torch-sys knows which libtorch was taken: the checkout's, LIBTORCH or the Python's (LIBTORCH_USE_PYTORCH).
    // Its own rpath reaches no further than itself, so every crate that makes executables repeats it: no
    // LD_LIBRARY_PATH needed. Absent without the feature `torch`.
    if let Some(lib) = std::env::var_os("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{}", lib.display());
        // To dependents' build scripts, as DEP_LENS_MODELS_LIBTORCH_LIB.
        println!("cargo::metadata=libtorch_lib={}", lib.display());
    }
}
