//! A copy of a fixture in a folder of its own, to be broken.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use lens_checkpoint::{
    Checkpoint,
    checkpoint::OpenOptions,
    source::{Silent, SourceError, SourceOptions, locate},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{fixtures, said};

/// A copy of a fixture.
pub(crate) struct Copy {
    folder: TempDir,
}

/// A tensor as it lies in a file.
#[derive(Clone)]
pub(crate) struct Tensor {
    pub(crate) dtype: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) type Tensors = BTreeMap<String, Tensor>;

impl Copy {
    pub(crate) fn of(fixture: &str) -> Self {
        let folder = TempDir::new().unwrap();
        for entry in std::fs::read_dir(fixtures().join(fixture)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap();
            if path.is_file() && !name.to_str().unwrap().starts_with("golden") {
                std::fs::copy(&path, folder.path().join(name)).unwrap();
            }
        }
        Self { folder }
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Changes config.json.
    pub(crate) fn with_config(self, change: impl FnOnce(&mut Value)) -> Self {
        let mut config = self.config();
        change(&mut config);
        self.with_file("config.json", config.to_string().as_bytes())
    }

    pub(crate) fn config(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.path("config.json")).unwrap()).unwrap()
    }

    /// Sets one key of config.json.
    pub(crate) fn with_key(self, key: &str, value: Value) -> Self {
        self.with_config(|config| config[key] = value)
    }

    /// Writes a file.
    pub(crate) fn with_file(self, file: &str, bytes: &[u8]) -> Self {
        std::fs::write(self.path(file), bytes).unwrap();
        self
    }

    /// Changes the bytes of a file.
    pub(crate) fn with_bytes(self, file: &str, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut bytes = std::fs::read(self.path(file)).unwrap();
        change(&mut bytes);
        self.with_file(file, &bytes)
    }

    pub(crate) fn without_file(self, file: &str) -> Self {
        std::fs::remove_file(self.path(file)).unwrap();
        self
    }

    /// Changes the tensors of a file, which stays a sound safetensors file.
    pub(crate) fn with_tensors(self, file: &str, change: impl FnOnce(&mut Tensors)) -> Self {
        let mut tensors = read(&self.path(file));
        change(&mut tensors);
        self.with_file(file, &written(&tensors))
    }

    /// Opens the copy as a user would.
    pub(crate) fn open(&self) -> Result<Checkpoint, String> {
        self.open_with(&OpenOptions::default())
    }

    pub(crate) fn open_with(&self, options: &OpenOptions) -> Result<Checkpoint, String> {
        let folder = self.folder.path().to_str().unwrap();
        let located: Result<_, SourceError> =
            locate(folder, &SourceOptions::from_lookup(|_| None), &mut Silent);
        let files = located.map_err(|error| said(&error))?;
        Checkpoint::open_with(&files, options).map_err(|error| said(&error))
    }

    /// Why the copy cannot be opened.
    #[track_caller]
    pub(crate) fn refusal(&self) -> String {
        match self.open() {
            Ok(_) => panic!("the checkpoint was accepted"),
            Err(message) => message,
        }
    }
}

fn read(path: &Path) -> Tensors {
    let file = std::fs::read(path).unwrap();
    let header = 8 + u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    let entries: BTreeMap<String, Value> = serde_json::from_slice(&file[8..header]).unwrap();
    let number = |value: &Value| value.as_u64().unwrap() as usize;
    let tensor = |entry: &Value| Tensor {
        dtype: entry["dtype"].as_str().unwrap().to_owned(),
        shape: entry["shape"].as_array().unwrap().iter().map(number).collect(),
        bytes: file[header..][number(&entry["data_offsets"][0])..number(&entry["data_offsets"][1])].to_vec(),
    };
    let named = entries.iter().filter(|(name, _)| *name != "__metadata__");
    named.map(|(name, entry)| (name.clone(), tensor(entry))).collect()
}

fn written(tensors: &Tensors) -> Vec<u8> {
    let mut data = Vec::new();
    let mut header = serde_json::Map::new();
    for (name, Tensor { dtype, shape, bytes }) in tensors {
        let offsets = [data.len(), data.len() + bytes.len()];
        header.insert(name.clone(), json!({"dtype": dtype, "shape": shape, "data_offsets": offsets}));
        data.extend(bytes);
    }
    with_header(&Value::Object(header).to_string(), &data)
}

/// A safetensors file of a header and data.
pub(crate) fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(data);
    file
}
