//! The unembedding projection: from normed residual-stream vectors to ranked tokens and statistics.
//!
//! This is the heart of a logit lens and nearly its whole cost. No logit is ever stored: rows of the
//! vocabulary stream past a batch of readouts, and what is kept of each readout is its top-k, its
//! log-sum-exp and a few sums.

mod distances;
mod exp;
mod job;
mod kernel;
mod panel;
mod project;
mod simd;
mod stats;
mod sweep;
mod tile;
mod topk;

pub use job::{Job, NonFiniteLogits, Post, Projected, ProjectionError, Tracked, Unembedding, VocabRows};
pub use kernel::Kernel;
