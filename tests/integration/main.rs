//! What the whole must keep, with libtorch.

mod demo;
mod generation;
mod half;
mod identities;
mod made;
mod parity;
mod steering;
mod taps;
mod tokenizer;
