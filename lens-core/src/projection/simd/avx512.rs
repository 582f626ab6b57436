//! AVX-512 without its bfloat16 extension: sixteen lanes, thirty-two registers.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use half::{bf16, f16};

use super::{
    Cells, MAX_LANES, Product, Simd, Task, rounded_to_bf16, run_with_features, vector_methods,
    widening_product,
};

/// AVX-512 F, BW, DQ and VL, with AVX2, FMA and F16C.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Avx512(());

impl Avx512 {
    /// Proof that this machine has the instructions.
    pub(in super::super) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        has.then_some(Self(()))
    }
}

/// The vectors of AVX-512, for a type whose instructions include it.
macro_rules! avx512_vectors {
    ($features:literal) => {
        const LANES: usize = 16;
        const REGISTERS: usize = 32;
        const EXP_FLOOR: f32 = -110.0;
        type V = __m512;
        type M = __mmask16;

        run_with_features!($features);

        #[inline(always)]
        fn load(self, from: &[f32]) -> Self::V {
            let from = &from[..16];
            // SAFETY: sixteen values lie at `from`, and `self` is the proof of the instructions.
            unsafe { _mm512_loadu_ps(from.as_ptr()) }
        }
        #[inline(always)]
        fn store(self, value: Self::V, to: &mut [f32]) {
            let to = &mut to[..16];
            // SAFETY: there is room for sixteen values at `to`, and `self` is the proof of the instructions.
            unsafe { _mm512_storeu_ps(to.as_mut_ptr(), value) }
        }

        vector_methods! {
            fn splat(self, value: f32) -> Self::V { _mm512_set1_ps(value) }
            fn add(self, a: Self::V, b: Self::V) -> Self::V { _mm512_add_ps(a, b) }
            fn sub(self, a: Self::V, b: Self::V) -> Self::V { _mm512_sub_ps(a, b) }
            fn mul(self, a: Self::V, b: Self::V) -> Self::V { _mm512_mul_ps(a, b) }
            fn div(self, a: Self::V, b: Self::V) -> Self::V { _mm512_div_ps(a, b) }
            fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V { _mm512_fmadd_ps(a, b, c) }
            fn max(self, a: Self::V, b: Self::V) -> Self::V { _mm512_max_ps(a, b) }
            fn greater(self, a: Self::V, b: Self::V) -> Self::M { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b) }
            fn select(self, mask: Self::M, yes: Self::V, no: Self::V) -> Self::V {
                _mm512_mask_mov_ps(no, mask, yes)
            }
            fn bits(self, mask: Self::M) -> u32 { u32::from(mask) }
            fn round(self, value: Self::V) -> Self::V {
                _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(value)
            }
            fn scale(self, value: Self::V, exponent: Self::V) -> Self::V { _mm512_scalef_ps(value, exponent) }
            fn transpose(self, square: &mut [Self::V; MAX_LANES]) { $crate::projection::simd::avx512::transpose(square) }
            fn prefetch(self, at: *const u8) { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
        }
    };
}
pub(super) use avx512_vectors;

impl Simd for Avx512 {
    avx512_vectors!("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c");
}

/// Transposes sixteen vectors: pairs of lanes, then quarters of vectors.
///
/// # Safety
/// The machine has AVX-512 F.
#[inline(always)]
pub(super) unsafe fn transpose(square: &mut [__m512; 16]) {
    // SAFETY: the caller grants AVX-512 F.
    unsafe {
        // quarters[c][g], quarter q: column 4q + c of rows 4g .. 4g + 4.
        let mut quarters = [[_mm512_setzero_ps(); 4]; 4];
        for g in 0..4 {
            let low0 = _mm512_castps_pd(_mm512_unpacklo_ps(square[4 * g], square[4 * g + 1]));
            let high0 = _mm512_castps_pd(_mm512_unpackhi_ps(square[4 * g], square[4 * g + 1]));
            let low1 = _mm512_castps_pd(_mm512_unpacklo_ps(square[4 * g + 2], square[4 * g + 3]));
            let high1 = _mm512_castps_pd(_mm512_unpackhi_ps(square[4 * g + 2], square[4 * g + 3]));
            quarters[0][g] = _mm512_castpd_ps(_mm512_unpacklo_pd(low0, low1));
            quarters[1][g] = _mm512_castpd_ps(_mm512_unpackhi_pd(low0, low1));
            quarters[2][g] = _mm512_castpd_ps(_mm512_unpacklo_pd(high0, high1));
            quarters[3][g] = _mm512_castpd_ps(_mm512_unpackhi_pd(high0, high1));
        }
        for c in 0..4 {
            let [a, b, p, q] = quarters[c];
            let (even0, even1) = (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0x88>(p, q));
            let (odd0, odd1) = (_mm512_shuffle_f32x4::<0xdd>(a, b), _mm512_shuffle_f32x4::<0xdd>(p, q));
            square[c] = _mm512_shuffle_f32x4::<0x88>(even0, even1);
            square[4 + c] = _mm512_shuffle_f32x4::<0x88>(odd0, odd1);
            square[8 + c] = _mm512_shuffle_f32x4::<0xdd>(even0, even1);
            square[12 + c] = _mm512_shuffle_f32x4::<0xdd>(odd0, odd1);
        }
    }
}

widening_product!(
    Avx512, f32, cell: |x| x,
    weights: |at| _mm512_set1_ps(*at),
    row: |start| _mm512_loadu_ps(start),
);
widening_product!(
    Avx512, bf16, cell: rounded_to_bf16,
    // The weight in both halves of a lane; the shift leaves it in the upper one, which is its float32.
    weights: |at| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_set1_epi16((*at).to_bits() as i16))),
    row: |start| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(
        _mm512_cvtepu16_epi32(_mm256_loadu_si256(start.cast()))
    )),
);
widening_product!(
    Avx512, f16, cell: |x| x,
    weights: |at| _mm512_cvtph_ps(_mm256_set1_epi16((*at).to_bits() as i16)),
    row: |start| _mm512_cvtph_ps(_mm256_loadu_si256(start.cast())),
);
