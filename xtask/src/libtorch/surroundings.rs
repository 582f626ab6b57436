//! What set-up reads from the environment, once, so that tests can say it instead.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::SetupError;

/// Names another folder for the downloads than the user's cache directory.
pub(crate) const CACHE_VARIABLE: &str = "LENS_LIBTORCH_CACHE";

#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    /// The root of the checkout.
    pub(crate) root: PathBuf,
    pub(crate) libtorch: Option<OsString>,
    pub(crate) use_pytorch: bool,
    pub(crate) bypass_version_check: bool,
    pub(crate) in_virtual_env: bool,
    /// The folder that checkouts share.
    pub(crate) cache: Option<PathBuf>,
    /// The user's folder for data.
    pub(crate) data: Option<PathBuf>,
    pub(crate) python: Option<OsString>,
    pub(crate) cxx: Option<OsString>,
}

impl Surroundings {
    pub(crate) fn from_env(root: &Path) -> Self {
        let var = std::env::var_os;
        let folder = |name| var(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let user_cache = || {
            let user = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
            Some(user?.join("lens-libtorch"))
        };
        Self {
            root: root.to_owned(),
            libtorch: var("LIBTORCH"),
            // torch-sys looks whether these are set, not at what they say.
            use_pytorch: var("LIBTORCH_USE_PYTORCH").is_some(),
            bypass_version_check: var("LIBTORCH_BYPASS_VERSION_CHECK").is_some(),
            in_virtual_env: var("VIRTUAL_ENV").is_some(),
            cache: folder(CACHE_VARIABLE).or_else(user_cache),
            data: folder("XDG_DATA_HOME")
                .filter(|folder| folder.is_absolute())
                .or_else(|| Some(folder("HOME")?.join(".local/share"))),
            python: var("PYTHON").filter(|value| !value.is_empty()),
            cxx: var("CXX").filter(|value| !value.is_empty()),
        }
    }

    /// Where the project's own libtorch goes; `.cargo/config.toml` says the same.
    pub(crate) fn own_place(&self) -> PathBuf {
        self.root.join(".libtorch")
    }

    /// Where installed binaries look for it; lens-cli/src/engine/libtorch.rs says the same.
    pub(crate) fn installed_place(&self) -> Result<PathBuf, SetupError> {
        let data = self.data.as_deref().ok_or(SetupError::NoData)?;
        Ok(data.join(format!("lens/libtorch-{}", super::pins::VERSION)))
    }

    pub(crate) fn cache(&self) -> Result<&Path, SetupError> {
        self.cache.as_deref().ok_or(SetupError::NoCache { variable: CACHE_VARIABLE })
    }
}
