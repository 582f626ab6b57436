//! AVX2 with FMA and F16C: eight lanes, sixteen registers.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use half::{bf16, f16};

use super::{
    Cells, MAX_LANES, Product, Simd, Task, rounded_to_bf16, run_with_features, vector_methods,
    widening_product,
};

/// AVX2, FMA and F16C.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Avx2(());

impl Avx2 {
    /// Proof that this machine has the instructions.
    pub(in super::super) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        has.then_some(Self(()))
    }
}

impl Simd for Avx2 {
    const LANES: usize = 8;
    const REGISTERS: usize = 16;
    const EXP_FLOOR: f32 = -88.0;
    type V = __m256;
    type M = __m256;

    run_with_features!("avx2,fma,f16c");

    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::V {
        let from = &from[..8];
        // SAFETY: eight values lie at `from`, and `self` is the proof of the instructions.
        unsafe { _mm256_loadu_ps(from.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, value: Self::V, to: &mut [f32]) {
        let to = &mut to[..8];
        // SAFETY: there is room for eight values at `to`, and `self` is the proof of the instructions.
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), value) }
    }

    vector_methods! {
        fn splat(self, value: f32) -> Self::V { _mm256_set1_ps(value) }
        fn add(self, a: Self::V, b: Self::V) -> Self::V { _mm256_add_ps(a, b) }
        fn sub(self, a: Self::V, b: Self::V) -> Self::V { _mm256_sub_ps(a, b) }
        fn mul(self, a: Self::V, b: Self::V) -> Self::V { _mm256_mul_ps(a, b) }
        fn div(self, a: Self::V, b: Self::V) -> Self::V { _mm256_div_ps(a, b) }
        fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V { _mm256_fmadd_ps(a, b, c) }
        fn max(self, a: Self::V, b: Self::V) -> Self::V { _mm256_max_ps(a, b) }
        fn greater(self, a: Self::V, b: Self::V) -> Self::M { _mm256_cmp_ps::<_CMP_GT_OQ>(a, b) }
        fn select(self, mask: Self::M, yes: Self::V, no: Self::V) -> Self::V {
            _mm256_blendv_ps(no, yes, mask)
        }
        fn bits(self, mask: Self::M) -> u32 { _mm256_movemask_ps(mask) as u32 }
        fn round(self, value: Self::V) -> Self::V {
            _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(value)
        }
        fn scale(self, value: Self::V, exponent: Self::V) -> Self::V {
            let biased = _mm256_add_epi32(_mm256_cvtps_epi32(exponent), _mm256_set1_epi32(127));
            _mm256_mul_ps(value, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased)))
        }
        fn transpose(self, square: &mut [Self::V; MAX_LANES]) {
            // halves[c][g], half h: column 4h + c of rows 4g .. 4g + 4.
            let mut halves = [[_mm256_setzero_ps(); 2]; 4];
            for g in 0..2 {
                let low0 = _mm256_castps_pd(_mm256_unpacklo_ps(square[4 * g], square[4 * g + 1]));
                let high0 = _mm256_castps_pd(_mm256_unpackhi_ps(square[4 * g], square[4 * g + 1]));
                let low1 = _mm256_castps_pd(_mm256_unpacklo_ps(square[4 * g + 2], square[4 * g + 3]));
                let high1 = _mm256_castps_pd(_mm256_unpackhi_ps(square[4 * g + 2], square[4 * g + 3]));
                halves[0][g] = _mm256_castpd_ps(_mm256_unpacklo_pd(low0, low1));
                halves[1][g] = _mm256_castpd_ps(_mm256_unpackhi_pd(low0, low1));
                halves[2][g] = _mm256_castpd_ps(_mm256_unpacklo_pd(high0, high1));
                halves[3][g] = _mm256_castpd_ps(_mm256_unpackhi_pd(high0, high1));
            }
            for c in 0..4 {
                let [a, b] = halves[c];
                square[c] = _mm256_permute2f128_ps::<0x20>(a, b);
                square[4 + c] = _mm256_permute2f128_ps::<0x31>(a, b);
            }
        }
        fn prefetch(self, at: *const u8) { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }
}

widening_product!(
    Avx2, f32, cell: |x| x,
    weights: |at| _mm256_set1_ps(*at),
    row: |start| _mm256_loadu_ps(start),
);
widening_product!(
    Avx2, bf16, cell: rounded_to_bf16,
    // The weight in both halves of a lane; the shift leaves it in the upper one, which is its float32.
    weights: |at| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_set1_epi16((*at).to_bits() as i16))),
    row: |start| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(
        _mm256_cvtepu16_epi32(_mm_loadu_si128(start.cast()))
    )),
);
widening_product!(
    Avx2, f16, cell: |x| x,
    weights: |at| _mm256_cvtph_ps(_mm_set1_epi16((*at).to_bits() as i16)),
    row: |start| _mm256_cvtph_ps(_mm_loadu_si128(start.cast())),
);
