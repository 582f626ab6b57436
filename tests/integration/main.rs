//! What the whole must keep, with libtorch.

mod half;
mod identities;
mod parity;
mod taps;
