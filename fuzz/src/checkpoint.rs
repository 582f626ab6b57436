//! Files of weights: headers, pickles, blocks.

use std::{path::Path, sync::OnceLock};

use lens_checkpoint::{
    Checkpoint,
    checkpoint::{OpenOptions, TensorIndex},
    lenses,
    source::index,
    vectors::VectorFile,
};

use crate::fixtures;

/// A file of safetensors as it stands, and the index of a sharded checkpoint.
///
/// What is accepted lies within the file, apart from each other, as long as its shape and type say and covers the data
/// without a gap; the safetensors crate accepts it too; a second file with the same tensors is refused. Names of shards
/// are plain names.
pub fn safetensors_index(data: &[u8]) {
    let path = Path::new("model.safetensors.index.json");
    if let Ok(names) = index::names_of(path, data) {
        assert!(!names.is_empty());
        for name in names {
            assert!(
                Path::new(&name).components().count() == 1 && !name.contains(['/', '\\', '\0', ':']),
                "{name:?}"
            );
        }
    }
    let mut index = TensorIndex::default();
    if index.add_shard("model.safetensors", data, data.len() as u64).is_err() {
        return;
    }
    let (header, _) =
        safetensors::SafeTensors::read_metadata(data).expect("what is accepted here is a safetensors file");
    let mut ranges = Vec::new();
    for (name, tensor) in index.iter() {
        assert!(tensor.shape.len() <= 8 && tensor.made.is_none());
        if let Ok(dtype) = &tensor.dtype {
            let count = tensor.shape.iter().try_fold(dtype.bytes(), |bytes, n| bytes.checked_mul(*n));
            assert_eq!(count, Some(tensor.range.len()), "{name}");
        }
        ranges.push(tensor.range.clone());
    }
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut end = header + 8;
    for range in ranges {
        assert_eq!(range.start, end, "a gap, or two tensors in one place");
        end = range.end;
    }
    assert_eq!(end, data.len());
    let is_empty = index.iter().next().is_none();
    assert_eq!(index.add_shard("another", data, data.len() as u64).is_ok(), is_empty);
}

/// A file of `torch.save`: as weights, and as a lens.
///
/// Every tensor that is accepted can be read, lies within the file, and is as long as its shape says.
pub fn unpickle(data: &[u8]) {
    let mut index = TensorIndex::default();
    if index.add_torch("pytorch_model.bin", data).is_ok() {
        for (name, tensor) in index.iter() {
            assert!(tensor.range.end <= data.len(), "{name}");
            if let (Ok(dtype), None) = (&tensor.dtype, &tensor.made) {
                let count = tensor.shape.iter().try_fold(dtype.bytes(), |bytes, n| bytes.checked_mul(*n));
                assert_eq!(count, Some(tensor.range.len()), "{name}");
            }
        }
    }
    let file = crate::data::file("lens.pt", data);
    if let Ok(lens) = lenses::open(file.path()) {
        assert!(lens.translator.points().count() < 1 << 20);
    }
}

/// A GGUF file: as a model, and as a control vector.
///
/// Tensors that are accepted have values in the number that their shape says, and lie apart from each other. What the
/// metadata amounts to is a JSON object.
pub fn gguf(data: &[u8]) {
    if !data.starts_with(b"GGUF") {
        return;
    }
    let mut index = TensorIndex::default();
    if let Ok(config) = index.add_gguf("model.gguf", data, data.len() as u64) {
        let config: serde_json::Value = serde_json::from_slice(&config).expect("a config is JSON");
        assert!(config.is_object());
        for (name, tensor) in index.iter() {
            assert!(tensor.range.end <= data.len(), "{name}");
        }
    }
    if let Ok(checkpoint) =
        Checkpoint::of_contents("gguf", b"", &[("model.gguf", data)], &OpenOptions::default())
    {
        check_values(&checkpoint);
        if let Ok(Some(tokenizer)) = checkpoint.tokenizer() {
            drop(tokenizer.encode("a text", true));
        }
    }
    if let Ok(vectors) = VectorFile::parse("vector.gguf", data) {
        for layer in 0..4 {
            drop(vectors.for_layer(None, layer));
        }
        assert!(!vectors.notes("llama", "id", 4).iter().any(String::is_empty));
    }
}

/// Checkpoints with quantised weights, of every format that is read, some bytes of which are others.
///
/// The first byte chooses the checkpoint; each five bytes after it say where a byte is changed, and how. Every tensor
/// that is accepted has values in the number that its shape says, all of them finite where it is made, or is refused by
/// name.
pub fn quantised_blocks(data: &[u8]) {
    /// The name of a file of weights, its config, and its bytes.
    type Stored = (&'static str, Vec<u8>, Vec<u8>);
    static CHECKPOINTS: OnceLock<Vec<Stored>> = OnceLock::new();
    let checkpoints = CHECKPOINTS.get_or_init(|| {
        let folders = fixtures::names("quantised");
        let of = |file: &str, folder: &String| fixtures::read(&format!("quantised/{folder}/{file}"));
        let other =
            |folder| ("model.safetensors", of("config.json", folder), of("model.safetensors", folder));
        // Every type of ggml's blocks in one model, whose config is its own.
        let blocks = ("model.gguf", b"{}".to_vec(), fixtures::read("gguf/mixed/model.gguf"));
        folders.iter().map(other).chain([blocks]).collect()
    });
    let Some((which, edits)) = data.split_first() else { return };
    let which = usize::from(*which);
    let (name, config, weights) = &checkpoints[which % checkpoints.len()];
    let (mut config, mut weights) = (config.clone(), weights.clone());
    for edit in edits.chunks_exact(5) {
        let at = u32::from_le_bytes([edit[0], edit[1], edit[2], edit[3] & 0x7f]) as usize;
        let into = if edit[3] & 0x80 == 0 { &mut weights } else { &mut config };
        let at = at % into.len();
        into[at] = edit[4];
    }
    let files = [(*name, &weights[..])];
    if let Ok(checkpoint) = Checkpoint::of_contents("quantised", &config, &files, &OpenOptions::default()) {
        check_values(&checkpoint);
    }
}

/// Reads every tensor of a checkpoint.
fn check_values(checkpoint: &Checkpoint) {
    for (name, tensor) in checkpoint.outline().tensors.iter() {
        let Ok(dtype) = tensor.dtype else { continue };
        let Ok(values) = checkpoint.values(tensor) else { continue };
        let count = tensor.shape.iter().product::<usize>();
        assert_eq!(values.len(), count * dtype.bytes(), "{name}");
        if tensor.made.is_some() && dtype == lens_core::Dtype::F32 {
            let finite =
                |value: &[u8]| f32::from_le_bytes([value[0], value[1], value[2], value[3]]).is_finite();
            assert!(values.chunks_exact(4).all(finite), "{name} was made with values that are not finite");
        }
    }
}
