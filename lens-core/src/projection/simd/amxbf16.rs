//! AMX with `tdpbf16ps` for the product, and the vectors of another instruction set for all else.

use half::bf16;

use super::avx512::Avx512;
use super::grant::tiles_are_granted;
use super::plain::Lanes;
use super::{Cells, MAX_LANES, Simd, Task, pair_of_bf16};

/// AMX-TILE, AMX-BF16, and vectors of sixteen lanes.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct AmxBf16<V>(V);

impl AmxBf16<Avx512> {
    /// Proof that this machine has the instructions and that this process may use them. Every processor with AMX has
    /// AVX-512 as well.
    pub(in super::super) fn detect() -> Option<Self> {
        Avx512::detect().filter(|_| tiles_are_granted()).map(Self)
    }
}

impl AmxBf16<Lanes<16>> {
    /// The same without AVX-512: where a virtual machine hides it, or the tiles are emulated.
    pub(in super::super) fn detect_without_avx512() -> Option<Self> {
        tiles_are_granted().then_some(Self(Lanes))
    }
}

/// A task for tiles and vectors as one for the vectors, which are what has to be switched on.
struct OfVectors<T>(T);

impl<V: Simd, T: Task<AmxBf16<V>>> Task<V> for OfVectors<T> {
    #[inline(always)]
    fn run(self, vectors: V) {
        self.0.run(AmxBf16(vectors));
    }
}

/// Passes methods on to the vectors.
macro_rules! of_vectors {
    ($(fn $name:ident(self $(, $arg:ident: $ty:ty)*) $(-> $ret:ty)?;)*) => {$(
        #[inline(always)]
        fn $name(self $(, $arg: $ty)*) $(-> $ret)? {
            self.0.$name($($arg),*)
        }
    )*};
}

impl<V: Simd> Simd for AmxBf16<V> {
    const LANES: usize = V::LANES;
    const REGISTERS: usize = V::REGISTERS;
    const EXP_FLOOR: f32 = V::EXP_FLOOR;
    type V = V::V;
    type M = V::M;

    #[inline]
    fn run<T: Task<Self>>(self, task: T) {
        self.0.run(OfVectors(task));
    }

    of_vectors! {
        fn splat(self, value: f32) -> Self::V;
        fn load(self, from: &[f32]) -> Self::V;
        fn store(self, value: Self::V, to: &mut [f32]);
        fn add(self, a: Self::V, b: Self::V) -> Self::V;
        fn sub(self, a: Self::V, b: Self::V) -> Self::V;
        fn mul(self, a: Self::V, b: Self::V) -> Self::V;
        fn div(self, a: Self::V, b: Self::V) -> Self::V;
        fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
        fn max(self, a: Self::V, b: Self::V) -> Self::V;
        fn greater(self, a: Self::V, b: Self::V) -> Self::M;
        fn select(self, mask: Self::M, yes: Self::V, no: Self::V) -> Self::V;
        fn bits(self, mask: Self::M) -> u32;
        fn round(self, value: Self::V) -> Self::V;
        fn scale(self, value: Self::V, exponent: Self::V) -> Self::V;
        fn transpose(self, square: &mut [Self::V; MAX_LANES]);
        fn prefetch(self, at: *const u8);
    }
}

/// A panel is at most two columns, `[cells][columns][16]`: sixteen cells of a column are a tile as it is, and what is read
/// of a panel at a time lies in one piece.
impl<V: Simd> Cells<bf16> for AmxBf16<V> {
    const STEP: usize = 2;
    const CELLS: usize = 16;
    const WIDEST: usize = 2;
    const FEW: usize = 0;

    #[inline(always)]
    fn cell(values: &[f32]) -> u32 {
        pair_of_bf16(values)
    }
}
