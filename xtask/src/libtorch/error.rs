//! Everything that can stop a set-up, each with what to do about it.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    #[error(
        "no Python 3.8 or newer found (looked for $PYTHON, python3, python): set-up downloads libtorch with pip; \
         install Python 3 with pip, or set LIBTORCH to a libtorch {wanted} that you already have"
    )]
    NoPython { wanted: &'static str },

    #[error(
        "`{python}` has no pip: install it (`apt install python3-pip`, or `{python} -m ensurepip --user`), \
         or set LIBTORCH to a libtorch {wanted} that you already have"
    )]
    NoPip { python: String, wanted: &'static str },

    #[error(
        "no CUDA half of libtorch {wanted} is pinned for {platform}: point LENS_LIBTORCH at the folder torch/lib of a Python \
         that has it when lens runs"
    )]
    NoCuda { platform: String, wanted: &'static str },

    #[error(
        "no C++ compiler found (looked for $CXX, c++, g++, clang++): the bindings to libtorch are compiled from C++; \
         install one (`apt install g++`, `dnf install gcc-c++`, `xcode-select --install`)"
    )]
    NoCompiler,

    #[error(
        "the C++ compiler here is called `{found}` and builds look for `c++`: run `export CXX={found}` first"
    )]
    UnnamedCompiler { found: &'static str },

    #[error("the C++ compiler `{compiler}` cannot compile a C++17 program: {said}")]
    BrokenCompiler { compiler: String, said: String },

    #[error(
        "no libtorch is pinned for {platform} (pinned: Linux x86_64, Linux aarch64, both with glibc, and macOS arm64): \
         set LIBTORCH to the folder of a libtorch {wanted}, or LIBTORCH_USE_PYTORCH=1 to use the Python's torch"
    )]
    Platform { platform: String, wanted: &'static str },

    #[error(
        "no place for the download: set {variable} to a folder for it (neither XDG_CACHE_HOME nor HOME is set)"
    )]
    NoCache { variable: &'static str },

    #[error(
        "no place for what installed binaries need: set XDG_DATA_HOME (it is not, and HOME is not either)"
    )]
    NoData,

    #[error(
        "not enough room in {}: set-up needs {needed_mb} MB and {free_mb} MB are free; make room, \
         or set {variable} to a folder on a larger disk",
        dir.display()
    )]
    NoRoom { dir: PathBuf, needed_mb: u64, free_mb: u64, variable: &'static str },

    #[error("the disk is full while writing {}: make room and run `cargo xtask setup` again", path.display())]
    DiskFull { path: PathBuf },

    #[error(
        "cannot reach the package index for {file} (pip's own words are above): \
         connect and try again (pip's own settings apply: PIP_INDEX_URL, HTTPS_PROXY), \
         or copy that file into {} from another machine",
        kept.display()
    )]
    NoNetwork { file: String, kept: PathBuf },

    #[error(
        "pip could not download {file}: {said}\n\
         if your package index lacks it, copy that file into {} or set LIBTORCH",
        kept.display()
    )]
    Pip { file: String, said: String, kept: PathBuf },

    #[error(
        "{file} is not the file that was pinned and has been removed\n  expected sha256 {expected}\n  \
         found    sha256 {found}\ntry again; if it stays so, your package index serves another file"
    )]
    WrongHash { file: String, expected: String, found: String },

    #[error("cannot read {file}: {said}")]
    Wheel { file: String, said: String },

    #[error("{variable} is set and empty: unset it to use the project's own libtorch")]
    OwnEmpty { variable: &'static str },

    #[error("LIBTORCH={} is a relative path, and builds run in other folders: make it absolute", path.display())]
    OwnRelative { path: PathBuf },

    #[error("LIBTORCH={} has no {missing}: it must be a folder with lib/ and include/", path.display())]
    OwnIncomplete { path: PathBuf, missing: &'static str },

    #[error(
        "{origin} is libtorch {found}, and this project needs {wanted}: unset it to use the project's own, \
         or set LIBTORCH_BYPASS_VERSION_CHECK=1 to try it all the same"
    )]
    OwnVersion { origin: String, found: String, wanted: &'static str },

    #[error("LIBTORCH_USE_PYTORCH is set and `{python}` cannot import torch: {said}")]
    OwnPython { python: String, said: String },

    #[error("cannot {what} {}", path.display())]
    Io { what: &'static str, path: PathBuf, source: std::io::Error },
}

impl SetupError {
    /// Tells a full disk, which the user can mend, from other failures to read or write `path`.
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::Io { what, path, source },
        }
    }
}
