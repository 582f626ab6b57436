//! Plain Rust: no instruction set in particular, and the reference for the others.
#![allow(unsafe_code)]

use half::{bf16, f16};

use super::{Cells, MAX_LANES, Product, Simd, Task, rounded_to_bf16, widening_product};

/// `N` lanes, at most sixteen, of whatever the compiler makes of them.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Lanes<const N: usize>;

/// The kernel of this name: as many lanes as the narrowest vectors have.
pub(in super::super) type Plain = Lanes<4>;

#[inline(always)]
fn map2<R: Copy + Default, const N: usize>(a: [f32; N], b: [f32; N], f: impl Fn(f32, f32) -> R) -> [R; N] {
    let mut out = [R::default(); N];
    for i in 0..N {
        out[i] = f(a[i], b[i]);
    }
    out
}

impl<const N: usize> Simd for Lanes<N> {
    const LANES: usize = N;
    const REGISTERS: usize = 16;
    const EXP_FLOOR: f32 = -88.0;
    type V = [f32; N];
    type M = [bool; N];

    #[inline]
    fn run<T: Task<Self>>(self, task: T) {
        task.run(self);
    }
    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        [value; N]
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::V {
        std::array::from_fn(|i| from[i])
    }
    #[inline(always)]
    fn store(self, value: Self::V, to: &mut [f32]) {
        to[..N].copy_from_slice(&value);
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        map2(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        map2(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        map2(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        map2(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        self.add(self.mul(a, b), c)
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        map2(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn greater(self, a: Self::V, b: Self::V) -> Self::M {
        map2(a, b, |a, b| a > b)
    }
    #[inline(always)]
    fn select(self, mask: Self::M, yes: Self::V, no: Self::V) -> Self::V {
        let mut out = no;
        for i in 0..N {
            out[i] = if mask[i] { yes[i] } else { no[i] };
        }
        out
    }
    #[inline(always)]
    fn bits(self, mask: Self::M) -> u32 {
        (0..N).map(|i| u32::from(mask[i]) << i).sum()
    }
    #[inline(always)]
    fn round(self, value: Self::V) -> Self::V {
        // Below 2^22, adding 1.5 * 2^23 leaves no room for a fraction.
        let shift = self.splat(12_582_912.0);
        self.sub(self.add(value, shift), shift)
    }
    #[inline(always)]
    fn scale(self, value: Self::V, exponent: Self::V) -> Self::V {
        map2(value, exponent, |value, exponent| {
            // An exponent that is NaN comes with a value that is NaN, and may become anything.
            value * f32::from_bits(((exponent as i32).wrapping_add(127) as u32) << 23)
        })
    }
    #[inline(always)]
    fn transpose(self, square: &mut [Self::V; MAX_LANES]) {
        let from = *square;
        for (i, row) in square.iter_mut().take(N).enumerate() {
            *row = std::array::from_fn(|j| from[j][i]);
        }
    }
    #[inline(always)]
    fn prefetch(self, _at: *const u8) {}
}

widening_product!(
    Plain, f32, cell: |x| x,
    weights: |at| Lanes::<4>.splat(*at),
    row: |start| *start.cast::<[f32; 4]>(),
);
widening_product!(
    Plain, bf16, cell: rounded_to_bf16,
    weights: |at| Lanes::<4>.splat((*at).to_f32()),
    row: |start| (*start.cast::<[bf16; 4]>()).map(bf16::to_f32),
);
widening_product!(
    Plain, f16, cell: |x| x,
    weights: |at| Lanes::<4>.splat((*at).to_f32()),
    row: |start| (*start.cast::<[f16; 4]>()).map(f16::to_f32),
);
