//! bitsandbytes: four bits as an index into sixteen values (`nf4`, `fp4`), with the largest magnitude of each block, itself
//! perhaps quantised; and eight bits with the largest magnitude of each row (`SCB`).

use std::ops::Range;

use lens_core::Dtype;
use serde::Deserialize;

use super::{
    Found, QuantisedError, Setting,
    raw::{RawIndex, Stored, Type, rounded},
};
use crate::limits;
use crate::made::{Files, Made, Make, Part};

/// What the names of the states of four bits end with.
const STATES: [&str; 2] = [".quant_state.bitsandbytes__nf4", ".quant_state.bitsandbytes__fp4"];

/// What a state says beside tensors.
#[derive(Debug, Deserialize)]
struct State {
    blocksize: usize,
    dtype: String,
    shape: Vec<usize>,
    nested_blocksize: Option<usize>,
    nested_offset: Option<f64>,
}

#[derive(Debug)]
struct FourBits {
    /// Two values to a byte, the first in the higher bits.
    weight: Stored,
    /// `[16]`
    values: Stored,
    largest: Largest,
    /// Values of a block.
    block: usize,
    width: usize,
    round: Option<Dtype>,
}

/// The largest magnitudes of blocks.
#[derive(Debug)]
enum Largest {
    Plain(Stored),
    /// An index into `values`, times the largest magnitude of a block of them, plus the offset.
    Nested {
        index: Stored,
        values: Stored,
        largest: Stored,
        block: usize,
        offset: f32,
    },
}

impl Largest {
    fn at(&self, files: Files<'_>, i: usize) -> f32 {
        match self {
            Self::Plain(values) => values.numbers(files).at(i),
            Self::Nested { index, values, largest, block, offset } => {
                let value = values.numbers(files).at(usize::from(index.numbers(files).byte(i)));
                value * largest.numbers(files).at(i / block) + offset
            }
        }
    }

    fn parts(&self) -> Vec<&Stored> {
        match self {
            Self::Plain(values) => vec![values],
            Self::Nested { index, values, largest, .. } => vec![index, values, largest],
        }
    }
}

impl Make for FourBits {
    fn fill(&self, files: Files<'_>, rows: Range<usize>, out: &mut [f32]) -> Result<(), String> {
        let (weight, values) = (self.weight.numbers(files), self.values.numbers(files));
        let values: Vec<f32> = (0..16).map(|i| values.at(i)).collect();
        let mut last = (usize::MAX, 0.0);
        for (i, out) in (rows.start * self.width..).zip(out) {
            let block = i / self.block;
            if last.0 != block {
                last = (block, self.largest.at(files, block));
            }
            let byte = weight.byte(i / 2);
            let index = if i.is_multiple_of(2) { byte >> 4 } else { byte & 15 };
            *out = rounded(values[usize::from(index)] * last.1, self.round);
        }
        Ok(())
    }

    fn parts(&self) -> Vec<&Part> {
        let own = [&self.weight, &self.values];
        own.into_iter().chain(self.largest.parts()).map(|stored| &stored.part).collect()
    }
}

#[derive(Debug)]
struct EightBits {
    /// `[out, in]`
    weight: Stored,
    /// `[out]`
    largest: Stored,
    width: usize,
}

impl Make for EightBits {
    fn fill(&self, files: Files<'_>, rows: Range<usize>, out: &mut [f32]) -> Result<(), String> {
        /// 1/127, as bitsandbytes writes it.
        const STEP: f32 = 7.874_016e-3;
        let (weight, largest) = (self.weight.numbers(files), self.largest.numbers(files));
        for (row, out) in rows.zip(out.chunks_exact_mut(self.width)) {
            let largest = largest.at(row);
            (row * self.width..).zip(out).for_each(|(i, out)| *out = weight.at(i) * largest * STEP);
        }
        Ok(())
    }

    fn parts(&self) -> Vec<&Part> {
        vec![&self.weight.part, &self.largest.part]
    }
}

/// The tensors of a checkpoint that are stored so.
pub(super) fn find(setting: &Setting<'_>, raw: &RawIndex, found: &mut Found) -> Result<(), QuantisedError> {
    for end in STATES {
        for name in raw.stems(end) {
            four_bits(setting, raw, name, end, found)?;
        }
    }
    for stem in raw.stems(".SCB") {
        let weight = raw.need(&format!("{stem}.weight"))?.typed(&[Type::I8], "I8")?;
        let [height, width] = weight.matrix()?;
        let largest = raw.need(&format!("{stem}.SCB"))?.floating()?.shaped(&[height])?;
        if let Some(format) = raw.get(&format!("{stem}.weight_format"))? {
            let code = setting.files.map_or(0, |files| format.numbers(files).byte(0));
            if code != 0 {
                let reason =
                    format!("says that rows are stored in the order {code}, and only 0, row by row, is read");
                return Err(QuantisedError::Tensor { name: format.part.name, reason });
            }
            found.also_consumes(&format.part);
        }
        let made = Made::new(format!("{stem}.weight"), [height, width], EightBits { weight, largest, width });
        found.push(made, setting.dtype, 8);
    }
    Ok(())
}

/// One weight of four bits, whose state is `{name}{end}`.
fn four_bits(
    setting: &Setting<'_>,
    raw: &RawIndex,
    name: &str,
    end: &str,
    found: &mut Found,
) -> Result<(), QuantisedError> {
    let of = |end: &str| raw.need(&format!("{name}.{end}"));
    let bytes = [Type::U8];
    let state = raw.need(&format!("{name}{end}"))?.typed(&bytes, "U8")?;
    let weight = raw.need(name)?.typed(&bytes, "U8")?;
    let values = of("quant_map")?.floating()?.shaped(&[16])?;
    let absmax = of("absmax")?;
    found.also_consumes(&state.part);
    let Some(files) = setting.files else {
        let unread =
            FourBits { weight, values, largest: Largest::Plain(absmax), block: 64, width: 0, round: None };
        found.push_unknown(name, unread, setting.dtype, 4);
        return Ok(());
    };
    let wrong = |reason: String| QuantisedError::Tensor { name: state.part.name.clone(), reason };
    let text = files.of(&state.part);
    let text = text.get(..text.len().min(limits::quantised::LONGEST_STATE)).unwrap_or_default();
    let said: State =
        serde_json::from_slice(text).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let count = said.shape.iter().try_fold(1_usize, |count, n| count.checked_mul(*n));
    let count = count.filter(|count| *count > 0 && count.div_ceil(2) == weight.count() && said.blocksize > 0);
    let (Some(count), [_, rest @ ..]) = (count, said.shape.as_slice()) else {
        let bytes = weight.count();
        return Err(wrong(format!(
            "says {:?} in blocks of {}, but there are {bytes} bytes",
            said.shape, said.blocksize
        )));
    };
    let round = match said.dtype.as_str() {
        "float16" => Dtype::F16,
        "bfloat16" => Dtype::Bf16,
        "float32" => Dtype::F32,
        other => {
            return Err(wrong(format!(
                "has the dtype {other:?}, which is none of float32, bfloat16 and float16"
            )));
        }
    };
    let blocks = count.div_ceil(said.blocksize);
    let largest = match (said.nested_blocksize, said.nested_offset) {
        (None, None) => Largest::Plain(absmax.floating()?.shaped(&[blocks])?),
        (Some(block), Some(offset)) if block > 0 => Largest::Nested {
            index: absmax.typed(&bytes, "U8")?.shaped(&[blocks])?,
            values: of("nested_quant_map")?.floating()?.shaped(&[256])?,
            largest: of("nested_absmax")?.floating()?.shaped(&[blocks.div_ceil(block)])?,
            block,
            offset: offset as f32,
        },
        _ => return Err(wrong("has one half of what nested scales need".to_owned())),
    };
    let width = rest.iter().product();
    let made = FourBits { weight, values, largest, block: said.blocksize, width, round: Some(round) };
    found.push(Made::new(name, said.shape.clone(), made), round, 4);
    Ok(())
}
