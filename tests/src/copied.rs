//! Fixtures whose weights are changed before they are loaded.

use std::{fs, ops::Range, os::unix::fs::FileExt, path::PathBuf};

use half::{bf16, f16};
use lens_models::{
    Checkpoint,
    source::{Silent, SourceOptions, locate},
};
use safetensors::{Dtype, SafeTensors};

/// A fixture in a folder of its own. What is changed holds for checkpoints that are opened afterwards; drop those
/// that are open first, because they map the files.
pub struct Copied {
    folder: tempfile::TempDir,
    /// Its float tensors, by name.
    pub tensors: Vec<Stored>,
}

/// A float tensor of a file.
pub struct Stored {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    dtype: Dtype,
    file: PathBuf,
    bytes: Range<usize>,
}

impl Copied {
    /// A copy of a checkpoint fixture.
    pub fn of(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut tensors = Vec::new();
        let source = crate::fixtures().join("checkpoints").join(name);
        for entry in fs::read_dir(source).expect("a fixture is a folder") {
            let from = entry.expect("a readable folder").path();
            let file_name = from.file_name().expect("a file has a name").to_string_lossy().into_owned();
            if file_name.starts_with("golden") {
                continue;
            }
            let file = folder.path().join(&file_name);
            fs::copy(&from, &file).expect("a fixture's file can be copied");
            if file_name.ends_with(".safetensors") {
                tensors.extend(stored(&file));
            }
        }
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        Self { folder, tensors }
    }

    /// The checkpoint as it is now.
    pub fn open(&self) -> Checkpoint {
        let folder = self.folder.path().to_str().expect("a temporary folder's name is text");
        let files = locate(folder, &SourceOptions::from_lookup(|_| None), &mut Silent).expect("a checkpoint");
        Checkpoint::open(&files).expect("only values were changed")
    }

    /// Changes all values of a tensor, and returns a function's worth of bytes to put back with [`Copied::put_back`].
    pub fn change(&self, tensor: &Stored, change: impl FnOnce(&mut [f32])) -> Vec<u8> {
        let file =
            fs::File::options().read(true).write(true).open(&tensor.file).expect("a copy can be changed");
        let mut before = vec![0; tensor.bytes.len()];
        file.read_exact_at(&mut before, tensor.bytes.start as u64).expect("the tensor lies in the file");
        let mut values: Vec<f32> = match tensor.dtype {
            Dtype::F32 => before.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Dtype::BF16 => {
                before.as_chunks::<2>().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect()
            }
            _ => before.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
        };
        change(&mut values);
        let after: Vec<u8> = match tensor.dtype {
            Dtype::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Dtype::BF16 => values.iter().flat_map(|value| bf16::from_f32(*value).to_le_bytes()).collect(),
            _ => values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect(),
        };
        file.write_all_at(&after, tensor.bytes.start as u64).expect("the tensor lies in the file");
        before
    }

    /// Puts a tensor's bytes back.
    pub fn put_back(&self, tensor: &Stored, bytes: &[u8]) {
        let file = fs::File::options().write(true).open(&tensor.file).expect("a copy can be changed");
        file.write_all_at(bytes, tensor.bytes.start as u64).expect("the tensor lies in the file");
    }
}

fn stored(file: &PathBuf) -> Vec<Stored> {
    let bytes = fs::read(file).expect("a copy can be read");
    let (header, metadata) = SafeTensors::read_metadata(&bytes).expect("a sound fixture");
    let start = 8 + header;
    let float = |dtype| matches!(dtype, Dtype::F32 | Dtype::BF16 | Dtype::F16);
    metadata
        .tensors()
        .into_iter()
        .filter(|(_, info)| float(info.dtype))
        .map(|(name, info)| Stored {
            name,
            shape: info.shape.clone(),
            dtype: info.dtype,
            file: file.clone(),
            bytes: start + info.data_offsets.0..start + info.data_offsets.1,
        })
        .collect()
}
