//! The source and its options.

use std::fmt;

use lens_core::Post;

/// The architecture of a card, such as `sm_90`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arch {
    /// Compute capability, the number before the point.
    pub major: u32,
    /// Compute capability, the number after the point.
    pub minor: u32,
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sm_{}{}", self.major, self.minor)
    }
}

/// The kernels for models that finish their logits in the same way: what nobody needs is not compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Source {
    /// The unembedding has a bias.
    pub bias: bool,
    /// The logits have a soft cap.
    pub cap: bool,
}

impl Source {
    /// CUDA C++, which is plain C++ but for the names that CUDA gives. Its parts are one text, in this order.
    pub const TEXT: &str = concat!(
        include_str!("common.cu"),
        include_str!("sweep.cu"),
        include_str!("best.cu"),
        include_str!("apart.cu"),
        include_str!("norms.cu"),
    );

    /// Its name in messages.
    pub const NAME: &str = "readout.cu";

    /// The kernels for a model that finishes its logits with `post`, and with a bias before that if it has one.
    pub fn of(post: Post, bias: bool) -> Self {
        Self { bias, cap: post.softcap.is_some() }
    }

    /// Every one that there is.
    pub fn all() -> [Self; 4] {
        [(false, false), (false, true), (true, false), (true, true)].map(|(bias, cap)| Self { bias, cap })
    }

    /// What the source has to be told, for any compiler.
    pub fn defines(self) -> [String; 2] {
        [format!("-DBIAS={}", u8::from(self.bias)), format!("-DCAP={}", u8::from(self.cap))]
    }

    /// NVRTC's options.
    pub fn options(self, arch: Arch) -> Vec<String> {
        let fixed = ["--std=c++17", "--fmad=false", "--device-as-default-execution-space"].map(str::to_owned);
        [format!("--gpu-architecture={arch}")].into_iter().chain(fixed).chain(self.defines()).collect()
    }
}
