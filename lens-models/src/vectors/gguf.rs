//! As much of GGUF (versions 2 and 3, little-endian) as control vectors are made of.
//!
//! The layout is that of ggml's `docs/gguf.md`: magic, version, counts, metadata, tensor descriptions, padding, data.

use half::{bf16, f16};

use super::{NamedTensor, floats, named};

/// Entries that a control vector may have at most.
const MOST: u64 = 1 << 16;

/// The deepest metadata array.
const DEEPEST: usize = 4;

/// The float tensors of a file.
pub(super) fn tensors(bytes: &[u8]) -> Result<Vec<NamedTensor>, String> {
    let mut reader = Reader { bytes, at: 0 };
    if reader.take(4)? != b"GGUF" {
        return Err("it does not begin with GGUF".to_owned());
    }
    let version = reader.u32()?;
    if !(2..=3).contains(&version) {
        return Err(format!("its GGUF version is {version}, known are 2 and 3"));
    }
    let n_tensors = reader.count()?;
    let n_entries = reader.count()?;
    let mut alignment = 32;
    for _ in 0..n_entries {
        let key = reader.string()?;
        let kind = reader.u32()?;
        if key == "general.alignment" && kind == 4 {
            alignment = reader.u32()? as usize;
        } else {
            reader.skip_value(kind, 0)?;
        }
    }
    if !alignment.is_power_of_two() {
        return Err(format!("its alignment is {alignment}"));
    }
    let descriptions =
        (0..n_tensors).map(|_| Description::read(&mut reader)).collect::<Result<Vec<_>, _>>()?;
    let start = reader.at.next_multiple_of(alignment);
    descriptions.into_iter().map(|description| description.tensor(bytes, start)).collect()
}

struct Description {
    name: String,
    shape: Vec<usize>,
    kind: u32,
    offset: usize,
}

impl Description {
    fn read(reader: &mut Reader<'_>) -> Result<Self, String> {
        let name = reader.string()?;
        let rank = reader.u32()?;
        if rank > 4 {
            return Err(format!("the tensor {name} has {rank} dimensions"));
        }
        // ggml writes the innermost dimension first.
        let mut shape = (0..rank).map(|_| reader.size()).collect::<Result<Vec<_>, _>>()?;
        shape.reverse();
        Ok(Self { name, shape, kind: reader.u32()?, offset: reader.size()? })
    }

    fn tensor(self, bytes: &[u8], start: usize) -> Result<NamedTensor, String> {
        let width = match self.kind {
            0 => 4,
            1 | 30 => 2,
            kind => return Err(format!("the tensor {} is of type {kind}, not F32, F16 or BF16", self.name)),
        };
        let length = self.shape.iter().try_fold(width, |product: usize, n| product.checked_mul(*n));
        let range = start.checked_add(self.offset).and_then(|from| Some(from..from.checked_add(length?)?));
        let data = range.and_then(|range| bytes.get(range));
        let data = data.ok_or_else(|| format!("the tensor {} reaches beyond the file", self.name))?;
        let values = match self.kind {
            0 => floats(data, f32::from_le_bytes),
            1 => floats(data, |bytes| f16::from_le_bytes(bytes).to_f32()),
            _ => floats(data, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        };
        named(self.name, self.shape, values)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let taken = self.at.checked_add(n).and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or("it ends in the middle of its header")?;
        self.at += n;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, String> {
        self.array().map(u64::from_le_bytes)
    }

    fn size(&mut self) -> Result<usize, String> {
        usize::try_from(self.u64()?).map_err(|_| "it claims to be larger than memory".to_owned())
    }

    fn count(&mut self) -> Result<u64, String> {
        let count = self.u64()?;
        if count > MOST { Err(format!("it claims {count} entries")) } else { Ok(count) }
    }

    fn string(&mut self) -> Result<String, String> {
        let length = self.size()?;
        let bytes = self.take(length)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| "a name in it is not UTF-8".to_owned())
    }

    fn skip_value(&mut self, kind: u32, depth: usize) -> Result<(), String> {
        match kind {
            0 | 1 | 7 => self.take(1).map(drop),
            2 | 3 => self.take(2).map(drop),
            4..=6 => self.take(4).map(drop),
            10..=12 => self.take(8).map(drop),
            8 => self.string().map(drop),
            9 if depth < DEEPEST => {
                let kind = self.u32()?;
                let n = self.size()?;
                // Every element takes at least a byte, so what is longer than the file ends with an error.
                (0..n).try_for_each(|_| self.skip_value(kind, depth + 1))
            }
            _ => Err(format!("its metadata has a value of type {kind}")),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    /// A control vector as llama.cpp and repeng write them.
    pub(in crate::vectors) fn file(directions: &[(&str, &[f32])]) -> Vec<u8> {
        fn string(out: &mut Vec<u8>, text: &str) {
            out.extend((text.len() as u64).to_le_bytes());
            out.extend(text.as_bytes());
        }
        let mut out = b"GGUF".to_vec();
        out.extend(3u32.to_le_bytes());
        out.extend((directions.len() as u64).to_le_bytes());
        out.extend(2u64.to_le_bytes());
        string(&mut out, "general.architecture");
        out.extend(8u32.to_le_bytes());
        string(&mut out, "controlvector");
        string(&mut out, "controlvector.layer_count");
        out.extend(4u32.to_le_bytes());
        out.extend((directions.len() as u32).to_le_bytes());
        let mut offset = 0u64;
        for (name, values) in directions {
            string(&mut out, name);
            out.extend(1u32.to_le_bytes());
            out.extend((values.len() as u64).to_le_bytes());
            out.extend(0u32.to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset += (values.len() as u64 * 4).next_multiple_of(32);
        }
        for (i, (_, values)) in directions.iter().enumerate() {
            out.resize(out.len().next_multiple_of(32), 0);
            out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            assert!(i < directions.len());
        }
        out
    }
}
