//! A libtorch of the user's own, which wins over the project's: set-up only looks whether it fits.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::pins::VERSION;
use super::{SetupError, Surroundings};

/// What the user asked to build with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Own {
    /// `LIBTORCH`: a folder with `lib/` and `include/`.
    Folder(PathBuf),
    /// `LIBTORCH_USE_PYTORCH`: the torch of this Python.
    Python(&'static str),
}

/// The user's choice, in torch-sys's order of precedence; `None` if it is the project's own.
pub(crate) fn find(around: &Surroundings) -> Result<Option<Own>, SetupError> {
    if around.use_pytorch {
        return Ok(Some(Own::Python(if around.in_virtual_env { "python" } else { "python3" })));
    }
    let Some(libtorch) = &around.libtorch else { return Ok(None) };
    if libtorch.is_empty() {
        return Err(SetupError::OwnEmpty { variable: "LIBTORCH" });
    }
    let folder = PathBuf::from(libtorch);
    // `cargo xtask` is a `cargo run`, so the default of .cargo/config.toml arrives here as if the user had set it.
    let own_place = around.own_place();
    let same =
        |a: &Path, b: &Path| a == b || a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b));
    Ok((!same(&folder, &own_place)).then_some(Own::Folder(folder)))
}

impl Own {
    /// Checks that it is a libtorch of the right version, and returns where it came from and that version.
    pub(crate) fn check(&self, around: &Surroundings) -> Result<(String, String), SetupError> {
        let origin = self.origin();
        let (found, exact) = match self {
            Self::Folder(folder) => folder_version(folder)?,
            // torch-sys insists on the exact version when it asks Python.
            Self::Python(python) => (python_version(python)?, true),
        };
        let release = found.split('+').next().unwrap_or_default();
        let series = VERSION.rsplit_once('.').map_or(VERSION, |(series, _)| series);
        let fits = release == VERSION
            || !exact && release.strip_prefix(series).is_some_and(|rest| rest.starts_with('.'));
        if fits || around.bypass_version_check {
            return Ok((origin, found));
        }
        Err(SetupError::OwnVersion { origin, found, wanted: VERSION })
    }

    fn origin(&self) -> String {
        match self {
            Self::Folder(folder) => format!("LIBTORCH={}", folder.display()),
            Self::Python(python) => format!("LIBTORCH_USE_PYTORCH (`{python}`)"),
        }
    }
}

/// The version of the libtorch in `folder`, and whether torch-sys will insist on the exact one: it reads
/// `build-version`, which a libtorch archive has, and not `version.py`, which a Python package has.
fn folder_version(folder: &Path) -> Result<(String, bool), SetupError> {
    if folder.is_relative() {
        return Err(SetupError::OwnRelative { path: folder.to_owned() });
    }
    for missing in ["lib", "include"] {
        if !folder.join(missing).is_dir() {
            return Err(SetupError::OwnIncomplete { path: folder.to_owned(), missing });
        }
    }
    if let Ok(version) = fs::read_to_string(folder.join("build-version")) {
        return Ok((version.trim().to_owned(), true));
    }
    let module = fs::read_to_string(folder.join("version.py")).unwrap_or_default();
    let assigned = module.lines().find_map(|line| line.strip_prefix("__version__ = "));
    let version = assigned.map_or("of unknown version", |value| value.trim().trim_matches(['\'', '"']));
    Ok((version.to_owned(), false))
}

fn python_version(python: &str) -> Result<String, SetupError> {
    let failed = |said: String| SetupError::OwnPython { python: python.to_owned(), said };
    let output = Command::new(python)
        .args(["-c", "import torch; print(torch.__version__)"])
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(said.lines().next_back().unwrap_or("it gave no reason").to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(libtorch: &Path) -> Surroundings {
        Surroundings {
            root: "/checkout".into(),
            libtorch: Some(libtorch.as_os_str().to_owned()),
            ..Surroundings::default()
        }
    }

    fn folder(dir: &Path, file: &str, text: &str) -> PathBuf {
        fs::create_dir_all(dir.join("lib")).unwrap();
        fs::create_dir_all(dir.join("include")).unwrap();
        fs::write(dir.join(file), text).unwrap();
        dir.to_owned()
    }

    fn checked(path: &Path) -> Result<(String, String), SetupError> {
        let around = around(path);
        find(&around).unwrap().expect("the user's own").check(&around)
    }

    #[test]
    fn the_default_of_the_cargo_configuration_is_not_the_users_own() {
        assert_eq!(find(&around(Path::new("/checkout/.libtorch"))).unwrap(), None);
        assert_eq!(find(&Surroundings::default()).unwrap(), None);
    }

    #[test]
    fn use_pytorch_wins_over_a_folder() {
        let around = Surroundings { use_pytorch: true, ..around(Path::new("/elsewhere")) };
        assert_eq!(find(&around).unwrap(), Some(Own::Python("python3")));
    }

    #[test]
    fn an_archive_and_a_python_package_of_the_right_version_fit() {
        let dir = tempfile::tempdir().unwrap();
        let archive = folder(&dir.path().join("a"), "build-version", "2.11.0+cu130\n");
        assert_eq!(checked(&archive).unwrap().1, "2.11.0+cu130");
        let package =
            folder(&dir.path().join("b"), "version.py", "from x import y\n__version__ = '2.11.1+cpu'\n");
        assert_eq!(checked(&package).unwrap().1, "2.11.1+cpu");
    }

    #[test]
    fn another_version_is_refused_unless_the_check_is_bypassed() {
        let dir = tempfile::tempdir().unwrap();
        for version in ["2.10.0", "2.110.0", "2.11.1"] {
            let path = folder(dir.path(), "build-version", version);
            let error = checked(&path).unwrap_err();
            assert!(matches!(&error, SetupError::OwnVersion { found, .. } if found == version), "{error}");
        }
        let bypassed = Surroundings { bypass_version_check: true, ..around(dir.path()) };
        assert!(find(&bypassed).unwrap().unwrap().check(&bypassed).is_ok());
    }

    #[test]
    fn a_folder_that_is_no_libtorch_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(checked(dir.path()).unwrap_err(), SetupError::OwnIncomplete { missing: "lib", .. }));
        assert!(matches!(checked(Path::new("libtorch")).unwrap_err(), SetupError::OwnRelative { .. }));
        assert!(matches!(find(&around(Path::new(""))).unwrap_err(), SetupError::OwnEmpty { .. }));
    }
}
