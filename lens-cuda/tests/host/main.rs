//! The kernels, compiled for the host by the C++ compiler, against float64: a card is not needed for their arithmetic.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
#![cfg(target_os = "linux")]

mod arithmetic;
mod conforms;
mod machine;
mod norms;
