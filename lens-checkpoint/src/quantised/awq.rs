//! AWQ: numbers of four bits, eight outputs to a word in an order of their own, with a scale and a zero for each group of
//! inputs: `scale * (number - zero)`. Stored `[in, out / 8]`.

use std::ops::Range;

use lens_core::Dtype;

use super::{
    Found, QuantisedError, Setting,
    raw::{Numbers, RawIndex, Stored, Type, rounded},
};
use crate::made::{Files, Made, Make, Part};

/// Which four bits of a word the outputs 0 to 7 have.
const ORDER: [u32; 8] = [0, 4, 1, 5, 2, 6, 3, 7];

#[derive(Debug)]
struct Awq {
    /// `[in, out / 8]`
    weight: Stored,
    /// `[groups, out / 8]`
    zeros: Stored,
    /// `[groups, out]`
    scales: Stored,
    size: [usize; 2],
    /// Inputs of a group.
    group: usize,
    /// What the format computes in.
    round: Option<Dtype>,
}

impl Make for Awq {
    fn fill(&self, files: Files<'_>, rows: Range<usize>, out: &mut [f32]) -> Result<(), String> {
        let [height, width] = self.size;
        let (weight, zeros, scales) =
            (self.weight.numbers(files), self.zeros.numbers(files), self.scales.numbers(files));
        for (row, out) in rows.zip(out.chunks_exact_mut(width)) {
            let number = |words: Numbers<'_>, line: usize| {
                let word = words.word(line * (height / 8) + row / 8);
                ((word >> (4 * ORDER[row % 8])) & 15) as f32
            };
            for (group, out) in out.chunks_mut(self.group).enumerate() {
                let (zero, scale) = (number(zeros, group), scales.at(group * height + row));
                for (i, out) in (group * self.group..).zip(out) {
                    *out = rounded((number(weight, i) - zero) * scale, self.round);
                }
            }
        }
        Ok(())
    }

    fn parts(&self) -> Vec<&Part> {
        vec![&self.weight.part, &self.zeros.part, &self.scales.part]
    }
}

/// The tensors of a checkpoint that are stored so.
pub(super) fn find(setting: &Setting<'_>, raw: &RawIndex, found: &mut Found) -> Result<(), QuantisedError> {
    let bits = setting.one_of("bits", &[4])?;
    if let Some(version) = setting.text("version").filter(|version| !version.eq_ignore_ascii_case("gemm")) {
        return Err(setting.refused(&format!("version {version:?}, of which gemm is read")));
    }
    for stem in raw.stems(".qweight") {
        let of = |end: &str| raw.need(&format!("{stem}.{end}"));
        let weight = of("qweight")?.typed(&[Type::Word], "I32")?;
        let [width, words] = weight.matrix()?;
        let height = words * 8;
        let scales = of("scales")?.floating()?;
        let [groups, _] = scales.matrix()?;
        let scales = scales.shaped(&[groups, height])?;
        let zeros = of("qzeros")?.typed(&[Type::Word], "I32")?.shaped(&[groups, words])?;
        let group = setting.group_size(width, groups, &scales)?;
        let dtype = scales.ty.dtype();
        let made = Awq { weight, zeros, scales, size: [height, width], group, round: dtype };
        let made = Made::new(format!("{stem}.weight"), [height, width], made);
        found.push(made, dtype.unwrap_or(setting.dtype), bits);
    }
    Ok(())
}
