//! The unembedding projection: from normed residual-stream vectors to ranked tokens and statistics.
//!
//! This is the heart of a logit lens and nearly its whole cost: `2 · N · d · V` operations for N readouts. No
//! logit is stored beyond a scratch that stays in cache, unless distances are asked for, which take a second look
//! (`sweep.rs`). Vocabulary rows stream past a batch of readouts, and what is kept of each readout is its top-k, its
//! log-sum-exp and a few sums.
//!
//! ```
//! use lens_core::projection::{Job, Post, Unembedding, VocabRows};
//!
//! // Three tokens in a space of two dimensions, and one readout.
//! let rows = [1.0, 0.0, 0.0, 1.0, -1.0, -1.0];
//! let unembedding = Unembedding::new(VocabRows::F32(&rows), 2, None, Post::default())?;
//! let job = Job { readouts: &[2.0, 1.0], top_k: 2, entropy: true, variance: true, finals: None, distances: false, tracked: &[] };
//! let readout = unembedding.project(&job)?.remove(0)?;
//! assert_eq!(readout.top.iter().map(|(id, logit)| (id.0, *logit)).collect::<Vec<_>>(), [(0, 2.0), (1, 1.0)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The way of a logit
//!
//! ```text
//!  vocabulary rows as they are stored          readouts, packed once (panel.rs)
//!  (a memory map; no copy)                     [cell][column][lane], 64-byte lines
//!        │  R rows                                   │  C vectors
//!        └──────────────► tile (tile.rs) ◄───────────┘
//!                R × C sums in registers, one pass over d
//!                            │ store
//!                scratch z [C][block rows][lanes] in L1/L2     (sweep.rs)
//!                            │ bias, scale, cap
//!         ┌──────────────────┼──────────────────────┐
//!    peak, top-k        Σ e^(z-m), …          Σ e^(f-m_f) (f - z)     (stats.rs, topk.rs)
//!         └── one vector of lanes at a time, in registers ──┘
//!                            │ float64 per block
//!                 kept per stretch of rows, merged in order           (project.rs)
//! ```
//!
//! Writing a tile to the scratch and reading it back costs one store and a few loads for every `d / 2` or
//! `d` multiply-adds, and buys a tile that is nothing but multiply-adds and statistics that are written
//! once, for every instruction set, over whole columns.
//!
//! # Registers
//!
//! | registers | lanes | panel C | rows R | sums + readouts + weight |
//! |---|---|---|---|---|
//! | 32 (AVX-512, NEON) | 16, 4 | 4 | 6 | 24 + 4 + 1 |
//! | | | 3 | 8 | 24 + 3 + 1 |
//! | | | 2 | 12 | 24 + 2 + 1 |
//! | | | 1 | 24 | 24 + 1 + 1 |
//! | 16 (AVX2, plain) | 8, 4 | 2 | 6 | 12 + 2 + 1 |
//! | | | 1 | 12 | 12 + 1 + 1 |
//!
//! Panels of one batch are as equal as can be, so that 96 readouts are two of 48 and nothing is wasted. Batches of up
//! to four readouts, of twelve where there are 32 registers, take another path through `tile.rs`, which is bound by
//! memory and not by arithmetic.
//!
//! AMX has tile registers of its own: there a panel is two columns, a tile sixteen rows of the scratch, and `amx/`
//! takes the place of `tile.rs`. The seam is `block.rs`: a block of rows is held once, then meets panel after panel.
//!
//! # The order of the loops
//!
//! Rows are cut into stretches, which threads take as they come; a stretch into blocks whose weights fit
//! L2. Within a block the loop over panels is outside that over tiles: a panel is larger than L1 and is
//! streamed from L2 for each tile, `4 C` bytes per lane and cell against `R C` multiply-adds, while the block's
//! weights are read from memory only once, whatever the number of readouts.
//!
//! # The numeric contract
//!
//! - Products of bfloat16 rows are of readouts rounded to bfloat16, to nearest even, and are exact in float32;
//!   products of float16 rows are of readouts in float32. Sums over d are in float32.
//! - A logit is one chain of operations over d, first to last, on every path of a kernel: of multiply-adds, in the AMX
//!   kernel of steps of 32 weights (`amx/mod.rs` has their order). Its bits do not depend on the batch, the lane, the
//!   block or the thread.
//! - Instructions for products of bfloat16 (`vdpbf16ps`, `tdpbf16ps`) take subnormal numbers for zero.
//! - Sums over the vocabulary are in float32 for one block, in float64 from block to block, and merged in the
//!   order of the rows: they do not depend on the number of threads either.
//! - A readout with a logit that is NaN or infinite is an error, found by its sums: every such logit makes
//!   one of them NaN or infinite. Other readouts are not touched by it.
//! - Kernels differ from each other by the rounding of the sums over d alone.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
mod beside;
mod block;
mod distances;
mod ends;
mod exp;
mod finals;
mod job;
mod kernel;
mod panel;
mod project;
mod simd;
mod stats;
mod sweep;
mod tile;
mod topk;
mod whole;

pub use job::{
    BothEnds, Job, NonFiniteLogits, Post, Projected, ProjectionError, Tracked, Unembedding, VocabRows,
};
pub use kernel::{Kernel, KernelError};
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[doc(hidden)]
pub use simd::grant::{assume_tiles, processor_has_tiles};
