//! What the kernels are called with and what they write, as they see it.

use std::{ffi::c_void, ptr};

/// A kernel of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// The pass over the logits of a readout.
    Sweep,
    /// The k largest logits of a readout; after [`Sweep`](Self::Sweep).
    Best,
    /// The distances of a readout to its row's final one; after [`Sweep`](Self::Sweep) of both.
    Apart,
    /// The norm before the unembedding.
    Norms,
}

impl Kernel {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sweep, Self::Best, Self::Apart, Self::Norms];

    /// Threads of each of its blocks.
    pub const THREADS: u32 = 256;

    /// Its name in the source.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sweep => "sweep",
            Self::Best => "best",
            Self::Apart => "apart",
            Self::Norms => "norms",
        }
    }
}

/// Logits of a block, whose maximum is kept.
pub(crate) const BLOCK: usize = 512;

/// A token that stands for the top-1 of the row's final readout.
pub(crate) const FINAL_TOP: i32 = -1;

/// A kernel with its argument. Only this crate makes one.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Call<'a> {
    /// [`Kernel::Sweep`].
    Sweep(&'a Args),
    /// [`Kernel::Best`].
    Best(&'a Args),
    /// [`Kernel::Apart`].
    Apart(&'a Args),
    /// [`Kernel::Norms`].
    Norms(&'a NormArgs),
}

impl Call<'_> {
    /// The kernel.
    pub fn kernel(&self) -> Kernel {
        match self {
            Self::Sweep(_) => Kernel::Sweep,
            Self::Best(_) => Kernel::Best,
            Self::Apart(_) => Kernel::Apart,
            Self::Norms(_) => Kernel::Norms,
        }
    }

    /// Where its argument is, which the kernel takes by value.
    pub(crate) fn argument(&self) -> *const c_void {
        match self {
            Self::Sweep(args) | Self::Best(args) | Self::Apart(args) => ptr::from_ref(*args).cast(),
            Self::Norms(args) => ptr::from_ref(*args).cast(),
        }
    }
}

/// The argument of the kernels over logits: addresses in the machine's memory, and sizes.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Args {
    pub(crate) logits: u64,
    pub(crate) bias: u64,
    pub(crate) tokens: u64,
    pub(crate) maxima: u64,
    pub(crate) sums: u64,
    pub(crate) tracked: u64,
    pub(crate) top: u64,
    pub(crate) apart: u64,
    pub(crate) n_vocab: u32,
    pub(crate) n_blocks: u32,
    pub(crate) width: u32,
    pub(crate) n_tracked: u32,
    pub(crate) k: u32,
    pub(crate) finals: u32,
    pub(crate) scale: f32,
    pub(crate) cap: f32,
}

/// The argument of the kernel that norms vectors.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct NormArgs {
    pub(crate) x: u64,
    pub(crate) weight: u64,
    pub(crate) bias: u64,
    pub(crate) out: u64,
    pub(crate) facts: u64,
    pub(crate) eps: f64,
    pub(crate) width: u32,
    pub(crate) d: u32,
    pub(crate) kind: u32,
    pub(crate) mode: u32,
    pub(crate) narrow_x: u32,
    pub(crate) narrow_out: u32,
}

/// Something that a kernel writes: whole numbers and floating-point numbers that have no padding.
pub(crate) trait Written: Sized {
    /// Its bytes.
    const BYTES: usize = size_of::<Self>();

    /// Reads it from as many bytes.
    fn from_bytes(bytes: &[u8]) -> Self;
}

/// Eight bytes of a record, of which there are `i` before.
fn word(bytes: &[u8], i: usize) -> [u8; 8] {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[8 * i..8 * i + 8]);
    word
}

/// What the sweep keeps of a readout: its largest logit, and sums relative to it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub(crate) struct Sums {
    pub(crate) max: f64,
    pub(crate) weights: f64,
    pub(crate) first: f64,
    pub(crate) second: f64,
    pub(crate) towards: f64,
}

impl Written for Sums {
    fn from_bytes(bytes: &[u8]) -> Self {
        let [max, weights, first, second, towards] =
            std::array::from_fn(|i| f64::from_ne_bytes(word(bytes, i)));
        Self { max, weights, first, second, towards }
    }
}

/// The logit of a token, and how many are larger.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub(crate) struct Tracked {
    pub(crate) logit: f32,
    pub(crate) larger: u32,
}

impl Written for Tracked {
    fn from_bytes(bytes: &[u8]) -> Self {
        let [a, b, c, d, e, f, g, h] = word(bytes, 0);
        Self { logit: f32::from_ne_bytes([a, b, c, d]), larger: u32::from_ne_bytes([e, f, g, h]) }
    }
}

/// The distances of a readout to its row's final one.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub(crate) struct Apart {
    pub(crate) variation: f64,
    pub(crate) middle: f64,
}

impl Written for Apart {
    fn from_bytes(bytes: &[u8]) -> Self {
        let [variation, middle] = std::array::from_fn(|i| f64::from_ne_bytes(word(bytes, i)));
        Self { variation, middle }
    }
}

/// The products of a vector with itself and with its row's final residual.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub(crate) struct Facts {
    pub(crate) square: f64,
    pub(crate) dot: f64,
}

impl Written for Facts {
    fn from_bytes(bytes: &[u8]) -> Self {
        let [square, dot] = std::array::from_fn(|i| f64::from_ne_bytes(word(bytes, i)));
        Self { square, dot }
    }
}

/// Records one after the other.
pub(crate) fn records<T: Written>(bytes: &[u8]) -> Vec<T> {
    bytes.chunks_exact(T::BYTES).map(T::from_bytes).collect()
}

/// A logit and its token as one number: larger is better, and no two are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub(crate) struct Key(u64);

impl Key {
    /// The logit.
    pub(crate) fn logit(self) -> f32 {
        let bits = (self.0 >> 32) as u32;
        f32::from_bits(if bits >> 31 == 1 { bits & 0x7fff_ffff } else { !bits })
    }

    /// The token's id.
    pub(crate) fn id(self) -> u32 {
        !(self.0 as u32)
    }
}

impl Written for Key {
    fn from_bytes(bytes: &[u8]) -> Self {
        Self(u64::from_ne_bytes(word(bytes, 0)))
    }
}
