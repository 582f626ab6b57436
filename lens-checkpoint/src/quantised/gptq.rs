//! GPTQ: whole numbers of two to eight bits, packed along the inputs, with a scale and a zero for each group of inputs:
//! `scale * (number - zero)`. `g_idx` names the group of every input.

use std::ops::Range;

use lens_core::Dtype;

use super::{
    Found, QuantisedError, Setting, bits,
    raw::{RawIndex, Stored, Type, rounded},
};
use crate::made::{Files, Made, Make, Part};

/// What zeros are stored less one, as the first version of the format has it.
const FIRST: &str = "gptq";

#[derive(Debug)]
struct Gptq {
    /// `[words of inputs, out]`
    weight: Stored,
    /// `[groups, words of out]`
    zeros: Stored,
    /// `[groups, out]`
    scales: Stored,
    /// `[in]`; without it inputs lie in groups of this many.
    group: Result<Stored, usize>,
    size: [usize; 2],
    bits: usize,
    /// What is added to a stored zero.
    add: u32,
    /// What the format computes in.
    round: Option<Dtype>,
}

impl Gptq {
    /// The group of every input.
    fn groups(&self, files: Files<'_>) -> Result<Vec<usize>, String> {
        let inputs = 0..self.size[1];
        let of_input = match &self.group {
            Err(size) => return Ok(inputs.map(|i| i / size).collect()),
            Ok(of_input) => of_input,
        };
        let (numbers, n) = (of_input.numbers(files), self.scales.shape()[0]);
        let checked = |i| {
            let group = numbers.whole(i);
            let known = usize::try_from(group).ok().filter(|group| *group < n);
            known.ok_or_else(|| format!("has input {i} in group {group} of {n} ({})", of_input.part.name))
        };
        inputs.map(checked).collect()
    }
}

impl Make for Gptq {
    fn fill(&self, files: Files<'_>, rows: Range<usize>, out: &mut [f32]) -> Result<(), String> {
        let groups = self.groups(files)?;
        let [height, width] = self.size;
        let (weight, zeros, scales) =
            (self.weight.numbers(files), self.zeros.numbers(files), self.scales.numbers(files));
        let words = self.zeros.shape()[1];
        let most = (1 << self.bits) - 1;
        for (row, out) in rows.zip(out.chunks_exact_mut(width)) {
            let column = |word: usize| weight.word(word * height + row);
            let affine = |group: usize| {
                let zero = bits::number(|word| zeros.word(group * words + word), self.bits, row);
                (scales.at(group * height + row), zero.wrapping_add(self.add) & most)
            };
            // Most inputs have the group of the one before.
            let mut last = (usize::MAX, (0.0, 0));
            for (i, out) in out.iter_mut().enumerate() {
                if last.0 != groups[i] {
                    last = (groups[i], affine(groups[i]));
                }
                let (scale, zero) = last.1;
                let number = bits::number(column, self.bits, i);
                *out = rounded((f64::from(number) - f64::from(zero)) as f32 * scale, self.round);
            }
        }
        Ok(())
    }

    fn parts(&self) -> Vec<&Part> {
        let parts = [Some(&self.weight), Some(&self.zeros), Some(&self.scales), self.group.as_ref().ok()];
        parts.into_iter().flatten().map(|stored| &stored.part).collect()
    }
}

/// The tensors of a checkpoint that are stored so.
pub(super) fn find(setting: &Setting<'_>, raw: &RawIndex, found: &mut Found) -> Result<(), QuantisedError> {
    let format = setting.text("checkpoint_format").unwrap_or(FIRST);
    let add = match format {
        FIRST => 1,
        "gptq_v2" => 0,
        other => {
            return Err(
                setting.refused(&format!("checkpoint_format {other:?}, of which gptq and gptq_v2 are read"))
            );
        }
    };
    let bits = setting.one_of("bits", &[2, 3, 4, 8])?;
    if let Some(dtype) = setting.text("pack_dtype").filter(|dtype| *dtype != "int32") {
        return Err(setting.refused(&format!("pack_dtype {dtype:?}, of which int32 is read")));
    }
    for stem in raw.stems(".qweight") {
        let of = |end: &str| raw.need(&format!("{stem}.{end}"));
        let weight = of("qweight")?.typed(&[Type::Word], "I32")?;
        let [words, height] = weight.matrix()?;
        let name = format!("{stem}.g_idx");
        let group = if setting.flag("desc_act") { Some(raw.need(&name)?) } else { raw.get(&name)? };
        let group = group.map(|group| group.typed(&[Type::Word, Type::I64], "I32")).transpose()?;
        let width = group.as_ref().map_or(words * 32 / bits, Stored::count);
        if bits::words(width, bits) != Some(words) {
            let reason =
                format!("has {words} rows of words, which are not those of {width} inputs of {bits} bits");
            return Err(QuantisedError::Tensor { name: weight.part.name, reason });
        }
        let scales = of("scales")?.floating()?;
        let [groups, _] = scales.matrix()?;
        let scales = scales.shaped(&[groups, height])?;
        let zeros = of("qzeros")?.typed(&[Type::Word], "I32")?;
        let zeros = zeros.shaped(&[groups, bits::words(height, bits).unwrap_or(0)])?;
        let group = match group {
            Some(group) => Ok(group.shaped(&[width])?),
            None => Err(setting.group_size(width, groups, &scales)?),
        };
        let dtype = scales.ty.dtype();
        let made = Gptq { weight, zeros, scales, group, size: [height, width], bits, add, round: dtype };
        let made = Made::new(format!("{stem}.weight"), [height, width], made);
        found.push(made, dtype.unwrap_or(setting.dtype), bits);
    }
    Ok(())
}
