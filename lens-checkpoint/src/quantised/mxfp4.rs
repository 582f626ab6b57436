//! MXFP4 as gpt-oss is published: `{name}_blocks`, bytes of two e2m1 numbers, and `{name}_scales`, a power of two for 32
//! numbers. Stored `[experts, out, in / 32, 16]`, used `[experts, in, out]` (`convert_moe_packed_tensors` of
//! transformers).

use std::ops::Range;

use lens_core::Dtype;
use rayon::prelude::*;

use super::{
    QuantisedError, Setting,
    raw::{RawIndex, Stored, Type, power_of_two},
    small::E2M1,
};
use crate::made::{Files, Made, Make, Part};

/// Bytes of a block.
const BLOCK: usize = 16;

#[derive(Debug)]
struct Mxfp4 {
    blocks: Stored,
    scales: Stored,
    /// Outputs and blocks of inputs of an expert.
    out: usize,
    groups: usize,
}

impl Make for Mxfp4 {
    fn fill(&self, files: Files<'_>, rows: Range<usize>, out: &mut [f32]) -> Result<(), String> {
        let (blocks, scales) = (self.blocks.numbers(files), self.scales.numbers(files));
        let of_expert = self.groups * 2 * BLOCK * self.out;
        for (expert, values) in rows.zip(out.chunks_exact_mut(of_expert)) {
            // 32 inputs of a block are 32 rows of the result.
            values.par_chunks_exact_mut(2 * BLOCK * self.out).enumerate().for_each(|(group, values)| {
                for o in 0..self.out {
                    let block = (expert * self.out + o) * self.groups + group;
                    let scale = power_of_two(scales.byte(block));
                    for (i, byte) in blocks.some(block * BLOCK..(block + 1) * BLOCK).iter().enumerate() {
                        values[2 * i * self.out + o] = E2M1[usize::from(byte & 15)] * scale;
                        values[(2 * i + 1) * self.out + o] = E2M1[usize::from(byte >> 4)] * scale;
                    }
                }
            });
        }
        Ok(())
    }

    fn parts(&self) -> Vec<&Part> {
        vec![&self.blocks.part, &self.scales.part]
    }
}

/// The tensors of a checkpoint that are stored so.
pub(super) fn find(_: &Setting<'_>, raw: &RawIndex, found: &mut super::Found) -> Result<(), QuantisedError> {
    for stem in raw.stems("_blocks") {
        let blocks = raw.need(&format!("{stem}_blocks"))?.typed(&[Type::U8], "U8")?;
        let &[experts, out, groups, BLOCK] = blocks.shape() else {
            let reason =
                format!("should be [experts, out, in / 32, 16], and has the shape {:?}", blocks.shape());
            return Err(QuantisedError::Tensor { name: blocks.part.name, reason });
        };
        let scales = raw.need(&format!("{stem}_scales"))?.typed(&[Type::U8, Type::E8m0], "U8")?;
        let scales = scales.shaped(&[experts, out, groups])?;
        let made = Made::new(stem, [experts, groups * 2 * BLOCK, out], Mxfp4 { blocks, scales, out, groups });
        found.push(made, Dtype::Bf16, 4);
    }
    Ok(())
}
