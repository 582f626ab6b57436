//! The kernels: their source, how it is compiled, and what they are called with.

mod arguments;
mod source;

pub(crate) use arguments::{Apart, BLOCK, FINAL_TOP, Facts, Key, Sums, Tracked, Written, records};
pub use arguments::{Args, Call, Kernel, NormArgs};
pub use source::{Arch, Source};
