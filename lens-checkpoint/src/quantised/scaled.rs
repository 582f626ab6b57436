//! Numbers of eight bits, each times a scale of its tensor, row, group or block: fp8 of DeepSeek-V3 and Qwen 3, of
//! compressed-tensors, FBGEMM and ModelOpt, and int8 of compressed-tensors.

use std::ops::Range;

use lens_core::Dtype;

use super::{
    Found, QuantisedError, Setting,
    raw::{RawIndex, Stored, Type, power_of_two, rounded},
};
use crate::made::{Files, Made, Make, Part};

/// The types of weights.
const EIGHT_BITS: [Type; 3] = [Type::E4m3, Type::E5m2, Type::I8];

#[derive(Debug)]
struct Scaled {
    weight: Stored,
    scale: Stored,
    zero: Option<Stored>,
    /// Rows and columns of one matrix; a stack has several.
    size: [usize; 2],
    /// Rows and columns that share a scale, and how many scales there are along each.
    block: [usize; 2],
    grid: [usize; 2],
    /// What the format computes in.
    round: Option<Dtype>,
}

impl Make for Scaled {
    fn fill(&self, files: Files<'_>, rows: Range<usize>, out: &mut [f32]) -> Result<(), String> {
        let (weight, scale) = (self.weight.numbers(files), self.scale.numbers(files));
        let zero = self.zero.as_ref().map(|zero| zero.numbers(files));
        let [height, width] = self.size;
        let per_slice = if self.weight.shape().len() == 3 { height } else { 1 };
        let first = rows.start * per_slice;
        for (row, out) in (first..).zip(out.chunks_exact_mut(width)) {
            let (matrix, row_within) = (row / height, row % height);
            let scales = (matrix * self.grid[0] + row_within / self.block[0]) * self.grid[1];
            for (group, out) in out.chunks_mut(self.block[1]).enumerate() {
                let at = scales + group;
                let factor = match scale_is_exponent(self.scale.ty) {
                    true => power_of_two(scale.byte(at)),
                    false => scale.at(at),
                };
                if !factor.is_finite() {
                    return Err(format!("has the scale {factor} for row {row} ({})", self.scale.part.name));
                }
                let zero = zero.map_or(0.0, |zero| zero.at(at));
                let start = row * width + group * self.block[1];
                for (i, out) in (start..).zip(out) {
                    *out = rounded((weight.at(i) - zero) * factor, self.round);
                }
            }
        }
        Ok(())
    }

    fn parts(&self) -> Vec<&Part> {
        [Some(&self.weight), Some(&self.scale), self.zero.as_ref()]
            .into_iter()
            .flatten()
            .map(|s| &s.part)
            .collect()
    }
}

/// Bytes as scales are exponents, as MXFP8 has them.
fn scale_is_exponent(ty: Type) -> bool {
    matches!(ty, Type::U8 | Type::E8m0)
}

/// How scales lie over a matrix `[rows, columns]`: rows and columns that share one, and the number of scales along each.
/// `blocks` is what the config says of it, if it does.
fn grid(
    scale: &Stored,
    size: [usize; 2],
    stack: Option<usize>,
    blocks: Option<[usize; 2]>,
) -> Result<([usize; 2], [usize; 2]), QuantisedError> {
    let [rows, columns] = size;
    let mut shape = scale.shape();
    if let Some((_, rest)) = shape.split_first().filter(|(first, _)| stack.is_some_and(|n| n == **first)) {
        shape = rest;
    } else if stack.is_some() {
        return Err(unfit(scale, size));
    }
    let even = |n: usize, parts: usize| (parts > 0 && n.is_multiple_of(parts)).then(|| n / parts);
    Ok(match (shape, blocks) {
        ([] | [1] | [1, 1], None) => ([rows, columns], [1, 1]),
        (&[n], None) | (&[n, 1], None) if n == rows => ([1, columns], [rows, 1]),
        (&[n, groups], None) if n == rows => {
            ([1, even(columns, groups).ok_or_else(|| unfit(scale, size))?], [rows, groups])
        }
        (&[down, across], Some([high, wide]))
            if high > 0 && wide > 0 && down == rows.div_ceil(high) && across == columns.div_ceil(wide) =>
        {
            ([high, wide], [down, across])
        }
        _ => return Err(unfit(scale, size)),
    })
}

fn unfit(scale: &Stored, size: [usize; 2]) -> QuantisedError {
    QuantisedError::Tensor {
        name: scale.part.name.clone(),
        reason: format!(
            "has the shape {:?}, which is not that of scales of a matrix {size:?} as config.json describes them",
            scale.shape()
        ),
    }
}

/// One weight with its scales: `{name}{end}`, under which `{name}` is stored.
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    /// What the name of its scales ends with, after its own.
    pub(super) end: &'a str,
    /// What config.json says of blocks.
    pub(super) blocks: Option<[usize; 2]>,
    /// Whether values are rounded to the dtype of the scales.
    pub(super) rounds: bool,
}

impl Named<'_> {
    /// Finds its parts.
    pub(super) fn find(
        &self,
        setting: &Setting<'_>,
        raw: &RawIndex,
        found: &mut Found,
    ) -> Result<(), QuantisedError> {
        let weight = raw.need(self.name)?.typed(&EIGHT_BITS, "F8_E4M3, F8_E5M2 or I8")?;
        let scale = raw.need(&format!("{}{}", self.name, self.end))?;
        let scale = scale
            .typed(&[Type::F32, Type::Bf16, Type::F16, Type::U8, Type::E8m0], "f32, bf16, f16 or e8m0")?;
        let (size, stack) = match *weight.shape() {
            [rows, columns] => ([rows, columns], None),
            [n, rows, columns] => ([rows, columns], Some(n)),
            _ => {
                let reason =
                    format!("should be a matrix or a stack of them, and has the shape {:?}", weight.shape());
                return Err(QuantisedError::Tensor { name: weight.part.name, reason });
            }
        };
        let (block, grid) = grid(&scale, size, stack, self.blocks)?;
        let zero = raw.get(&format!("{}_zero_point", self.name))?;
        let zero = zero.map(|zero| zero.shaped(scale.shape())).transpose()?;
        let dtype = scale.ty.dtype().filter(|_| self.rounds);
        let shape = weight.shape().to_vec();
        let made = Scaled { weight, scale, zero, size, block, grid, round: dtype };
        found.push(Made::new(self.name, shape, made), dtype.unwrap_or(setting.dtype), 8);
        Ok(())
    }
}

/// fp8 as transformers writes it (`weight_scale_inv`), FBGEMM and ModelOpt (`weight_scale`).
pub(super) fn find(setting: &Setting<'_>, raw: &RawIndex, found: &mut Found) -> Result<(), QuantisedError> {
    let blocks = setting.pair("weight_block_size")?;
    for end in ["_scale_inv", "_scale"] {
        for name in raw.stems(end).filter(|name| raw.0.contains_key(*name)) {
            Named { name, end, blocks, rounds: false }.find(setting, raw, found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(shape: &[usize]) -> Stored {
        let part = Part { name: "s".to_owned(), shard: 0, range: 0..0, shape: shape.to_vec() };
        Stored { part, ty: Type::F32 }
    }

    #[test]
    fn scales_lie_over_a_matrix_as_their_shape_says() {
        let of = |shape: &[usize], blocks| grid(&scale(shape), [6, 8], None, blocks).ok();
        assert_eq!(of(&[], None), Some(([6, 8], [1, 1])));
        assert_eq!(of(&[6], None), Some(([1, 8], [6, 1])));
        assert_eq!(of(&[6, 1], None), Some(([1, 8], [6, 1])));
        assert_eq!(of(&[6, 4], None), Some(([1, 2], [6, 4])));
        assert_eq!(of(&[2, 3], Some([4, 3])), Some(([4, 3], [2, 3])));
        for (shape, blocks) in [
            (vec![5], None),
            (vec![6, 3], None),
            (vec![6, 0], None),
            (vec![8], None),
            (vec![2, 2], Some([4, 3])),
            (vec![2, 3], Some([0, 3])),
            (vec![6, 1], Some([4, 3])),
        ] {
            assert_eq!(of(&shape, blocks), None, "{shape:?}");
        }
        let stacked = |shape: &[usize]| grid(&scale(shape), [6, 8], Some(2), None).ok();
        assert_eq!(stacked(&[2, 6, 1]), Some(([1, 8], [6, 1])));
        assert_eq!(stacked(&[3, 6, 1]), None);
    }
}
