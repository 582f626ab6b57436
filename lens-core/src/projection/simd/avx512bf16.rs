//! AVX-512 with `vdpbf16ps`, which multiplies two bfloat16 of a row with two of a readout in every lane.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use half::bf16;

use super::avx512::{Avx512, avx512_vectors};
use super::{Cells, MAX_LANES, Product, Simd, Task, pair_of_bf16, run_with_features, vector_methods};

/// [`Avx512`] and AVX-512 BF16.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Avx512Bf16(());

impl Avx512Bf16 {
    /// Proof that this machine has the instructions.
    pub(in super::super) fn detect() -> Option<Self> {
        (Avx512::detect().is_some() && is_x86_feature_detected!("avx512bf16")).then_some(Self(()))
    }
}

impl Simd for Avx512Bf16 {
    avx512_vectors!("avx512bf16,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c");
}

impl Cells<bf16> for Avx512Bf16 {
    const STEP: usize = 2;

    #[inline(always)]
    fn cell(values: &[f32]) -> u32 {
        pair_of_bf16(values)
    }
}

impl Product<bf16> for Avx512Bf16 {
    #[inline(always)]
    unsafe fn weights(self, from: *const bf16) -> Self::V {
        // SAFETY: the caller grants two weights, which are 32 bits; `self` grants the instructions.
        unsafe { _mm512_castsi512_ps(_mm512_set1_epi32(from.cast::<i32>().read_unaligned())) }
    }
    #[inline(always)]
    unsafe fn last_weight(self, from: *const bf16) -> Self::V {
        // SAFETY: the caller grants one weight; `self` grants the instructions.
        unsafe { _mm512_castsi512_ps(_mm512_set1_epi32(i32::from((*from).to_bits()))) }
    }
    #[inline(always)]
    unsafe fn row(self, from: *const bf16) -> Self::V {
        // SAFETY: the caller grants 32 weights; `self` grants the instructions.
        unsafe { _mm512_loadu_ps(from.cast()) }
    }
    #[inline(always)]
    fn multiply(self, weights: Self::V, readouts: Self::V, sum: Self::V) -> Self::V {
        // SAFETY: `self` grants the instructions; all three types are 512 bits without invalid values.
        unsafe {
            use std::mem::transmute;
            _mm512_dpbf16_ps(
                sum,
                transmute::<__m512, __m512bh>(weights),
                transmute::<__m512, __m512bh>(readouts),
            )
        }
    }
}
