//! Whether `lens` and its engine are of one build.

use std::{env, ffi::OsStr, path::Path};

use anyhow::{Context, Result, bail};

/// What this was built from: the version, and a hash of the sources of all crates.
pub(super) const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), "+", env!("LENS_BUILD"));

/// The environment variable in which `lens` tells its engine of which build it is.
pub(super) const VARIABLE: &str = "LENS_OF_BUILD";

/// For the engine, before it reads its arguments: refuses a `lens` of another build, whose arguments may mean something
/// else. Where nobody handed over, there is nothing to compare with.
///
/// # Errors
/// When they are of different builds.
pub fn same_build() -> Result<()> {
    let engine = env::current_exe().context("cannot find out where lens-engine is")?;
    check(env::var_os(VARIABLE).as_deref(), &engine)
}

fn check(told: Option<&OsStr>, engine: &Path) -> Result<()> {
    match told {
        Some(told) if told != BUILD => bail!(
            "lens is of build {}, and {} of build {BUILD}: they have to be built from the same sources. `cargo build \
             --release` builds both; installed ones are made with `cargo install --path lens-cli` and `cargo install \
             --path lens-engine`",
            told.to_string_lossy(),
            engine.display()
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_build_is_refused_with_both_names() {
        let engine = Path::new("/opt/lens-engine");
        assert!(check(None, engine).is_ok() && check(Some(OsStr::new(BUILD)), engine).is_ok());
        let says = check(Some(OsStr::new("0.0.9+abc")), engine).unwrap_err().to_string();
        assert!(["0.0.9+abc", BUILD, "/opt/lens-engine"].iter().all(|part| says.contains(part)), "{says}");
        let hash = BUILD.rsplit('+').next().unwrap();
        assert!(hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{BUILD}");
    }
}
