//! Headers of safetensors files, checked before a byte of a tensor is looked at.

use std::{collections::BTreeMap, collections::BTreeSet, fmt, ops::Range};

pub use lens_core::Dtype as StoredDtype;
use safetensors::{Dtype, tensor::Metadata};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

use super::CheckpointError;
use crate::limits::safetensors::{LONGEST_HEADER, MOST_DIMENSIONS, MOST_TENSORS};
use crate::made::Made;

/// A tensor in a weight file: where it lies, its type and its shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTensor {
    /// Which file, as an index into the checkpoint's shards.
    pub shard: usize,
    /// Its type, if a decoder can use it; else the name that the file gives it.
    pub dtype: Result<StoredDtype, String>,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its bytes in the file; none where it is made of others.
    pub range: Range<usize>,
    /// How its values come about, where they are not stored as they are.
    pub made: Option<Made>,
}

impl StoredTensor {
    /// A tensor that is made, in the dtype that its values are rounded to.
    pub(crate) fn of_made(made: Made, dtype: StoredDtype) -> Self {
        Self { shard: 0, dtype: Ok(dtype), shape: made.shape().to_vec(), range: 0..0, made: Some(made) }
    }

    /// Bytes that it takes in the files.
    pub fn stored_bytes(&self) -> usize {
        self.made.as_ref().map_or(self.range.len(), Made::stored_bytes)
    }
}

/// Every tensor of a checkpoint, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TensorIndex {
    tensors: BTreeMap<String, StoredTensor>,
    shards: usize,
}

impl TensorIndex {
    /// No tensors yet, of files after the first `files` of a checkpoint.
    pub(super) fn after(files: usize) -> Self {
        Self { shards: files, ..Self::default() }
    }

    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Option<&StoredTensor> {
        self.tensors.get(name)
    }

    /// Names and tensors, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &StoredTensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// The same tensors, each under the name that `rename` gives it; `None` if two would get the same.
    pub(super) fn renamed(&self, rename: impl Fn(&str) -> String) -> Option<Self> {
        let tensors: BTreeMap<_, _> =
            self.tensors.iter().map(|(name, tensor)| (rename(name), tensor.clone())).collect();
        (tensors.len() == self.tensors.len()).then_some(Self { tensors, shards: self.shards })
    }

    /// The tensors whose names `holds` is true of, and the others.
    pub(super) fn split(self, holds: impl Fn(&str) -> bool) -> (Self, Self) {
        let (these, others) = self.tensors.into_iter().partition(|(name, _)| holds(name));
        (Self { tensors: these, shards: self.shards }, Self { tensors: others, shards: self.shards })
    }

    /// Adds the tensors of one more file: `start` is its beginning, at least up to the end of the header, and
    /// `file_size` its whole length.
    ///
    /// # Errors
    /// When the header is broken, lies about the file, or names a tensor that another file has.
    pub fn add_shard(&mut self, file: &str, start: &[u8], file_size: u64) -> Result<(), CheckpointError> {
        let broken = |reason: String| CheckpointError::BrokenHeader { file: file.to_owned(), reason };
        if start.starts_with(b"version https://git-lfs") {
            return Err(CheckpointError::LfsPointer { file: file.to_owned() });
        }
        let length = start.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
        if let Some(length) = length.filter(|length| *length > LONGEST_HEADER && *length < file_size) {
            return Err(broken(format!(
                "it would be {length} bytes long, {LONGEST_HEADER} at most are allowed"
            )));
        }
        let header = length
            .and_then(|length| usize::try_from(length).ok()?.checked_add(8))
            .and_then(|end| start.get(8..end))
            .ok_or_else(|| broken("the file ends inside its header: it may be truncated".to_owned()))?;
        serde_json::from_slice::<UniqueKeys>(header).map_err(|error| broken(error.to_string()))?;
        let metadata: Metadata = serde_json::from_slice(header).map_err(|error| broken(error.to_string()))?;
        let data = 8 + header.len();
        let expected = (data + metadata.data_len()) as u64;
        if expected != file_size {
            return Err(CheckpointError::WrongSize { file: file.to_owned(), expected, actual: file_size });
        }
        for (name, info) in metadata.tensors() {
            if info.shape.len() > MOST_DIMENSIONS || info.shape.iter().any(|n| i64::try_from(*n).is_err()) {
                return Err(broken(format!("tensor {name:?} has the absurd shape {:?}", info.shape)));
            }
            let tensor = StoredTensor {
                shard: self.shards,
                dtype: supported(info.dtype).ok_or_else(|| format!("{:?}", info.dtype)),
                shape: info.shape.clone(),
                range: data + info.data_offsets.0..data + info.data_offsets.1,
                made: None,
            };
            self.insert(file, &name, tensor)?;
        }
        self.shards += 1;
        Ok(())
    }

    /// Adds the tensors of a file of another format, whose reader gives them the number of the file.
    ///
    /// # Errors
    /// When another file has a tensor of that name.
    pub(crate) fn add_file(
        &mut self,
        file: &str,
        tensors: impl FnOnce(usize) -> Vec<(String, StoredTensor)>,
    ) -> Result<(), CheckpointError> {
        for (name, tensor) in tensors(self.shards) {
            self.insert(file, &name, tensor)?;
        }
        self.shards += 1;
        Ok(())
    }

    /// Takes tensors out.
    pub(super) fn remove<'a>(&mut self, names: impl Iterator<Item = &'a String>) {
        names.for_each(|name| drop(self.tensors.remove(name)));
    }

    /// Puts a tensor in, in the place of another if there is one.
    pub(super) fn put(&mut self, name: &str, tensor: StoredTensor) {
        self.tensors.insert(name.to_owned(), tensor);
    }

    /// Lets an embedding be the unembedding `head` as well, as a tensor that is changed by itself; what is to be said.
    pub(super) fn set_apart(&mut self, embed: &str, head: &str) -> Option<String> {
        let mut tensor = self.tensors.get(embed)?.clone();
        tensor.made = tensor.made.map(|made| made.with_name(head));
        self.put(head, tensor);
        Some(format!(
            "the model's unembedding is its embedding, and an adapter changes only one of them or each by itself: {embed} \
             and {head} are read apart, as while the adapter is attached (peft's merge_and_unload would change both)"
        ))
    }

    /// The tensor of that name, to be changed.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut StoredTensor> {
        self.tensors.get_mut(name)
    }

    fn insert(&mut self, file: &str, name: &str, tensor: StoredTensor) -> Result<(), CheckpointError> {
        match self.tensors.insert(name.to_owned(), tensor) {
            None => Ok(()),
            Some(_) => Err(CheckpointError::TwiceStored { file: file.to_owned(), name: name.to_owned() }),
        }
    }
}

/// A JSON object none of whose keys appears twice. The safetensors crate takes the last of two, so that two
/// readers may see two different tensors of one name.
struct UniqueKeys;

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = UniqueKeys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueKeys, A::Error> {
                let mut seen = BTreeSet::new();
                while let Some(key) = map.next_key::<String>()? {
                    map.next_value::<IgnoredAny>()?;
                    if seen.len() == MOST_TENSORS {
                        let most = format!("it names more than {MOST_TENSORS} tensors");
                        return Err(serde::de::Error::custom(most));
                    }
                    if let Some(key) = seen.replace(key) {
                        return Err(serde::de::Error::custom(format!("the tensor {key:?} appears twice")));
                    }
                }
                Ok(UniqueKeys)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// The type as a decoder uses it, if one can.
fn supported(dtype: Dtype) -> Option<StoredDtype> {
    match dtype {
        Dtype::F32 => Some(StoredDtype::F32),
        Dtype::BF16 => Some(StoredDtype::Bf16),
        Dtype::F16 => Some(StoredDtype::F16),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    }

    fn add(bytes: &[u8]) -> Result<TensorIndex, CheckpointError> {
        let mut index = TensorIndex::default();
        index.add_shard("model.safetensors", bytes, bytes.len() as u64).map(|()| index)
    }

    const GOOD: &str = r#"{"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}}"#;

    #[test]
    fn a_sound_header_is_read() {
        let bytes = file(GOOD, 12);
        let index = add(&bytes).unwrap();
        let tensor = index.get("a").unwrap();
        assert_eq!(
            (tensor.dtype.clone(), tensor.shape.as_slice()),
            (Ok(StoredDtype::Bf16), [2, 3].as_slice())
        );
        assert_eq!(tensor.range, bytes.len() - 12..bytes.len());
    }

    #[test]
    fn a_header_that_lies_is_refused() {
        let two = r#"{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}"#;
        let huge = r#"{"a":{"dtype":"BF16","shape":[9223372036854775808,0],"data_offsets":[0,0]}}"#;
        let overlap = r#"{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[2,6]}}"#;
        for (what, bytes) in [
            ("truncated data", file(GOOD, 11)),
            ("trailing data", file(GOOD, 13)),
            ("duplicate key", file(two, 4)),
            ("shape beyond i64", file(huge, 0)),
            ("overlap", file(overlap, 6)),
            ("no object", file("[]", 0)),
            ("empty", Vec::new()),
            ("length beyond the file", u64::MAX.to_le_bytes().to_vec()),
            (
                "a git-lfs pointer",
                b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n".to_vec(),
            ),
        ] {
            assert!(add(&bytes).is_err(), "{what} was accepted");
        }
    }
}
