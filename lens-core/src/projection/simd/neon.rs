//! NEON, which every 64-bit ARM has: four lanes, thirty-two registers.
#![allow(unsafe_code)]

use std::arch::aarch64::*;

use half::{bf16, f16};

use super::{Cells, MAX_LANES, Product, Simd, Task, rounded_to_bf16, vector_methods, widening_product};

/// NEON.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Neon(());

impl Neon {
    /// Proof that this machine has the instructions.
    pub(in super::super) fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(()))
    }
}

impl Simd for Neon {
    const LANES: usize = 4;
    const REGISTERS: usize = 32;
    const EXP_FLOOR: f32 = -88.0;
    type V = float32x4_t;
    type M = uint32x4_t;

    #[inline]
    fn run<T: Task<Self>>(self, task: T) {
        // On in every build for this architecture.
        task.run(self);
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::V {
        let from = &from[..4];
        // SAFETY: four values lie at `from`, and `self` is the proof of the instructions.
        unsafe { vld1q_f32(from.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, value: Self::V, to: &mut [f32]) {
        let to = &mut to[..4];
        // SAFETY: there is room for four values at `to`, and `self` is the proof of the instructions.
        unsafe { vst1q_f32(to.as_mut_ptr(), value) }
    }

    vector_methods! {
        fn splat(self, value: f32) -> Self::V { vdupq_n_f32(value) }
        fn add(self, a: Self::V, b: Self::V) -> Self::V { vaddq_f32(a, b) }
        fn sub(self, a: Self::V, b: Self::V) -> Self::V { vsubq_f32(a, b) }
        fn mul(self, a: Self::V, b: Self::V) -> Self::V { vmulq_f32(a, b) }
        fn div(self, a: Self::V, b: Self::V) -> Self::V { vdivq_f32(a, b) }
        fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V { vfmaq_f32(c, a, b) }
        // `fmax` would let a NaN in `a` win.
        fn max(self, a: Self::V, b: Self::V) -> Self::V { vbslq_f32(vcgtq_f32(a, b), a, b) }
        fn greater(self, a: Self::V, b: Self::V) -> Self::M { vcgtq_f32(a, b) }
        fn select(self, mask: Self::M, yes: Self::V, no: Self::V) -> Self::V { vbslq_f32(mask, yes, no) }
        fn bits(self, mask: Self::M) -> u32 {
            let weights: [u32; 4] = [1, 2, 4, 8];
            vaddvq_u32(vandq_u32(mask, vld1q_u32(weights.as_ptr())))
        }
        fn round(self, value: Self::V) -> Self::V { vrndnq_f32(value) }
        fn scale(self, value: Self::V, exponent: Self::V) -> Self::V {
            let biased = vaddq_s32(vcvtq_s32_f32(exponent), vdupq_n_s32(127));
            vmulq_f32(value, vreinterpretq_f32_s32(vshlq_n_s32::<23>(biased)))
        }
        fn transpose(self, square: &mut [Self::V; MAX_LANES]) {
            let [a, b, c, d] = [square[0], square[1], square[2], square[3]];
            let (even0, odd0) = (vtrn1q_f32(a, b), vtrn2q_f32(a, b));
            let (even1, odd1) = (vtrn1q_f32(c, d), vtrn2q_f32(c, d));
            let pair = |x, y| (vreinterpretq_f64_f32(x), vreinterpretq_f64_f32(y));
            let ((e0, e1), (o0, o1)) = (pair(even0, even1), pair(odd0, odd1));
            square[0] = vreinterpretq_f32_f64(vtrn1q_f64(e0, e1));
            square[1] = vreinterpretq_f32_f64(vtrn1q_f64(o0, o1));
            square[2] = vreinterpretq_f32_f64(vtrn2q_f64(e0, e1));
            square[3] = vreinterpretq_f32_f64(vtrn2q_f64(o0, o1));
        }
    }
    #[inline(always)]
    fn prefetch(self, _at: *const u8) {}
}

widening_product!(
    Neon, f32, cell: |x| x,
    weights: |at| vdupq_n_f32(*at),
    row: |start| vld1q_f32(start),
);
widening_product!(
    Neon, bf16, cell: rounded_to_bf16,
    weights: |at| vreinterpretq_f32_u32(vshlq_n_u32::<16>(vdupq_n_u32(u32::from((*at).to_bits())))),
    row: |start| vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(start.cast()))),
);
widening_product!(
    Neon, f16, cell: |x| x,
    weights: |at| vdupq_n_f32((*at).to_f32()),
    row: |start| {
        let row = (*start.cast::<[f16; 4]>()).map(f16::to_f32);
        vld1q_f32(row.as_ptr())
    },
);
