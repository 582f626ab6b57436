//! What can be missing or go wrong.

use std::path::PathBuf;

/// A kernel that cannot be had or started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CudaError {
    /// A library that is not there.
    #[error("{name} cannot be opened: {reason}")]
    NoLibrary {
        /// Its name.
        name: String,
        /// What the loader said.
        reason: String,
    },
    /// A library that lacks a function: it is too old.
    #[error("{library} has no {function}: it is too old, CUDA 12 or newer is needed")]
    NoFunction {
        /// The library.
        library: String,
        /// The function.
        function: String,
    },
    /// The compiler refused the kernels.
    #[error("NVRTC {}.{} does not compile the kernels for {arch}: {log}", version.0, version.1)]
    Compile {
        /// The compiler's version.
        version: (i32, i32),
        /// The card's architecture, such as `sm_90`.
        arch: String,
        /// The first line of what it said.
        log: String,
    },
    /// A call that failed.
    #[error("{call} failed: {reason}")]
    Call {
        /// The function.
        call: &'static str,
        /// The name or the number of the error.
        reason: String,
    },
    /// Compiled kernels that could not be kept.
    #[error("the compiled kernels cannot be kept in {}: {reason}", path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}
