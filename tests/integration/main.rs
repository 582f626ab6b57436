//! What the whole must keep, with libtorch.

mod parity;
