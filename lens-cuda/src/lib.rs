//! The readout's passes over the vocabulary on an NVIDIA card.
//!
//! A backend multiplies a chunk of readouts with the unembedding, in the card's memory. [`read`] does the rest: one kernel
//! goes over each row of logits once and keeps its log-sum-exp, its moments, what the divergence to the row's final readout
//! needs, ranks of tokens and the maximum of every block of logits; a second one finds the k largest among the k blocks
//! that can hold them, ties by the smaller id. A few hundred bytes a readout cross to the host. [`normed`] is what comes
//! before the product, in one kernel as well.
//!
//! The kernels are CUDA C++ ([`Source`]), compiled on the user's machine for the user's card by NVRTC, which
//! every torch with CUDA brings, and kept in a [`Cache`]. [`Card`] is a card with the kernels on it. No CUDA is needed to
//! build: libraries are opened when a card is asked for, with the dozen calls that are used here, so that whatever is
//! missing is an error that says so and no more.
//!
//! What runs the kernels is a [`Machine`]: a card with memory in somebody's hands, or, in tests, the same source compiled
//! for the host, whose answers are compared with float64 where there is no card.

mod cache;
mod card;
mod chunk;
mod error;
#[cfg(feature = "host")]
mod host;
mod kernel;
mod launch;
mod library;
mod machine;
mod norm;
mod nvrtc;

pub use cache::Cache;
pub use card::Card;
pub use chunk::{Answers, Ask, Logits, Wanted, read, readouts};
pub use error::CudaError;
#[cfg(feature = "host")]
pub use host::HostKernels;
pub use kernel::{Arch, Args, Call, Kernel, NormArgs, Source};
pub use launch::Launch;
pub use machine::Machine;
pub use norm::{Narrow, Normed, Norms, Vectors, normed};
pub use nvrtc::Compiler;
