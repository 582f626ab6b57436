//! Adapters that tests write.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;

/// An adapter in a folder of its own.
pub(crate) struct Written {
    pub(crate) folder: TempDir,
    pub(crate) config: Value,
    pub(crate) tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

/// Numbers that look random.
pub(crate) fn numbers(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7 + seed * 13) % 31) as f32 / 16.0 - 0.9).collect()
}

impl Written {
    /// LoRA of rank 2 and alpha 3 at these modules, `[out, in]` each.
    pub(crate) fn of(modules: &[(&str, usize, usize)]) -> Self {
        let mut tensors = BTreeMap::new();
        for (i, (module, d_out, d_in)) in modules.iter().enumerate() {
            tensors.insert(
                format!("base_model.model.{module}.lora_A.weight"),
                (vec![2, *d_in], numbers(2 * d_in, i)),
            );
            tensors.insert(
                format!("base_model.model.{module}.lora_B.weight"),
                (vec![*d_out, 2], numbers(2 * d_out, i + 5)),
            );
        }
        let targets: Vec<&str> =
            modules.iter().map(|(module, ..)| module.rsplit('.').next().unwrap()).collect();
        let config = json!({"peft_type": "LORA", "r": 2, "lora_alpha": 3, "target_modules": targets});
        Self { folder: TempDir::new().unwrap(), config, tensors }
    }

    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        self.config[key] = value;
        self
    }

    pub(crate) fn with_tensor(mut self, name: &str, shape: &[usize], value: f32) -> Self {
        self.tensors.insert(name.to_owned(), (shape.to_vec(), vec![value; shape.iter().product()]));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.tensors.remove(name).unwrap();
        self
    }

    /// Writes it to its folder.
    pub(crate) fn path(&self) -> &Path {
        self.write_to(self.folder.path());
        self.folder.path()
    }

    pub(crate) fn write_to(&self, folder: &Path) {
        std::fs::write(folder.join("adapter_config.json"), self.config.to_string()).unwrap();
        std::fs::write(folder.join("adapter_model.safetensors"), self.file()).unwrap();
    }

    /// The file of its tensors.
    pub(crate) fn file(&self) -> Vec<u8> {
        let mut data: Vec<u8> = Vec::new();
        let mut header = serde_json::Map::new();
        for (name, (shape, values)) in &self.tensors {
            let start = data.len();
            data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            header.insert(
                name.clone(),
                json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]}),
            );
        }
        let header = Value::Object(header).to_string();
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
    }
}
