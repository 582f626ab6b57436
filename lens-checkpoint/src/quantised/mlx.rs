//! MLX's affine quantisation: numbers of two to eight bits in words along the inputs, `scale * number + bias` for each
//! group of inputs, rounded after the product and after the sum.

use std::ops::Range;

use lens_core::Dtype;

use super::{
    Found, QuantisedError, Setting, bits,
    raw::{RawIndex, Stored, Type, rounded},
};
use crate::made::{Files, Made, Make, Part};

#[derive(Debug)]
struct Affine {
    /// `[out, words of inputs]`
    weight: Stored,
    /// `[out, groups]`
    scales: Stored,
    biases: Stored,
    /// Inputs, and those of a group.
    width: usize,
    group: usize,
    bits: usize,
    round: Option<Dtype>,
}

impl Make for Affine {
    fn fill(&self, files: Files<'_>, rows: Range<usize>, out: &mut [f32]) -> Result<(), String> {
        let (weight, scales, biases) =
            (self.weight.numbers(files), self.scales.numbers(files), self.biases.numbers(files));
        let (words, groups) = (self.weight.shape()[1], self.scales.shape()[1]);
        for (row, out) in rows.zip(out.chunks_exact_mut(self.width)) {
            for (group, out) in out.chunks_mut(self.group).enumerate() {
                let (scale, bias) = (scales.at(row * groups + group), biases.at(row * groups + group));
                for (i, out) in (group * self.group..).zip(out) {
                    let number = bits::number(|word| weight.word(row * words + word), self.bits, i) as f32;
                    *out = rounded(rounded(number * scale, self.round) + bias, self.round);
                }
            }
        }
        Ok(())
    }

    fn parts(&self) -> Vec<&Part> {
        vec![&self.weight.part, &self.scales.part, &self.biases.part]
    }
}

/// The tensors of a checkpoint that are stored so.
pub(super) fn find(setting: &Setting<'_>, raw: &RawIndex, found: &mut Found) -> Result<(), QuantisedError> {
    if let Some(mode) = setting.text("mode").filter(|mode| *mode != "affine") {
        return Err(setting.refused(&format!("mode {mode:?}, of which affine is read")));
    }
    for stem in raw.stems(".scales") {
        let own = setting.section.get(stem).and_then(serde_json::Value::as_object);
        let of_layer = Setting { section: own.unwrap_or(setting.section), ..*setting };
        let bits = of_layer.one_of("bits", &[2, 3, 4, 5, 6, 8])?;
        let group = of_layer.count("group_size")?;
        let weight = raw.need(&format!("{stem}.weight"))?.typed(&[Type::Word], "U32")?;
        let [height, words] = weight.matrix()?;
        let scales = raw.need(&format!("{stem}.scales"))?.floating()?;
        let [_, groups] = scales.matrix()?;
        let scales = scales.shaped(&[height, groups])?;
        let biases = raw.need(&format!("{stem}.biases"))?.floating()?.shaped(&[height, groups])?;
        let width = groups.checked_mul(group).filter(|width| bits::words(*width, bits) == Some(words));
        let Some(width) = width else {
            let reason = format!(
                "has {words} words in a row, which are not {groups} groups of {group} of {bits} bits"
            );
            return Err(QuantisedError::Tensor { name: weight.part.name, reason });
        };
        let dtype = scales.ty.dtype();
        let made = Affine { weight, scales, biases, width, group, bits, round: dtype };
        found.push(
            Made::new(format!("{stem}.weight"), [height, width], made),
            dtype.unwrap_or(setting.dtype),
            bits,
        );
    }
    Ok(())
}
