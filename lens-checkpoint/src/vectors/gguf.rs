//! Control vectors in GGUF files.

use half::{bf16, f16};

use super::{NamedTensor, floats, named};
use crate::gguf::{BlockType, Header, HeaderError};

/// A file's tensors and what it says of them.
#[derive(Debug)]
pub(super) struct Gguf {
    pub(super) tensors: Vec<NamedTensor>,
    /// `general.architecture`.
    pub(super) architecture: Option<String>,
    /// `controlvector.model_hint`: the kind of model that it was made for.
    pub(super) model_hint: Option<String>,
    /// `controlvector.layer_count`: llama.cpp writes it as i32, repeng as u32.
    pub(super) layer_count: Option<u64>,
}

/// The float tensors of a file and its metadata.
pub(super) fn read(bytes: &[u8]) -> Result<Gguf, String> {
    let header = Header::read(bytes, bytes.len() as u64).map_err(|error| match error {
        HeaderError::Broken(reason) => reason,
        HeaderError::CutOff => "it ends in the middle of its header".to_owned(),
        HeaderError::Size { expected, actual } => {
            format!("a tensor reaches beyond the file: it ends at {expected}, the file at {actual}")
        }
    })?;
    let text = |key: &str| Ok::<_, String>(header.text(key)?.map(str::to_owned));
    let tensors = header.tensors.iter().map(|tensor| {
        let data = &bytes[tensor.range.clone()];
        let values = match tensor.kind {
            BlockType::F32 => floats(data, f32::from_le_bytes),
            BlockType::F16 => floats(data, |bytes| f16::from_le_bytes(bytes).to_f32()),
            BlockType::BF16 => floats(data, |bytes| bf16::from_le_bytes(bytes).to_f32()),
            kind => {
                return Err(format!("the tensor {} is of type {kind}, not F32, F16 or BF16", tensor.name));
            }
        };
        named(tensor.name.to_owned(), tensor.shape.clone(), values)
    });
    Ok(Gguf {
        tensors: tensors.collect::<Result<_, _>>()?,
        architecture: text("general.architecture")?,
        model_hint: text("controlvector.model_hint")?,
        layer_count: header.count("controlvector.layer_count")?,
    })
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
