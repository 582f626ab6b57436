//! The weight index of a sharded checkpoint: which files it names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::SourceError;
use crate::limits;

#[derive(Deserialize)]
struct WeightIndex {
    weight_map: BTreeMap<String, String>,
}

/// The shards that an index names, each once, in the order of their names.
pub(super) fn shard_names(path: &Path) -> Result<Vec<String>, SourceError> {
    names_of(path, &super::files::read_whole(path, limits::safetensors::LARGEST_INDEX)?)
}

/// The shards that the contents of an index name, each once, in the order of their names; `path` is the index.
///
/// # Errors
/// When it is no index, or a shard's name is more than the plain name of a file of the index's own kind.
pub fn names_of(path: &Path, bytes: &[u8]) -> Result<Vec<String>, SourceError> {
    // An index names files of its own kind.
    let is_torch = path.file_name().is_some_and(|name| name == super::layout::TORCH_INDEX);
    let end = if is_torch { super::layout::TORCH_END } else { ".safetensors" };
    let index: WeightIndex = serde_json::from_slice(bytes)
        .map_err(|source| SourceError::BadIndex { path: path.to_owned(), source })?;
    let mut names = BTreeSet::new();
    for (tensor, shard) in index.weight_map {
        if !is_shard_name(&shard, end) {
            return Err(SourceError::BadShardName { path: path.to_owned(), tensor, shard });
        }
        names.insert(shard);
    }
    if names.is_empty() {
        return Err(SourceError::EmptyIndex { path: path.to_owned() });
    }
    Ok(names.into_iter().collect())
}

/// `^[A-Za-z0-9._-]+{end}$`: a plain file name, whatever the system's separators are.
pub(super) fn is_shard_name(name: &str, end: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    name.strip_suffix(end).is_some_and(|stem| !stem.is_empty() && stem.bytes().all(plain))
}

#[cfg(test)]
mod tests {
    use super::is_shard_name;

    #[test]
    fn only_plain_names_are_shards() {
        for good in
            ["model.safetensors", "model-00001-of-00002.safetensors", "a_b.c.safetensors", "..safetensors"]
        {
            assert!(is_shard_name(good, ".safetensors"), "{good}");
        }
        let bad = ["", ".safetensors", "x.bin", "../x.safetensors", "/etc/x.safetensors", "a/b.safetensors"];
        let odd =
            ["a\\b.safetensors", "C:x.safetensors", "a\0.safetensors", "x.safetensors\n", "é.safetensors"];
        for bad in bad.iter().chain(&odd) {
            assert!(!is_shard_name(bad, ".safetensors"), "{bad:?}");
        }
    }
}
