//! Checkpoints and decoders on libtorch.
