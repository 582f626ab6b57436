//! Compiled kernels, kept between runs.
//!
//! A file is named after everything that its code depends on: the source, the options with the card's architecture, and
//! the compiler's version. It begins with a hash of the code, so that a damaged one is compiled anew.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process,
};

use sha2::{Digest as _, Sha256};

use crate::{
    error::CudaError,
    kernel::{Arch, Source},
};

/// Length of a hash, bytes.
const HASH: usize = 32;

/// A folder with compiled kernels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    folder: Option<PathBuf>,
}

impl Cache {
    /// The environment variable that names another folder.
    pub const VARIABLE: &str = "LENS_KERNEL_CACHE";

    /// A cache in `folder`, which need not be there yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()) }
    }

    /// `lens/kernels` in the user's cache folder, or what [`VARIABLE`](Self::VARIABLE) names. A user who has none has a
    /// cache that keeps nothing.
    pub fn of_user() -> Self {
        let folder = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let of_user = || {
            folder("XDG_CACHE_HOME")
                .filter(|folder| folder.is_absolute())
                .or_else(|| Some(folder("HOME")?.join(".cache")))
        };
        Self { folder: folder(Self::VARIABLE).or_else(|| Some(of_user()?.join("lens/kernels"))) }
    }

    /// The code of `source` for `arch` by the compiler of this version: as it was kept, or else what `compile` makes,
    /// which is kept. That it cannot be kept is told to `note` and is no reason to fail.
    ///
    /// # Errors
    /// Those of `compile`.
    pub fn code(
        &self,
        source: Source,
        arch: Arch,
        version: (i32, i32),
        compile: impl FnOnce() -> Result<Vec<u8>, CudaError>,
        note: impl FnOnce(CudaError),
    ) -> Result<Vec<u8>, CudaError> {
        let file = self.folder.as_ref().map(|folder| folder.join(name(source, arch, version)));
        if let Some(code) = file.as_deref().and_then(kept) {
            return Ok(code);
        }
        let code = compile()?;
        if let Some(Err(error)) = file.map(|file| keep(&file, &code)) {
            note(error);
        }
        Ok(code)
    }
}

/// The file's name, in which everything is that its code depends on.
fn name(source: Source, arch: Arch, (major, minor): (i32, i32)) -> String {
    let mut hash = Sha256::new();
    hash.update(Source::TEXT);
    for option in source.options(arch) {
        hash.update([0]);
        hash.update(option);
    }
    hash.update(format!("\0nvrtc {major}.{minor}"));
    let mut name = String::new();
    for byte in &hash.finalize()[..16] {
        // A string takes everything.
        let _ = write!(name, "{byte:02x}");
    }
    format!("{name}-{arch}.cubin")
}

/// The code in a file that is whole.
fn kept(file: &Path) -> Option<Vec<u8>> {
    let bytes = fs::read(file).ok()?;
    let (hash, code) = bytes.split_at_checked(HASH)?;
    (Sha256::digest(code)[..] == *hash && !code.is_empty()).then(|| code.to_vec())
}

/// Writes a file that others see whole or not at all.
fn keep(file: &Path, code: &[u8]) -> Result<(), CudaError> {
    let failed =
        |error: std::io::Error| CudaError::Cache { path: file.to_owned(), reason: error.to_string() };
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let part = file.with_extension(format!("{}.part", process::id()));
    let written = fs::write(&part, [&Sha256::digest(code)[..], code].concat());
    written.and_then(|()| fs::rename(&part, file)).map_err(|error| {
        // It may not even be there.
        let _ = fs::remove_file(&part);
        failed(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARCH: Arch = Arch { major: 9, minor: 0 };

    fn code(cache: &Cache, source: Source, arch: Arch, version: (i32, i32), made: &[u8]) -> Vec<u8> {
        let note = |error: CudaError| panic!("{error}");
        cache.code(source, arch, version, || Ok(made.to_vec()), note).unwrap()
    }

    #[test]
    fn code_is_compiled_once_for_all_that_it_depends_on() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("not/there/yet"));
        let source = Source::default();
        assert_eq!(code(&cache, source, ARCH, (13, 0), b"first"), b"first");
        assert_eq!(code(&cache, source, ARCH, (13, 0), b"second"), b"first");
        assert_eq!(code(&cache, source, ARCH, (13, 1), b"newer"), b"newer");
        assert_eq!(code(&cache, source, Arch { major: 8, minor: 0 }, (13, 0), b"older"), b"older");
        assert_eq!(code(&cache, Source { cap: true, ..source }, ARCH, (13, 0), b"capped"), b"capped");
        assert_eq!(code(&cache, source, ARCH, (13, 0), b"third"), b"first");
    }

    #[test]
    fn a_damaged_file_is_compiled_anew() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        let source = Source::default();
        code(&cache, source, ARCH, (13, 0), b"the code");
        let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        let whole = fs::read(&files[0]).unwrap();
        for damaged in
            [&whole[..whole.len() - 1], &whole[..HASH], &whole[..5], b"", &[&whole[..], b"!"].concat()]
        {
            fs::write(&files[0], damaged).unwrap();
            assert_eq!(code(&cache, source, ARCH, (13, 0), b"made again"), b"made again");
            assert_eq!(code(&cache, source, ARCH, (13, 0), b"not needed"), b"made again");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_said_and_the_code_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a file");
        fs::write(&file, "").unwrap();
        let mut said = String::new();
        let (cache, compile) = (Cache::new(&file), || Ok(b"code".to_vec()));
        let note = |error: CudaError| said = error.to_string();
        assert_eq!(cache.code(Source::default(), ARCH, (13, 0), compile, note).unwrap(), b"code");
        assert!(said.contains("cannot be kept") && said.contains("a file"), "{said}");
    }

    #[test]
    fn what_the_compiler_refuses_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let refused = || Err(CudaError::Call { call: "nvrtcCompileProgram", reason: "error 6".to_owned() });
        let got = Cache::new(folder.path()).code(Source::default(), ARCH, (13, 0), refused, |_| {});
        assert_eq!(got.unwrap_err().to_string(), "nvrtcCompileProgram failed: error 6");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
