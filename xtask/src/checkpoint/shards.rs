//! Weight files: which tensor is in which, and their bytes (<https://github.com/huggingface/safetensors#format>).

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::thread;

use super::tensor::{Dtype, Tensor};

/// Bytes that are made and written in one go.
const PIECE: usize = 32 << 20;

/// Some tensors that share a file.
pub(super) struct Shard {
    /// The name of its file.
    pub(super) file: String,
    header: Vec<u8>,
    dtype: Dtype,
    tensors: Vec<Tensor>,
}

/// All weight files, none larger than `limit` unless a single tensor is, in the usual names.
pub(super) fn split(tensors: Vec<Tensor>, dtype: Dtype, limit: u64) -> Vec<Shard> {
    let mut groups: Vec<Vec<Tensor>> = Vec::new();
    let mut used = 0;
    for tensor in tensors {
        let bytes = tensor.numel() * dtype.bytes();
        match groups.last_mut() {
            Some(group) if used + bytes <= limit => {
                used += bytes;
                group.push(tensor);
            }
            _ => {
                used = bytes;
                groups.push(vec![tensor]);
            }
        }
    }
    let n = groups.len();
    let file = |i: usize| match n {
        1 => "model.safetensors".to_owned(),
        _ => format!("model-{:05}-of-{n:05}.safetensors", i + 1),
    };
    groups.into_iter().enumerate().map(|(i, tensors)| Shard::new(file(i), dtype, tensors)).collect()
}

/// model.safetensors.index.json, or nothing for a single file.
pub(super) fn index(shards: &[Shard]) -> Option<String> {
    if shards.len() == 1 {
        return None;
    }
    let total: u64 = shards.iter().map(Shard::data_bytes).sum();
    let places = shards.iter().flat_map(|shard| {
        shard.tensors.iter().map(|tensor| format!("    \"{}\": \"{}\"", tensor.name, shard.file))
    });
    let places = places.collect::<Vec<_>>().join(",\n");
    Some(format!(
        "{{\n  \"metadata\": {{\"total_size\": {total}}},\n  \"weight_map\": {{\n{places}\n  }}\n}}\n"
    ))
}

impl Shard {
    fn new(file: String, dtype: Dtype, tensors: Vec<Tensor>) -> Self {
        let mut json = String::from(r#"{"__metadata__":{"format":"pt"}"#);
        let mut end = 0;
        for tensor in &tensors {
            let start = end;
            end += tensor.numel() * dtype.bytes();
            json.push_str(&format!(
                r#","{}":{{"dtype":"{}","shape":{:?},"data_offsets":[{start},{end}]}}"#,
                tensor.name,
                dtype.in_header(),
                tensor.shape,
            ));
        }
        json.push('}');
        let length = json.len().next_multiple_of(8);
        let header = format!("{json:length$}");
        let header = [&(length as u64).to_le_bytes(), header.as_bytes()].concat();
        Self { file, header, dtype, tensors }
    }

    fn data_bytes(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.numel() * self.dtype.bytes()).sum()
    }

    /// The size of its file.
    pub(super) fn bytes(&self) -> u64 {
        self.header.len() as u64 + self.data_bytes()
    }

    /// Writes the file into `folder`, with no more than a piece of it in memory.
    pub(super) fn write(&self, folder: &Path, seed: u64) -> io::Result<()> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let mut out = File::create(folder.join(&self.file))?;
        out.write_all(&self.header)?;
        let mut piece = vec![0; PIECE];
        for tensor in &self.tensors {
            let numbers = tensor.numbers(self.dtype, seed);
            let bytes = tensor.numel() * self.dtype.bytes();
            let mut done = 0;
            while done < bytes {
                let length = PIECE.min((bytes - done) as usize);
                numbers.fill(done / self.dtype.bytes(), &mut piece[..length], threads);
                out.write_all(&piece[..length])?;
                done += length as u64;
            }
        }
        Ok(())
    }
}
