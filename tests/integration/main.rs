//! What the whole must keep, with libtorch.

mod adapters;
mod attribution;
mod demo;
mod devices;
mod diff;
mod generation;
mod gguf;
mod half;
mod heads;
mod identities;
mod jacobians;
mod lenses;
mod made;
mod nonfinite;
mod outside;
mod packs;
mod parity;
mod patching;
mod quantised;
mod roundings;
mod steering;
mod taps;
mod threads;
mod tokenizer;
mod tuned_fits;
