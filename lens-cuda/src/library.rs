//! Libraries that are opened at run time.
#![allow(unsafe_code, reason = "functions of a library that is opened at run time")]

use std::path::Path;

use crate::error::CudaError;

/// An open library, which stays open as long as the process runs: what it started may run on.
#[derive(Debug)]
pub(crate) struct Library {
    name: String,
    library: libloading::Library,
}

impl Library {
    /// Opens a library of the CUDA toolkit or the driver, by path or by name.
    pub(crate) fn open(name: &Path) -> Result<&'static Self, CudaError> {
        let shown = name.display().to_string();
        // SAFETY: initialisers of NVIDIA's own libraries, which may run at any time and in any thread.
        let library = unsafe { libloading::Library::new(name) }
            .map_err(|error| CudaError::NoLibrary { name: shown.clone(), reason: error.to_string() })?;
        Ok(Box::leak(Box::new(Self { name: shown, library })))
    }

    /// A function.
    ///
    /// # Safety
    /// `F` is the type of the C function of that name, as an `unsafe extern "C" fn`.
    pub(crate) unsafe fn function<F: Copy + 'static>(&'static self, name: &str) -> Result<F, CudaError> {
        let missing = |_| CudaError::NoFunction { library: self.name.clone(), function: name.to_owned() };
        // SAFETY: the caller says that the type is right; the library is never closed.
        unsafe { self.library.get::<F>(name.as_bytes()) }.map(|symbol| *symbol).map_err(missing)
    }
}
