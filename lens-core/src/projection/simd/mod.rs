//! The vectors of each instruction set under one small trait, so that everything above is written once.
//!
//! A value of a type that implements [`Simd`] is a proof that this machine has its instructions: the only
//! way to one is `detect()`. That is what makes the methods safe to call. They are meant to be inlined into
//! [`Simd::run`], the one place where the instructions are switched on for the compiler.
#![allow(unsafe_code)]

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(super) mod amxbf16;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512bf16;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(super) mod grant;
#[cfg(target_arch = "aarch64")]
pub(super) mod neon;
pub(super) mod plain;

/// Lanes of the widest vector.
pub(super) const MAX_LANES: usize = 16;

/// Readouts up to which rows are turned into lanes instead of readouts; up to three times as many where 32 registers hold
/// a square of rows and their sums.
pub(super) const FEW: usize = 4;

/// A piece of work that is compiled once per instruction set.
pub(super) trait Task<S> {
    /// Does the work. Implementations are `#[inline(always)]`, or the instructions are not used.
    fn run(self, simd: S);
}

/// A vector of `LANES` float32 and what can be done with it.
pub(super) trait Simd: Copy + Send + Sync {
    /// Readouts side by side in one vector.
    const LANES: usize;
    /// Vector registers of the instruction set, which decide the shape of a tile.
    const REGISTERS: usize;
    /// Arguments of `exp` are raised to this; `scale` turns what comes of it into exactly 0.
    const EXP_FLOOR: f32;
    /// A vector.
    type V: Copy;
    /// The outcome of a comparison.
    type M: Copy;

    /// Runs `task` with the instructions of this set switched on.
    fn run<T: Task<Self>>(self, task: T);

    fn splat(self, value: f32) -> Self::V;
    /// The first `LANES` values of `from`.
    fn load(self, from: &[f32]) -> Self::V;
    /// Writes to the first `LANES` values of `to`.
    fn store(self, value: Self::V, to: &mut [f32]);
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, fused where the instruction set can.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger of the two, and `b` where either is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    fn greater(self, a: Self::V, b: Self::V) -> Self::M;
    /// `yes` where the mask is set, else `no`.
    fn select(self, mask: Self::M, yes: Self::V, no: Self::V) -> Self::V;
    /// Bit i is lane i of the mask.
    fn bits(self, mask: Self::M) -> u32;
    /// The nearest whole number, ties to even; for values below 2^22.
    fn round(self, value: Self::V) -> Self::V;
    /// `value * 2^exponent` for whole exponents of at most 127, and 0 for that of `EXP_FLOOR`.
    fn scale(self, value: Self::V, exponent: Self::V) -> Self::V;
    /// Turns the square of the first `LANES` vectors: lane i of vector j becomes lane j of vector i.
    fn transpose(self, square: &mut [Self::V; MAX_LANES]);
    /// Asks for the cache line at `at`, which need not be a valid address: into L2, which has more requests
    /// under way at a time than L1 and makes a single readout a third faster.
    fn prefetch(self, at: *const u8);

    #[inline(always)]
    fn neg_abs(self, value: Self::V) -> Self::V {
        let negative = self.sub(self.splat(0.0), value);
        self.select(self.greater(value, negative), negative, value)
    }
}

/// How readouts are packed for products with rows of `W`. A cell is the 32 bits that one lane takes in one step: a
/// readout's value as float32, or two of its values as bfloat16.
pub(super) trait Cells<W>: Simd {
    /// Weights, and values of a readout, in one cell.
    const STEP: usize;
    /// The cells of a readout are padded with zeros to a multiple of this.
    const CELLS: usize = 1;
    /// Columns of the widest panel.
    const WIDEST: usize = if Self::REGISTERS >= 32 { 4 } else { 2 };
    /// Readouts that are better off in a panel of their own than in the last column of another.
    const FEW: usize = if Self::REGISTERS >= 32 { 2 * FEW } else { FEW };
    /// The cell of `values`, which are `STEP` or, at the end of an odd row, fewer.
    fn cell(values: &[f32]) -> u32;
}

/// How an instruction set multiplies rows of `W` with readouts, cell by cell.
pub(super) trait Product<W>: Cells<W> {
    /// The next `STEP` weights in every lane.
    ///
    /// # Safety
    /// `STEP` weights can be read at `from`.
    unsafe fn weights(self, from: *const W) -> Self::V;
    /// The last weight of a row whose length is not a multiple of `STEP`, in every lane.
    ///
    /// # Safety
    /// One weight can be read at `from`.
    unsafe fn last_weight(self, from: *const W) -> Self::V;
    /// The next `LANES` cells of one row, one in each lane.
    ///
    /// # Safety
    /// `LANES * STEP` weights can be read at `from`.
    unsafe fn row(self, from: *const W) -> Self::V;
    /// `sum + weights * readouts`, in the same order of operations in every lane.
    fn multiply(self, weights: Self::V, readouts: Self::V, sum: Self::V) -> Self::V;
}

/// Defines methods of `Simd` as single expressions of intrinsics.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! vector_methods {
    ($(fn $name:ident(self $(, $arg:ident: $ty:ty)*) $(-> $ret:ty)? $body:block)*) => {$(
        #[inline(always)]
        #[allow(unused_unsafe)]
        fn $name(self $(, $arg: $ty)*) $(-> $ret)? {
            // SAFETY: `self` is the proof that the machine has the instructions.
            unsafe { $body }
        }
    )*};
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use vector_methods;

/// Implements `Product` for weights that are widened to float32, one in a cell.
macro_rules! widening_product {
    (
        $simd:ty, $weight:ty, cell: $cell:expr,
        weights: |$at:ident| $weights:expr,
        row: |$start:ident| $row:expr $(,)?
    ) => {
        impl Cells<$weight> for $simd {
            const STEP: usize = 1;
            #[inline(always)]
            fn cell(values: &[f32]) -> u32 {
                let cell: fn(f32) -> f32 = $cell;
                cell(values[0]).to_bits()
            }
        }
        impl Product<$weight> for $simd {
            #[inline(always)]
            unsafe fn weights(self, $at: *const $weight) -> Self::V {
                // SAFETY: the caller grants one weight, and `self` the instructions.
                unsafe { $weights }
            }
            #[inline(always)]
            unsafe fn last_weight(self, from: *const $weight) -> Self::V {
                // SAFETY: the caller grants one weight.
                unsafe { self.weights(from) }
            }
            #[inline(always)]
            unsafe fn row(self, $start: *const $weight) -> Self::V {
                // SAFETY: the caller grants `LANES` weights, and `self` the instructions.
                unsafe { $row }
            }
            #[inline(always)]
            fn multiply(self, weights: Self::V, readouts: Self::V, sum: Self::V) -> Self::V {
                self.mul_add(weights, readouts, sum)
            }
        }
    };
}
pub(super) use widening_product;

/// Two values as bfloat16, rounded to nearest even, the first in the lower half; a missing second one is zero.
#[cfg(target_arch = "x86_64")]
pub(super) fn pair_of_bf16(values: &[f32]) -> u32 {
    let bits = |value: f32| u32::from(half::bf16::from_f32(value).to_bits());
    bits(values[0]) | values.get(1).map_or(0, |&value| bits(value) << 16)
}

/// Rounds to bfloat16, to nearest even, and widens again.
pub(super) fn rounded_to_bf16(value: f32) -> f32 {
    half::bf16::from_f32(value).to_f32()
}

/// Defines `run`, which switches the instructions on.
#[cfg(target_arch = "x86_64")]
macro_rules! run_with_features {
    ($features:literal) => {
        #[inline]
        fn run<T: Task<Self>>(self, task: T) {
            #[target_feature(enable = $features)]
            fn switched_on<S: Simd, T: Task<S>>(simd: S, task: T) {
                task.run(simd);
            }
            // SAFETY: `self` is the proof that the machine has the instructions.
            unsafe { switched_on(self, task) }
        }
    };
}
#[cfg(target_arch = "x86_64")]
pub(super) use run_with_features;
