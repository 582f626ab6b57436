//! The instruction set that the projection uses.

use std::fmt;

/// The instruction set that a projection uses. All kernels give the same answers up to the rounding of a float32 sum;
/// one kernel gives the same bits on any number of threads and in any batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kernel {
    /// AMX (`tdpbf16ps`) for bfloat16 rows; for other rows, AVX-512. Linux only, which has to grant it.
    AmxBf16,
    /// AVX-512 with BF16 products (`vdpbf16ps`) for bfloat16 rows; for other rows, AVX-512.
    Avx512Bf16,
    /// AVX-512 (F, BW, DQ, VL).
    Avx512,
    /// AVX2 with FMA and F16C.
    Avx2,
    /// NEON.
    Neon,
    /// No particular instructions.
    Plain,
}

impl Kernel {
    /// The environment variable that forces a kernel.
    pub const VARIABLE: &str = "LENS_KERNEL";

    const ALL: [Self; 6] =
        [Self::AmxBf16, Self::Avx512Bf16, Self::Avx512, Self::Avx2, Self::Neon, Self::Plain];

    /// The kernels that this machine can run, fastest first.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|kernel| kernel.is_available()).collect()
    }

    /// The fastest kernel that this machine can run.
    pub fn best() -> Self {
        Self::ALL.into_iter().find(|kernel| kernel.is_available()).unwrap_or(Self::Plain)
    }

    /// The kernel that [`Unembedding::project`](super::Unembedding::project) uses: the one that the
    /// environment variable `LENS_KERNEL` names, or else the best.
    ///
    /// # Errors
    /// When the variable names no kernel, or one that this machine cannot run.
    pub fn chosen() -> Result<Self, KernelError> {
        match std::env::var_os(Self::VARIABLE) {
            None => Ok(Self::best()),
            Some(name) if name.is_empty() => Ok(Self::best()),
            Some(name) => Self::named(&name.to_string_lossy()),
        }
    }

    /// The kernel of that name.
    ///
    /// # Errors
    /// When no kernel has that name, or this machine cannot run it.
    pub fn named(name: &str) -> Result<Self, KernelError> {
        let found = Self::ALL.into_iter().find(|kernel| kernel.name() == name);
        found.filter(|kernel| kernel.is_available()).ok_or_else(|| KernelError::new(name))
    }

    /// Its name: `amxbf16`, `avx512bf16`, `avx512`, `avx2`, `neon` or `plain`.
    pub fn name(self) -> &'static str {
        match self {
            Self::AmxBf16 => "amxbf16",
            Self::Avx512Bf16 => "avx512bf16",
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Plain => "plain",
        }
    }

    /// Whether this machine can run it.
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        use super::simd::{avx2::Avx2, avx512::Avx512, avx512bf16::Avx512Bf16};
        match self {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Self::AmxBf16 => super::simd::grant::tiles_are_granted(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => Avx512Bf16::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Avx512::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Avx2::detect().is_some(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => super::simd::neon::Neon::detect().is_some(),
            Self::Plain => true,
            #[allow(unreachable_patterns)]
            _ => false,
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A kernel was asked for that does not exist or that this machine cannot run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no kernel \"{name}\" on this machine (it has: {})", list(available))]
pub struct KernelError {
    /// What was asked for.
    pub name: String,
    /// What this machine can run, fastest first.
    pub available: Vec<Kernel>,
}

impl KernelError {
    /// For a name that this machine cannot run.
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), available: Kernel::available() }
    }
}

/// Kernels as an error message lists them.
fn list(kernels: &[Kernel]) -> String {
    kernels.iter().map(|kernel| kernel.name()).collect::<Vec<_>>().join(", ")
}
