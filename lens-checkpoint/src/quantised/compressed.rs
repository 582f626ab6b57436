//! compressed-tensors: numbers of one to eight bits in words (`weight_packed`), and fp8 or int8 with scales (`weight`).
//! Values are computed in the dtype of the scales: `(number - zero) * scale`.

use std::ops::Range;

use lens_core::Dtype;
use serde_json::Value;

use super::{
    Found, QuantisedError, Setting, bits,
    raw::{RawIndex, Stored, Type, rounded},
    scaled::Named,
};
use crate::made::{Files, Made, Make, Part};

/// The formats whose arithmetic is this.
const FORMATS: [&str; 6] =
    ["pack-quantized", "int-quantized", "float-quantized", "naive-quantized", "mixed-precision", "dense"];

#[derive(Debug)]
struct Packed {
    /// `[out, words of inputs]`
    weight: Stored,
    /// `[out, groups]`
    scales: Stored,
    /// `[words of out, groups]`
    zeros: Option<Stored>,
    /// `[in]`, where inputs were sorted before they were grouped.
    order: Option<Stored>,
    size: [usize; 2],
    bits: usize,
    /// What the format computes in.
    round: Option<Dtype>,
}

impl Packed {
    /// Scales of a row.
    fn n_groups(&self) -> usize {
        self.scales.count() / self.size[0].max(1)
    }

    /// The group of every input.
    fn groups(&self, files: Files<'_>) -> Result<Vec<usize>, String> {
        let (width, n) = (self.size[1], self.n_groups());
        let in_order = || (0..width).map(|i| i / (width / n)).collect();
        let Some(order) = &self.order else { return Ok(in_order()) };
        let numbers = order.numbers(files);
        // -1 says that there is no order.
        if (0..width).any(|i| numbers.whole(i) == -1) {
            return Ok(in_order());
        }
        let checked = |i| {
            let group = numbers.whole(i);
            let known = usize::try_from(group).ok().filter(|group| *group < n);
            known.ok_or_else(|| format!("has input {i} in group {group} of {n} ({})", order.part.name))
        };
        (0..width).map(checked).collect()
    }
}

impl Make for Packed {
    fn fill(&self, files: Files<'_>, rows: Range<usize>, out: &mut [f32]) -> Result<(), String> {
        let groups = self.groups(files)?;
        let (n, width, words) = (self.n_groups(), self.size[1], self.weight.shape()[1]);
        let (weight, scales) = (self.weight.numbers(files), self.scales.numbers(files));
        let zeros = self.zeros.as_ref().map(|zeros| zeros.numbers(files));
        let offset = (1_i32 << (self.bits - 1)) as f32;
        for (row, out) in rows.zip(out.chunks_exact_mut(width)) {
            let zero_of = |group: usize| {
                let column = |zeros: super::raw::Numbers<'_>, word: usize| zeros.word(word * n + group);
                zeros.map_or(0.0, |zeros| {
                    bits::number(|word| column(zeros, word), self.bits, row) as f32 - offset
                })
            };
            let zero: Vec<f32> = (0..n).map(zero_of).collect();
            for (i, out) in out.iter_mut().enumerate() {
                let number =
                    bits::number(|word| weight.word(row * words + word), self.bits, i) as f32 - offset;
                let scale = scales.at(row * n + groups[i]);
                *out = rounded((number - zero[groups[i]]) * scale, self.round);
            }
        }
        Ok(())
    }

    fn parts(&self) -> Vec<&Part> {
        let parts = [Some(&self.weight), Some(&self.scales), self.zeros.as_ref(), self.order.as_ref()];
        parts.into_iter().flatten().map(|stored| &stored.part).collect()
    }
}

/// What config.json says of all groups of layers.
struct Says {
    /// How many bits numbers have, in one of them.
    bits: Vec<usize>,
    /// Whether all have zeros.
    zeros: bool,
}

impl Says {
    /// The zeros of a weight.
    fn zeros(&self, raw: &RawIndex, stem: &str) -> Result<Option<Stored>, QuantisedError> {
        let name = format!("{stem}_zero_point");
        if self.zeros { raw.need(&name).map(Some) } else { raw.get(&name) }
    }
}

fn asymmetric(weights: &serde_json::Map<String, Value>) -> bool {
    weights.get("symmetric").and_then(Value::as_bool) == Some(false)
}

/// The groups of layers that the config describes.
fn groups<'a>(setting: &Setting<'a>) -> impl Iterator<Item = &'a serde_json::Map<String, Value>> {
    let groups = setting.section.get("config_groups").and_then(Value::as_object);
    groups.into_iter().flatten().filter_map(|(_, group)| group.as_object())
}

/// The tensors of a checkpoint that are stored so.
pub(super) fn find(setting: &Setting<'_>, raw: &RawIndex, found: &mut Found) -> Result<(), QuantisedError> {
    let of_groups = groups(setting).filter_map(|group| group.get("format")?.as_str());
    for format in setting.text("format").into_iter().chain(of_groups) {
        if !FORMATS.contains(&format) {
            let known = FORMATS.join(", ");
            return Err(setting.refused(&format!("format {format:?}, of which these are read: {known}")));
        }
    }
    if let Some(sparsity) = setting.section.get("sparsity_config").and_then(Value::as_object)
        && let Some(format) =
            sparsity.get("format").and_then(Value::as_str).filter(|format| *format != "dense")
    {
        return Err(setting.refused(&format!("sparsity of the format {format:?}, which is not read")));
    }
    let weights = || groups(setting).filter_map(|group| group.get("weights")?.as_object());
    let numbers = |key: &str| -> Vec<usize> {
        let number = |weights: &serde_json::Map<String, Value>| weights.get(key)?.as_u64()?.try_into().ok();
        weights().filter_map(number).collect()
    };
    let says =
        Says { bits: numbers("num_bits"), zeros: weights().next().is_some() && weights().all(asymmetric) };
    for stem in raw.stems("_packed") {
        packed(setting, raw, stem, &says, found)?;
    }
    let block = |weights: &serde_json::Map<String, Value>| super::pair(weights.get("block_structure")?);
    let blocks = weights().find_map(block);
    for name in raw.stems("_scale").filter(|name| raw.0.contains_key(*name)) {
        says.zeros(raw, name)?;
        Named { name, end: "_scale", blocks, rounds: true }.find(setting, raw, found)?;
    }
    Ok(())
}

/// One weight in words: `{stem}_packed`, with `_shape`, `_scale` and perhaps `_zero_point` and `_g_idx`.
fn packed(
    setting: &Setting<'_>,
    raw: &RawIndex,
    stem: &str,
    says: &Says,
    found: &mut Found,
) -> Result<(), QuantisedError> {
    let of = |end: &str| raw.need(&format!("{stem}{end}"));
    let weight = of("_packed")?.typed(&[Type::Word], "I32")?;
    let [height, words] = weight.matrix()?;
    let shape = of("_shape")?.typed(&[Type::I64, Type::Word], "I64")?.shaped(&[2])?;
    let scales = of("_scale")?.floating()?;
    let n = match *scales.shape() {
        [rows, groups] if rows == height => groups,
        [rows] if rows == height => 1,
        _ => {
            return Err(QuantisedError::Shape {
                name: scales.part.name.clone(),
                stored: scales.shape().to_vec(),
                expected: vec![height, 1],
            });
        }
    };
    let zeros = says.zeros(raw, stem)?;
    let zeros = zeros.map(|zeros| zeros.typed(&[Type::Word], "I32")).transpose()?;
    let order = raw.get(&format!("{stem}_g_idx"))?;
    let dtype = scales.ty.dtype();
    let natural = dtype.unwrap_or(setting.dtype);
    let Some(files) = setting.files else {
        let bits = says.bits.first().copied().unwrap_or(4);
        let unread = Packed { weight, scales, zeros, order, size: [height, 0], bits, round: dtype };
        found.push_unknown(stem, unread, natural, bits);
        return Ok(());
    };
    let numbers = shape.numbers(files);
    let size = [numbers.whole(0), numbers.whole(1)].map(|n| usize::try_from(n).unwrap_or(0));
    let wrong = |reason: String| QuantisedError::Tensor { name: shape.part.name.clone(), reason };
    let [rows, width] = size;
    let fits = |bits: &usize| (1..=8).contains(bits) && bits::words(width, *bits) == Some(words);
    let bits = says.bits.iter().copied().find(fits);
    let bits = bits.filter(|_| rows == height && width > 0).ok_or_else(|| {
        wrong(format!(
            "says {size:?}, which is not the shape of [{height}, {words}] words of numbers of as many bits as config.json \
             says"
        ))
    })?;
    if n == 0 || !width.is_multiple_of(n) {
        return Err(wrong(format!("says {size:?}, but there are {n} scales in a row")));
    }
    let zero_words = bits::words(height, bits).unwrap_or(0);
    let zeros = zeros.map(|zeros| zeros.shaped(&[zero_words, n])).transpose()?;
    let order =
        order.map(|order| order.typed(&[Type::Word, Type::I64], "I32")?.shaped(&[width])).transpose()?;
    let made = Packed { weight, scales, zeros, order, size, bits, round: dtype };
    found.also_consumes(&shape.part);
    found.push(Made::new(stem, size, made), natural, bits);
    Ok(())
}
