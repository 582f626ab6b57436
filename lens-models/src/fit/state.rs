//! What a fit has to keep to go on later, in a file: safetensors, whose metadata say of which fit it is.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    path::{Path, PathBuf},
};

use lens_core::{Backend, TokenId};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tch::{Device, Kind, Tensor};

use super::FitError;
use crate::decoder::Decoder;

/// The version of the layout.
const FORMAT: &str = "lens-fit-1";

/// What is kept of a fit.
#[derive(Debug)]
pub(super) struct State {
    /// What determines the result, as far as it is not in the tensors: equal in every part of a fit.
    pub(super) settings: BTreeMap<String, Value>,
    /// How far the fit has come.
    pub(super) progress: Value,
    pub(super) tensors: BTreeMap<String, Tensor>,
}

impl State {
    /// Writes the file under another name and gives it its own once it is whole and on the disk, so that there is
    /// always a whole one, whenever the program dies.
    pub(super) fn write(&self, path: &Path) -> Result<(), FitError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| FitError::State {
            action: "write",
            path: path.to_owned(),
            source,
        };
        let draft = draft_of(path);
        self.write_draft(&draft).and_then(|()| Ok(fs::rename(&draft, path)?)).map_err(|error| {
            // What cannot be removed is in nobody's way: the next draft takes its place.
            let _ = fs::remove_file(&draft);
            failed(error)
        })
    }

    fn write_draft(&self, draft: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut stored = Vec::with_capacity(self.tensors.len());
        for (name, tensor) in &self.tensors {
            let shape: Vec<usize> = tensor.size().iter().map(|n| *n as usize).collect();
            stored.push((name, shape, bytes_of(tensor)?));
        }
        let views = stored.iter().map(|(name, shape, bytes)| {
            Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?))
        });
        let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
        let metadata = HashMap::from([
            ("format".to_owned(), FORMAT.to_owned()),
            ("settings".to_owned(), serde_json::to_string(&self.settings)?),
            ("progress".to_owned(), self.progress.to_string()),
        ]);
        safetensors::serialize_to_file(views, Some(metadata), draft)?;
        Ok(File::open(draft)?.sync_all()?)
    }

    /// Reads the state of the fit that `settings` determine; `None` where there is no file.
    pub(super) fn read(path: &Path, settings: &BTreeMap<String, Value>) -> Result<Option<Self>, FitError> {
        if !path.exists() {
            return Ok(None);
        }
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| FitError::State {
            action: "read",
            path: path.to_owned(),
            source,
        };
        let state = Self::parse(path).map_err(failed)?;
        let names = state.settings.keys().chain(settings.keys());
        let mut different: Vec<String> = names
            .filter(|name| state.settings.get(*name) != settings.get(*name))
            .map(|name| {
                let said = |settings: &BTreeMap<String, Value>| {
                    settings.get(name).map_or("nothing".to_owned(), Value::to_string)
                };
                format!("{name} ({} there, {} here)", said(&state.settings), said(settings))
            })
            .collect();
        different.sort_unstable();
        different.dedup();
        if !different.is_empty() {
            return Err(FitError::OtherState { what: different.join(", ") });
        }
        Ok(Some(state))
    }

    fn parse(path: &Path) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let bytes = fs::read(path)?;
        let (_, header) = SafeTensors::read_metadata(&bytes)?;
        let said = |key: &str| header.metadata().as_ref().and_then(|metadata| metadata.get(key));
        if said("format").is_none_or(|format| format != FORMAT) {
            return Err(format!("its metadata do not say that its format is {FORMAT}").into());
        }
        let parsed = |key: &str| said(key).ok_or_else(|| format!("its metadata have no {key}"));
        let mut tensors = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(&bytes)?.tensors() {
            if view.dtype() != Dtype::F32 {
                return Err(format!("{name} is {:?}, not F32", view.dtype()).into());
            }
            let values: Vec<f32> =
                view.data().as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect();
            let shape: Vec<i64> = view.shape().iter().map(|n| *n as i64).collect();
            tensors.insert(name, Tensor::f_from_slice(&values)?.f_view(shape.as_slice())?);
        }
        Ok(Self {
            settings: serde_json::from_str(parsed("settings")?)?,
            progress: serde_json::from_str(parsed("progress")?)?,
            tensors,
        })
    }

    /// Takes a tensor of this shape, to a device.
    pub(super) fn take(&mut self, name: &str, like: &Tensor) -> Result<Tensor, FitError> {
        let found = self.tensors.remove(name).filter(|found| found.size() == like.size());
        let found = found.ok_or_else(|| FitError::OtherState { what: format!("the shapes of {name}") })?;
        Ok(found.f_to_device(like.device()).map_err(crate::decoder::ModelError::from)?)
    }
}

fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".draft");
    path.with_file_name(name)
}

fn bytes_of(tensor: &Tensor) -> Result<Vec<u8>, tch::TchError> {
    let tensor = tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?;
    let mut values = vec![0f32; tensor.numel()];
    tensor.f_copy_data(&mut values, tensor.numel())?;
    Ok(values.into_iter().flat_map(f32::to_le_bytes).collect())
}

/// What a model has to share with another for their fits to go on from each other.
pub(super) fn settings_of(kind: &str, model: &Decoder) -> BTreeMap<String, Value> {
    let info = model.info();
    let pairs: [(&str, Value); 7] = [
        ("kind", kind.into()),
        ("model", info.id.clone().into()),
        ("revision", info.revision.clone().into()),
        ("family", info.family.clone().into()),
        ("n_layers", info.n_layers.into()),
        ("d_model", info.d_model.into()),
        ("dtype", info.dtype.to_string().into()),
    ];
    // With an adapter in it a model is another one.
    let adapters = Some(model.adapters()).filter(|adapters| !adapters.is_empty());
    let adapters = adapters.map(|adapters| ("adapters", adapters.join(" + ").into()));
    pairs.into_iter().chain(adapters).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What a lens's file says of how it was fitted: the settings, without those that it says elsewhere.
pub(super) fn fitted_with(settings: BTreeMap<String, Value>) -> BTreeMap<String, String> {
    const ELSEWHERE: [&str; 5] = ["kind", "model", "revision", "n_layers", "d_model"];
    let told = settings.into_iter().filter(|(name, value)| !ELSEWHERE.contains(&&**name) && !value.is_null());
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    told.map(|(name, value)| (name, text(value))).collect()
}

/// The SHA-256 of tokens, in hexadecimal.
pub(super) fn digest<'a>(tokens: impl IntoIterator<Item = &'a TokenId>) -> String {
    let mut hash = Sha256::new();
    tokens.into_iter().for_each(|token| hash.update(token.0.to_le_bytes()));
    format!("{:x}", hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(step: u64) -> State {
        State {
            settings: BTreeMap::from([("seed".to_owned(), step.into())]),
            progress: step.into(),
            tensors: BTreeMap::from([("a".to_owned(), Tensor::from_slice(&[1.5f32, -0.1]).view([2, 1]))]),
        }
    }

    #[test]
    fn a_state_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fit.state");
        assert!(State::read(&path, &BTreeMap::new()).unwrap().is_none());
        state(3).write(&path).unwrap();
        let mut back = State::read(&path, &state(3).settings).unwrap().unwrap();
        assert_eq!(back.progress, Value::from(3));
        let like = Tensor::zeros([2, 1], (Kind::Float, Device::Cpu));
        let tensor = back.take("a", &like).unwrap();
        assert_eq!(Vec::<f32>::try_from(tensor.view(-1)).unwrap(), [1.5, -0.1]);
        assert!(back.take("a", &like).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a draft stayed");
    }

    #[test]
    fn a_state_of_another_fit_is_refused_by_what_differs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fit.state");
        state(3).write(&path).unwrap();
        let message = State::read(&path, &state(4).settings).unwrap_err().to_string();
        assert!(message.contains("seed (3 there, 4 here) differ"), "{message}");
        fs::write(&path, &fs::read(&path).unwrap()[..40]).unwrap();
        let message = State::read(&path, &state(3).settings).unwrap_err().to_string();
        assert!(message.contains("cannot read the state of the fit"), "{message}");
    }
}
