//! Where the engine is.

use std::{
    env::consts::EXE_SUFFIX,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

/// The environment variable that names the engine.
pub(super) const VARIABLE: &str = "LENS_ENGINE";

/// The engine of `lens`: the one that `named` says, or the one beside it, where links have been followed.
pub(super) fn find(lens: &Path, named: Option<&OsStr>) -> Result<PathBuf> {
    let real = lens.canonicalize().unwrap_or_else(|_| lens.to_owned());
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        let engine = PathBuf::from(named);
        if !engine.is_file() {
            bail!("{VARIABLE} names {}, and there is no such file", engine.display());
        }
        if engine.canonicalize().is_ok_and(|engine| engine == real) {
            bail!("{VARIABLE} names lens itself, and not the lens-engine that runs its models");
        }
        return Ok(engine);
    }
    let file = format!("lens-engine{EXE_SUFFIX}");
    let beside = [lens, &real].map(|lens| lens.with_file_name(&file));
    match beside.into_iter().find(|engine| engine.is_file()) {
        Some(engine) => Ok(engine),
        None => bail!(
            "there is no {file} beside {}, which runs models: `cargo build --release` builds both, `cargo install --path \
             lens-engine` installs it where `cargo install --path lens-cli` has installed lens, and {VARIABLE} names one \
             that lies elsewhere",
            real.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_the_one_that_is_named_or_the_one_beside_lens() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            path
        };
        let lens = file("bin/lens");
        let none = find(&lens, None).unwrap_err().to_string();
        assert!(none.contains("cargo install --path lens-engine") && none.contains("LENS_ENGINE"), "{none}");
        let engine = file(&format!("bin/lens-engine{EXE_SUFFIX}"));
        assert_eq!(find(&lens, None).unwrap(), engine);
        assert_eq!(find(&lens, Some(OsStr::new(""))).unwrap(), engine);
        let other = file("elsewhere/engine");
        assert_eq!(find(&lens, Some(other.as_os_str())).unwrap(), other);
        let gone = find(&lens, Some(folder.path().join("gone").as_os_str())).unwrap_err().to_string();
        assert!(gone.contains("LENS_ENGINE names") && gone.contains("gone"), "{gone}");
        // It would hand over to itself for ever.
        assert!(find(&lens, Some(lens.as_os_str())).unwrap_err().to_string().contains("lens itself"));
        #[cfg(unix)]
        {
            let link = folder.path().join("lens");
            std::os::unix::fs::symlink(&lens, &link).unwrap();
            assert_eq!(find(&link, None).unwrap(), engine.canonicalize().unwrap());
        }
    }
}
