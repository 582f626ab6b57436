//! Names this build by a hash of the sources of all crates: `lens` and `lens-engine` are two files, and have to be of one.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let own = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let mut files = Vec::new();
    for sources in crates(&own) {
        println!("cargo::rerun-if-changed={}", sources.display());
        collect(&sources, &mut files)?;
    }
    files.sort();
    let mut hash = Fnv::default();
    for file in files {
        hash.add(
            file.strip_prefix(own.parent().unwrap_or(&own)).unwrap_or(&file).to_string_lossy().as_bytes(),
        );
        hash.add(&fs::read(&file)?);
    }
    println!("cargo::rustc-env=LENS_BUILD={:016x}", hash.0);
    Ok(())
}

/// The sources of the crates that lie beside this one, as they do in a checkout; by itself, a crate has its own.
fn crates(own: &Path) -> Vec<PathBuf> {
    let beside = own.parent().and_then(|root| fs::read_dir(root).ok()).into_iter().flatten().flatten();
    let is_ours = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("lens-"))
            && path.join("Cargo.toml").is_file()
    };
    let mut crates: Vec<PathBuf> = beside.map(|entry| entry.path()).filter(is_ours).collect();
    if crates.is_empty() {
        crates.push(own.to_owned());
    }
    crates.into_iter().map(|path| path.join("src")).filter(|path| path.is_dir()).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// FNV-1a of 64 bits: enough to tell builds apart, and nothing to depend on.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        let length = (bytes.len() as u64).to_le_bytes();
        for byte in length.iter().chain(bytes) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
