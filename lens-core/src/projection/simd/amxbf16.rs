//! AMX with `tdpbf16ps` for the product, and AVX-512, which every processor with AMX has, for all else.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use half::bf16;

use super::avx512::{Avx512, avx512_vectors};
use super::grant::tiles_are_granted;
use super::{Cells, MAX_LANES, Simd, Task, pair_of_bf16, run_with_features, vector_methods};

/// [`Avx512`], AMX-TILE and AMX-BF16.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct AmxBf16(());

impl AmxBf16 {
    /// Proof that this machine has the instructions and that this process may use them.
    pub(in super::super) fn detect() -> Option<Self> {
        (Avx512::detect().is_some() && tiles_are_granted()).then_some(Self(()))
    }
}

impl Simd for AmxBf16 {
    avx512_vectors!("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c");
}

/// A panel is at most two columns, `[cells][columns][16]`: sixteen cells of a column are a tile as it is, and what is read
/// of a panel at a time lies in one piece.
impl Cells<bf16> for AmxBf16 {
    const STEP: usize = 2;
    const CELLS: usize = 16;
    const WIDEST: usize = 2;
    const FEW: usize = 0;

    #[inline(always)]
    fn cell(values: &[f32]) -> u32 {
        pair_of_bf16(values)
    }
}
