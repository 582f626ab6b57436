//! The kernels: their source, how it is compiled, and what they are called with.

mod arguments;
mod source;

pub(crate) use arguments::{Apart, BLOCK, FINAL_TOP, Key, Sums, Tracked, Written};
pub use arguments::{Args, Kernel};
pub use source::{Arch, Source};
