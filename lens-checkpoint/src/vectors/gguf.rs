//! The part of GGUF (versions 2 and 3, little-endian) that control vectors need.
//!
//! The layout is that of ggml's `docs/gguf.md`: magic, version, counts, metadata, tensor descriptions, padding, data.

use std::collections::HashSet;

use half::{bf16, f16};

use super::{NamedTensor, floats, named};

/// Entries that a control vector may have at most.
const MOST: u64 = 1 << 16;

/// The deepest metadata array.
const DEEPEST: usize = 4;

/// A file's tensors and what it says of them.
#[derive(Debug)]
pub(super) struct Gguf {
    pub(super) tensors: Vec<NamedTensor>,
    /// `general.architecture`.
    pub(super) architecture: Option<String>,
    /// `controlvector.model_hint`: the kind of model that it was made for.
    pub(super) model_hint: Option<String>,
    /// `controlvector.layer_count`.
    pub(super) layer_count: Option<u64>,
}

/// The float tensors of a file and its metadata.
pub(super) fn read(bytes: &[u8]) -> Result<Gguf, String> {
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
    let mut gguf = Gguf { tensors: Vec::new(), architecture: None, model_hint: None, layer_count: None };
    let mut alignment = 32;
    let mut keys = HashSet::new();
    for _ in 0..n_entries {
        let key = reader.string()?;
        let kind = reader.u32()?;
        match key.as_str() {
            "general.alignment" => alignment = reader.u32_of(&key, kind)? as usize,
            "general.architecture" => gguf.architecture = Some(reader.string_of(&key, kind)?),
            "controlvector.model_hint" => gguf.model_hint = Some(reader.string_of(&key, kind)?),
            "controlvector.layer_count" => gguf.layer_count = Some(reader.count_of(&key, kind)?),
            _ => reader.skip_value(kind, 0)?,
        }
        if !keys.insert(key.clone()) {
            return Err(format!("its metadata says {key:?} twice"));
        }
    }
    if !alignment.is_power_of_two() {
        return Err(format!("its alignment is {alignment}"));
    }
    let descriptions =
        (0..n_tensors).map(|_| Description::read(&mut reader)).collect::<Result<Vec<_>, _>>()?;
    check_places(&descriptions, alignment)?;
    let start = reader.at.next_multiple_of(alignment);
    gguf.tensors = descriptions
        .into_iter()
        .map(|description| description.tensor(bytes, start))
        .collect::<Result<_, _>>()?;
    Ok(gguf)
}

/// Every tensor begins where one may, has a name of its own, and shares no byte with another.
fn check_places(descriptions: &[Description], alignment: usize) -> Result<(), String> {
    let mut names = HashSet::new();
    for Description { name, offset, .. } in descriptions {
        if !names.insert(name) {
            return Err(format!("it has two tensors {name}"));
        }
        if !offset.is_multiple_of(alignment) {
            return Err(format!(
                "the tensor {name} begins at {offset}, which is not a multiple of {alignment}"
            ));
        }
    }
    let mut ranges = descriptions
        .iter()
        .map(|description| Ok((description.offset, description.length()?, &description.name)))
        .collect::<Result<Vec<_>, String>>()?;
    ranges.sort_unstable();
    match ranges.windows(2).find(|pair| pair[0].0.saturating_add(pair[0].1) > pair[1].0 && pair[1].1 > 0) {
        Some(pair) => Err(format!("the tensors {} and {} overlap", pair[0].2, pair[1].2)),
        None => Ok(()),
    }
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

    /// Bytes of its data.
    fn length(&self) -> Result<usize, String> {
        let width = match self.kind {
            0 => 4,
            1 | 30 => 2,
            kind => return Err(format!("the tensor {} is of type {kind}, not F32, F16 or BF16", self.name)),
        };
        let length = self.shape.iter().try_fold(width, |product: usize, n| product.checked_mul(*n));
        length.ok_or_else(|| format!("the tensor {} reaches beyond the file", self.name))
    }

    fn tensor(self, bytes: &[u8], start: usize) -> Result<NamedTensor, String> {
        let length = self.length()?;
        let range = start.checked_add(self.offset).and_then(|from| Some(from..from.checked_add(length)?));
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

    /// A metadata value that has to be a string.
    fn string_of(&mut self, key: &str, kind: u32) -> Result<String, String> {
        if kind == 8 { self.string() } else { Err(format!("its {key} is not a string")) }
    }

    /// A metadata value that has to be a u32.
    fn u32_of(&mut self, key: &str, kind: u32) -> Result<u32, String> {
        if kind == 4 { self.u32() } else { Err(format!("its {key} is not a u32")) }
    }

    /// A metadata value that has to be an integer from 0: llama.cpp writes counts as i32, repeng as u32.
    fn count_of(&mut self, key: &str, kind: u32) -> Result<u64, String> {
        let signed = match kind {
            0 => self.array().map(|[byte]| byte.into())?,
            1 => self.array().map(i8::from_le_bytes)?.into(),
            2 => self.array().map(u16::from_le_bytes)?.into(),
            3 => self.array().map(i16::from_le_bytes)?.into(),
            4 => self.u32()?.into(),
            5 => self.array().map(i32::from_le_bytes)?.into(),
            10 => return self.u64(),
            11 => self.array().map(i64::from_le_bytes)?,
            _ => return Err(format!("its {key} is not an integer")),
        };
        u64::try_from(signed).map_err(|_| format!("its {key} is {signed}"))
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
    use super::*;

    /// What a test file says and holds.
    pub(in crate::vectors) struct Made<'a> {
        pub(in crate::vectors) architecture: &'a str,
        pub(in crate::vectors) hint: &'a str,
        pub(in crate::vectors) layers: u32,
        pub(in crate::vectors) directions: &'a [(&'a str, &'a [f32])],
    }

    impl Made<'_> {
        /// The bytes, as llama.cpp and repeng write them; `offset` may lie about where a tensor begins.
        pub(in crate::vectors) fn bytes(&self, offset: impl Fn(usize, u64) -> u64) -> Vec<u8> {
            self.bytes_with((4, &self.layers.to_le_bytes()), offset)
        }

        /// The same with a layer count of any type, in its bytes.
        fn bytes_with(&self, (kind, count): (u32, &[u8]), offset: impl Fn(usize, u64) -> u64) -> Vec<u8> {
            fn string(out: &mut Vec<u8>, text: &str) {
                out.extend((text.len() as u64).to_le_bytes());
                out.extend(text.as_bytes());
            }
            let mut out = b"GGUF".to_vec();
            out.extend(3u32.to_le_bytes());
            out.extend((self.directions.len() as u64).to_le_bytes());
            out.extend(3u64.to_le_bytes());
            for (key, value) in
                [("general.architecture", self.architecture), ("controlvector.model_hint", self.hint)]
            {
                string(&mut out, key);
                out.extend(8u32.to_le_bytes());
                string(&mut out, value);
            }
            string(&mut out, "controlvector.layer_count");
            out.extend(kind.to_le_bytes());
            out.extend(count);
            let mut true_offset = 0u64;
            for (i, (name, values)) in self.directions.iter().enumerate() {
                string(&mut out, name);
                out.extend(1u32.to_le_bytes());
                out.extend((values.len() as u64).to_le_bytes());
                out.extend(0u32.to_le_bytes());
                out.extend(offset(i, true_offset).to_le_bytes());
                true_offset += (values.len() as u64 * 4).next_multiple_of(32);
            }
            for (_, values) in self.directions {
                out.resize(out.len().next_multiple_of(32), 0);
                out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            }
            out
        }
    }

    /// A sound control vector.
    pub(in crate::vectors) fn file(directions: &[(&str, &[f32])]) -> Vec<u8> {
        let layers = directions.len() as u32;
        Made { architecture: "controlvector", hint: "llama", layers, directions }.bytes(|_, offset| offset)
    }

    #[test]
    fn a_layer_count_is_an_integer_of_any_width() {
        let directions: [(&str, &[f32]); 1] = [("direction.1", &[1.0, 2.0])];
        let made = Made { architecture: "controlvector", hint: "", layers: 0, directions: &directions };
        let with = |kind: u32, value: &[u8]| {
            read(&made.bytes_with((kind, value), |_, offset| offset)).map(|gguf| gguf.layer_count.unwrap())
        };
        // llama.cpp's generator writes an i32.
        assert_eq!(with(5, &31i32.to_le_bytes()), Ok(31));
        assert_eq!(with(0, &[31]), Ok(31));
        assert_eq!(with(3, &31i16.to_le_bytes()), Ok(31));
        assert_eq!(with(10, &31u64.to_le_bytes()), Ok(31));
        assert_eq!(with(11, &31i64.to_le_bytes()), Ok(31));
        assert_eq!(with(10, &[0xff; 8]), Ok(u64::MAX));
        assert_eq!(with(5, &(-1i32).to_le_bytes()), Err("its controlvector.layer_count is -1".to_owned()));
        let error = with(6, &31f32.to_le_bytes()).unwrap_err();
        assert!(error.contains("is not an integer"), "{error}");
    }

    #[test]
    fn tensors_lie_where_they_may_and_apart() {
        let values = [1.0; 16];
        let directions: [(&str, &[f32]); 3] =
            [("direction.1", &values), ("direction.2", &values), ("direction.3", &values)];
        let made = Made { architecture: "controlvector", hint: "", layers: 3, directions: &directions };
        assert_eq!(read(&made.bytes(|_, offset| offset)).unwrap().tensors.len(), 3);
        for (says, offsets) in [
            ("direction.1 and direction.2 overlap", [0, 0, 128]),
            ("direction.2 and direction.3 overlap", [0, 64, 96]),
            ("direction.1 and direction.3 overlap", [64, 0, 64]),
            ("begins at 65, which is not a multiple of 32", [0, 65, 128]),
            ("reaches beyond the file", [0, 64, 160]),
            ("reaches beyond the file", [0, 64, u64::MAX - 31]),
        ] {
            let error = read(&made.bytes(|i, _| offsets[i])).unwrap_err();
            assert!(error.contains(says), "{offsets:?}: {error}");
        }
        let twice: [(&str, &[f32]); 2] = [("direction.1", &values), ("direction.1", &values)];
        assert!(read(&file(&twice)).unwrap_err().contains("two tensors direction.1"));
    }
}
