//! Writes down where libtorch lies, so that the benches find it without `LD_LIBRARY_PATH`.

use std::env;
use std::path::PathBuf;

fn main() {
    for variable in ["LIBTORCH_LIB", "LIBTORCH"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let root = env::var_os("LIBTORCH_LIB").or_else(|| env::var_os("LIBTORCH")).map(PathBuf::from);
    if let Some(root) = root {
        println!("cargo::rustc-link-arg-benches=-Wl,-rpath,{}", root.join("lib").display());
    }
}
