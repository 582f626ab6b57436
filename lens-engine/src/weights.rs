//! Looking for weights that are not numbers.

use lens_models::{Checkpoint, StoredDtype};
use rayon::prelude::*;

/// Bytes that one thread looks at in one go.
const PIECE: usize = 1 << 20;

/// What a scan of all weights came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    pub(crate) tensors: usize,
    pub(crate) bytes: u64,
    /// Tensors with NaN or infinite values and how many, by name.
    pub(crate) broken: Vec<(String, usize)>,
}

/// Looks at every weight of a type that models are made of.
pub(crate) fn scan(checkpoint: &Checkpoint) -> Scan {
    let mut scan = Scan::default();
    for (name, tensor) in checkpoint.outline().tensors.iter() {
        let Ok(dtype) = tensor.dtype else { continue };
        let Ok(bytes) = checkpoint.values(tensor) else {
            scan.broken.push((name.to_owned(), 1));
            continue;
        };
        let broken = bytes.par_chunks(PIECE).map(|piece| non_finite(piece, dtype)).sum();
        scan.tensors += 1;
        scan.bytes += bytes.len() as u64;
        if broken > 0 {
            scan.broken.push((name.to_owned(), broken));
        }
    }
    scan
}

/// The values whose exponent is all ones.
fn non_finite(bytes: &[u8], dtype: StoredDtype) -> usize {
    let halves = |ones: u16| {
        let (values, _) = bytes.as_chunks::<2>();
        values.iter().filter(|value| u16::from_le_bytes(**value) & ones == ones).count()
    };
    match dtype {
        StoredDtype::Bf16 => halves(0x7f80),
        StoredDtype::F16 => halves(0x7c00),
        StoredDtype::F32 => {
            let (values, _) = bytes.as_chunks::<4>();
            values.iter().filter(|value| !f32::from_le_bytes(**value).is_finite()).count()
        }
    }
}

/// What is to be said of weights that somebody has written to meanwhile.
pub(crate) fn changed_weights() -> Option<String> {
    let changed = lens_models::checkpoint::changed();
    (!changed.is_empty()).then(|| {
        let files = changed.join(", ");
        format!(
            "{files} was written to while lens was running: these numbers may be those of no model at all"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_no_numbers_are_counted() {
        let halves = |values: &[u16]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        assert_eq!(non_finite(&halves(&[0x7f80, 0xff80, 0x7fc0, 0x7f7f, 0]), StoredDtype::Bf16), 3);
        assert_eq!(non_finite(&halves(&[0x7c00, 0xfe00, 0x7bff, 0]), StoredDtype::F16), 2);
        let singles = [f32::NAN, 1.0, f32::NEG_INFINITY].map(f32::to_le_bytes).concat();
        assert_eq!(non_finite(&singles, StoredDtype::F32), 2);
    }
}
