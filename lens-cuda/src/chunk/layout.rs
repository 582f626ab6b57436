//! Where in one buffer the kernels write what.

use std::ops::Range;

use crate::kernel::{Apart, Key, Sums, Tracked, Written};

/// Sizes of a chunk's answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) readouts: usize,
    pub(super) k: usize,
    pub(super) n_tracked: usize,
    pub(super) distances: bool,
}

/// Places in bytes, one after the other; every record is a multiple of eight bytes long.
impl Layout {
    pub(super) fn sums(&self) -> Range<usize> {
        0..self.readouts * Sums::BYTES
    }

    pub(super) fn top(&self) -> Range<usize> {
        after(&self.sums(), self.readouts * self.k * Key::BYTES)
    }

    pub(super) fn tracked(&self) -> Range<usize> {
        after(&self.top(), self.readouts * self.n_tracked * Tracked::BYTES)
    }

    pub(super) fn apart(&self) -> Range<usize> {
        let apart = if self.distances { self.readouts * Apart::BYTES } else { 0 };
        after(&self.tracked(), apart)
    }

    pub(super) fn bytes(&self) -> usize {
        self.apart().end
    }
}

fn after(before: &Range<usize>, bytes: usize) -> Range<usize> {
    before.end..before.end + bytes
}
