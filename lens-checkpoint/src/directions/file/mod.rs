//! Vectors in files: the decoders of sparse autoencoders, probes, steering vectors.
//!
//! What a file is, is told by its first bytes: safetensors, NumPy's npy and npz, a file of `torch.save` (read as data:
//! nothing in it is run), or a GGUF control vector. A folder is that of a sparse autoencoder as SAELens, sparsify, Gemma
//! Scope or dictionary_learning lay it out. Arrays stay in the mapped file, unless they are packed in an npz.

mod choose;
mod error;
mod folder;
mod npz;
mod place;
mod torch;

use std::{path::Path, sync::Arc};

use lens_core::Selection;

pub use error::DirectionFileError;
use place::{FileTensor, Order, Place};

use super::{Directions, Origin, Rows};
use crate::{
    checkpoint::{Bytes, Outline, StoredDtype, TensorIndex},
    host::{HostError, ValueType, View},
    npy,
    vectors::VectorFile,
};

/// Which vectors of a file are wanted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Choice {
    /// Names of tensors; without any, the decoder of a sparse autoencoder, the directions of a steering file, or the one
    /// tensor that fits the model.
    pub tensors: Vec<String>,
    /// Whether vectors are columns where both would fit.
    pub transpose: bool,
    /// Which vectors of each tensor.
    pub rows: Selection,
}

impl Choice {
    /// Everything.
    pub fn all() -> Self {
        Self { tensors: Vec::new(), transpose: false, rows: Selection::all() }
    }

    lens_core::setters! {
        /// Names of tensors; without any, the decoder of a sparse autoencoder, the directions of a steering file, or the
        /// one tensor that fits the model.
        with_tensors => tensors: Vec<String>,
        /// Whether vectors are columns where both would fit.
        with_transpose => transpose: bool,
        /// Which vectors of each tensor.
        with_rows => rows: Selection,
    }
}

/// A file of vectors.
#[derive(Debug)]
pub struct DirectionFile {
    path: String,
    /// The file, where tensors lie in it.
    bytes: Option<Bytes>,
    tensors: Vec<FileTensor>,
    /// What a GGUF file says of its vectors.
    control: Option<VectorFile>,
    /// The layer that the folder's config says.
    layer: Option<u16>,
    notes: Vec<String>,
}

impl DirectionFile {
    /// Opens a file or a folder.
    ///
    /// # Errors
    /// When it cannot be read, is of no known kind, or is broken.
    pub fn open(path: &Path) -> Result<Self, DirectionFileError> {
        if path.is_dir() {
            let folder = folder::Folder::read(path)?;
            let mut file = Self::open_file(&folder.weights)?;
            (file.layer, file.notes) = (folder.layer, [folder.notes, file.notes].concat());
            return Ok(file);
        }
        Self::open_file(path)
    }

    fn open_file(path: &Path) -> Result<Self, DirectionFileError> {
        let name = path.display().to_string();
        let opened = Bytes::of_file(path);
        let (bytes, note) = opened
            .map_err(|source| DirectionFileError::Open { path: name.clone(), source: Box::new(source) })?;
        let mut file = Self {
            path: name.clone(),
            bytes: None,
            tensors: Vec::new(),
            control: None,
            layer: None,
            notes: note.into_iter().collect(),
        };
        let broken = |reason: String| DirectionFileError::Broken { path: name.clone(), reason };
        let start = bytes.as_slice();
        if start.starts_with(b"GGUF") {
            let vectors = VectorFile::read(path)?;
            file.tensors = vectors.clone().into_tensors().into_iter().map(FileTensor::of_floats).collect();
            file.control = Some(vectors);
            return Ok(file);
        }
        file.tensors = match start {
            _ if start.starts_with(npy::MAGIC) => {
                vec![npz::array_at(String::new(), start, 0..start.len()).map_err(broken)?]
            }
            _ if torch::is_saved(start) => torch::tensors(start)
                .map_err(|source| DirectionFileError::Pickle { path: name.clone(), source })?,
            _ if start.starts_with(b"PK") => npz::arrays(start).map_err(broken)?,
            _ => safetensors(&name, start)?,
        };
        if file.tensors.is_empty() {
            return Err(broken("it holds no tensor".to_owned()));
        }
        file.bytes = Some(bytes);
        Ok(file)
    }

    /// The vectors that `choice` asks for, as directions of a model.
    ///
    /// # Errors
    /// When there is no such tensor, it is unclear which is meant, none fits the model's width, or nothing is selected.
    pub fn directions(
        &mut self,
        outline: &Outline,
        choice: &Choice,
    ) -> Result<Directions<'_>, DirectionFileError> {
        let d_model = outline.spec.d_model;
        let mut chosen = choose::choose(self, choice, d_model)?;
        let mut notes = std::mem::take(&mut self.notes);
        notes.append(&mut chosen.notes);
        if let Some(control) = &self.control {
            notes.extend(control.notes(&outline.spec.family, &outline.id, outline.spec.layers.len()));
        }
        for oriented in &chosen.tensors {
            notes.extend(self.unpack(oriented.index)?);
        }
        let mut directions = Directions::new(notes);
        for oriented in &chosen.tensors {
            let tensor = &self.tensors[oriented.index];
            let rows = self.view(tensor, oriented.columns)?;
            let n = rows.shape()[0];
            let layer = direction_layer(&tensor.name).or(self.layer);
            let origin = Origin::Tensor { name: Arc::from(self.shown(tensor)), layer };
            directions.push(origin, (n, &choice.rows, "row"), FileRows(rows))?;
        }
        Ok(directions)
    }

    /// A tensor's name; the one array of a file has that of the file.
    fn shown<'a>(&'a self, tensor: &'a FileTensor) -> &'a str {
        match tensor.name.as_str() {
            "" => Path::new(&self.path).file_stem().and_then(|stem| stem.to_str()).unwrap_or("array"),
            name => name,
        }
    }

    /// Brings a packed tensor into memory; a sentence on what that costs.
    fn unpack(&mut self, index: usize) -> Result<Option<String>, DirectionFileError> {
        let Self { path, bytes, tensors, .. } = self;
        let (Some(bytes), Place::Packed { data, skip, size }) = (bytes, &tensors[index].place) else {
            return Ok(None);
        };
        let packed = bytes.as_slice().get(data.clone()).unwrap_or_default();
        let unpacked = npz::unpacked(packed, *skip, *size)
            .map_err(|reason| DirectionFileError::Broken { path: path.clone(), reason })?;
        let size = lens_core::ByteSize(unpacked.len() as u64);
        tensors[index].place = Place::Memory(unpacked);
        Ok(Some(format!("{} is packed in {path}: all {size} of it are in memory", tensors[index].name)))
    }

    /// A tensor as a matrix with rows of `d_model`.
    fn view<'a>(&'a self, tensor: &'a FileTensor, columns: bool) -> Result<View<'a>, DirectionFileError> {
        let broken = |reason: String| DirectionFileError::Broken { path: self.path.clone(), reason };
        let ty = tensor.ty.clone().map_err(|ty| {
            let tensor = self.shown(tensor).to_owned();
            DirectionFileError::Dtype { path: self.path.clone(), tensor, ty }
        })?;
        let mapped = self.bytes.as_ref().map_or(&[][..], Bytes::as_slice);
        let bytes = match &tensor.place {
            Place::File(range) => mapped.get(range.clone()).unwrap_or_default(),
            Place::Memory(bytes) => bytes,
            Place::Floats(values) => bytemuck::cast_slice(values),
            Place::Packed { .. } => return Err(broken(format!("{} is still packed", tensor.name))),
        };
        let view = match &tensor.order {
            Order::Rows => View::new(bytes, ty, &tensor.shape),
            Order::Columns => View::column_major(bytes, ty, &tensor.shape),
            Order::Strides(strides) => View::strided(bytes, ty, &tensor.shape, strides),
        };
        let unfit = || {
            let (name, n, shape) = (self.shown(tensor), bytes.len(), &tensor.shape);
            broken(format!("{name} has {n} bytes, which are not those of {shape:?}"))
        };
        let view = view.ok_or_else(unfit)?;
        let view = if columns { view.cut(&crate::spec::Cut::Transpose) } else { Some(view) };
        view.and_then(View::into_matrix).ok_or_else(unfit)
    }
}

struct FileRows<'a>(View<'a>);

impl Rows for FileRows<'_> {
    fn read(&self, rows: &[usize], out: &mut Vec<f32>) -> Result<(), HostError> {
        Ok(self.0.rows(rows, out)?)
    }
}

/// The tensors of a safetensors file.
fn safetensors(path: &str, bytes: &[u8]) -> Result<Vec<FileTensor>, DirectionFileError> {
    let mut index = TensorIndex::default();
    index.add_shard(path, bytes, bytes.len() as u64).map_err(|error| DirectionFileError::Broken {
        path: path.to_owned(),
        reason: format!("it is neither safetensors, npy, npz, a file of torch.save nor GGUF ({error})"),
    })?;
    let ty = |dtype: &Result<StoredDtype, String>| match dtype {
        Ok(dtype) => Ok(ValueType::Model(*dtype)),
        Err(name) if name == "F64" => Ok(ValueType::F64),
        Err(name) => Err(name.clone()),
    };
    let tensor = |(name, tensor): (&str, &crate::checkpoint::StoredTensor)| FileTensor {
        name: name.to_owned(),
        shape: tensor.shape.clone(),
        ty: ty(&tensor.dtype),
        order: Order::Rows,
        place: Place::File(tensor.range.clone()),
    };
    Ok(index.iter().map(tensor).collect())
}

/// The layer of `direction.7`.
fn direction_layer(name: &str) -> Option<u16> {
    let digits = name.strip_prefix("direction.")?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}
