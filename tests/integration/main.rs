//! What the whole must keep, with libtorch.

mod demo;
mod devices;
mod generation;
mod half;
mod identities;
mod made;
mod outside;
mod parity;
mod steering;
mod taps;
mod tokenizer;
