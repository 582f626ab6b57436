//! Steering vectors in files: safetensors, and GGUF control vectors.

mod gguf;

use std::path::Path;

use gguf::Gguf;
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

use crate::limits;
use crate::source::files::read_at_most;

/// The vectors of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorFile {
    path: String,
    tensors: Vec<NamedTensor>,
    /// GGUF files say what their vectors mean.
    origin: Origin,
}

/// What a file says of its vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    /// Nothing.
    Safetensors,
    /// Each is for the layer that its name says, to be added there.
    ControlVector { model_hint: Option<String>, layer_count: Option<u64> },
    /// Something else than a control vector.
    OtherGguf { architecture: Option<String> },
}

/// A tensor of a file.
#[derive(Debug, Clone, PartialEq)]
struct NamedTensor {
    name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// A file that holds no usable vector.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VectorError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is neither safetensors nor GGUF, or broken.
    #[error("{path} is not a vector file: {reason}")]
    Broken {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The tensor does not exist, or none was named where there are several.
    #[error("{path} has {}: name one of its tensors after a #, as in file:'{path}'#{first} ({names})",
        name.as_ref().map_or("several tensors".to_owned(), |name| format!("no tensor {name:?}")))]
    Choose {
        /// The file.
        path: String,
        /// The tensor asked for.
        name: Option<String>,
        /// The first tensor of the file.
        first: String,
        /// The tensors of the file.
        names: String,
    },
    /// A GGUF file whose vectors may be meant for something else than to be added.
    #[error(
        "{path} is not a control vector: its general.architecture is {}, so its vectors may not be meant to be added. To \
         use one as a plain vector, name it after a #, as in file:'{path}'#{first}, and say what to do with it: += adds \
         it, -= proj(…) projects it out ({names})",
        architecture.as_ref().map_or("missing".to_owned(), |name| format!("{name:?}"))
    )]
    Architecture {
        /// The file.
        path: String,
        /// What it says, if it does.
        architecture: Option<String>,
        /// Its first tensor.
        first: String,
        /// The tensors that there are.
        names: String,
    },
    /// The control vector has nothing for the layer.
    #[error("{path} is a control vector without a direction for layer {layer} (it has {names})")]
    NoDirection {
        /// The file.
        path: String,
        /// The layer.
        layer: usize,
        /// The tensors that there are.
        names: String,
    },
    /// The tensor is neither one vector nor one for each layer.
    #[error(
        "the tensor {name} of {path} is {shape:?}: a vector is [d], or [layers, d] with a row for layer {layer}"
    )]
    Shape {
        /// The file.
        path: String,
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// The layer that is asked for.
        layer: usize,
    },
}

impl VectorFile {
    /// Reads all tensors of a file.
    ///
    /// # Errors
    /// When the file cannot be read, is too large, or is neither safetensors nor GGUF with float tensors.
    pub fn read(path: &Path) -> Result<Self, VectorError> {
        let name = path.display().to_string();
        let failed = |source| VectorError::Read { path: name.clone(), source };
        let bytes = read_at_most(path, limits::lenses::LARGEST_VECTORS).map_err(failed)?;
        Self::parse(&name, &bytes)
    }

    /// Reads all tensors of the contents of a file; `name` is what errors call it.
    ///
    /// # Errors
    /// When it is neither safetensors nor GGUF with float tensors.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, VectorError> {
        let broken = |reason: String| VectorError::Broken { path: name.to_owned(), reason };
        let (tensors, origin) = if bytes.starts_with(b"GGUF") {
            let Gguf { tensors, architecture, model_hint, layer_count } =
                gguf::read(bytes).map_err(broken)?;
            let origin = match architecture.as_deref() {
                Some("controlvector") => Origin::ControlVector { model_hint, layer_count },
                _ => Origin::OtherGguf { architecture },
            };
            (tensors, origin)
        } else {
            (safetensors(bytes).map_err(broken)?, Origin::Safetensors)
        };
        if tensors.is_empty() {
            return Err(broken("it holds no tensor".to_owned()));
        }
        Ok(Self { path: name.to_owned(), tensors, origin })
    }

    /// Sentences for a person on what does not fit a model of this family, id and number of layers.
    pub fn notes(&self, family: &str, id: &str, n_layers: usize) -> Vec<String> {
        let path = &self.path;
        let (model_hint, layer_count) = match &self.origin {
            Origin::Safetensors => return Vec::new(),
            Origin::OtherGguf { architecture } => {
                let says =
                    architecture.as_ref().map_or("no architecture".to_owned(), |name| format!("{name:?}"));
                return vec![format!(
                    "{path} is not a control vector ({says}): its tensors are used as plain vectors"
                )];
            }
            Origin::ControlVector { model_hint, layer_count } => (model_hint, layer_count),
        };
        let plain = |text: &str| text.to_lowercase().replace(|c: char| !c.is_alphanumeric(), "");
        let mut notes = Vec::new();
        if let Some(hint) = model_hint.as_ref().filter(|hint| !plain(hint).is_empty())
            && ![family, id].iter().any(|name| plain(name).contains(&plain(hint)))
        {
            notes.push(format!(
                "the control vector {path} was made for {hint:?}, the model is {family} ({id})"
            ));
        }
        // Block 0 has no direction in files of llama.cpp.
        let count = layer_count.unwrap_or(self.tensors.len() as u64);
        let n_layers = n_layers as u64;
        if count != n_layers && count.checked_add(1) != Some(n_layers) {
            notes.push(format!(
                "the control vector {path} is for {count} layers, the model has {n_layers}: it may be one for another \
                 model, or for some layers only"
            ));
        }
        notes
    }

    /// The vector for a layer: the tensor `name`; without a name, a control vector's `direction.{layer}`, or the
    /// only tensor of the file. A tensor `[layers, d]` has a row for each layer.
    ///
    /// In a GGUF control vector `direction.N` belongs to the output of block N, counted from 0, as llama.cpp applies
    /// it: `L{N}.resid_post`.
    ///
    /// # Errors
    /// When there is no such tensor, or it has another shape.
    pub fn for_layer(&self, name: Option<&str>, layer: usize) -> Result<&[f32], VectorError> {
        if let (None, Origin::OtherGguf { architecture }) = (name, &self.origin) {
            return Err(VectorError::Architecture {
                path: self.path.clone(),
                architecture: architecture.clone(),
                first: self.tensors.first().map_or(String::new(), |tensor| tensor.name.clone()),
                names: self.names(),
            });
        }
        let is_control_vector = matches!(self.origin, Origin::ControlVector { .. });
        let tensor = match (name, self.tensors.as_slice()) {
            (Some(name), tensors) => tensors.iter().find(|tensor| tensor.name == name),
            (None, tensors) if is_control_vector => {
                let direction = format!("direction.{layer}");
                let found = tensors.iter().find(|tensor| tensor.name == direction);
                Some(found.ok_or_else(|| VectorError::NoDirection {
                    path: self.path.clone(),
                    layer,
                    names: self.names(),
                })?)
            }
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        let Some(tensor) = tensor else {
            return Err(VectorError::Choose {
                path: self.path.clone(),
                name: name.map(str::to_owned),
                first: self.tensors.first().map_or(String::new(), |tensor| tensor.name.clone()),
                names: self.names(),
            });
        };
        match tensor.shape.as_slice() {
            [_] => Ok(&tensor.values),
            [1, _] => Ok(&tensor.values),
            [layers, d] if layer < *layers => Ok(&tensor.values[layer * d..][..*d]),
            shape => Err(VectorError::Shape {
                path: self.path.clone(),
                name: tensor.name.clone(),
                shape: shape.to_vec(),
                layer,
            }),
        }
    }

    /// All vectors: names, shapes and values.
    pub(crate) fn into_tensors(self) -> Vec<(String, Vec<usize>, Vec<f32>)> {
        self.tensors.into_iter().map(|NamedTensor { name, shape, values }| (name, shape, values)).collect()
    }

    fn names(&self) -> String {
        const SHOWN: usize = 8;
        let mut names: Vec<&str> = self.tensors.iter().take(SHOWN).map(|tensor| &*tensor.name).collect();
        if self.tensors.len() > SHOWN {
            names.push("…");
        }
        names.join(", ")
    }
}

fn safetensors(bytes: &[u8]) -> Result<Vec<NamedTensor>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let mut tensors = Vec::new();
    for (name, view) in file.tensors() {
        let values = match view.dtype() {
            Dtype::F32 => floats(view.data(), f32::from_le_bytes),
            Dtype::F16 => floats(view.data(), |bytes| f16::from_le_bytes(bytes).to_f32()),
            Dtype::BF16 => floats(view.data(), |bytes| bf16::from_le_bytes(bytes).to_f32()),
            Dtype::F64 => floats(view.data(), |bytes| f64::from_le_bytes(bytes) as f32),
            other => return Err(format!("the tensor {name} is {other:?}, not a float")),
        };
        tensors.push(named(name, view.shape().to_vec(), values)?);
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tensors)
}

/// A tensor of finite values.
fn named(name: String, shape: Vec<usize>, values: Vec<f32>) -> Result<NamedTensor, String> {
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(NamedTensor { name, shape, values }),
        false => Err(format!("the tensor {name} has values that are not finite")),
    }
}

fn floats<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|bytes| value(*bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, Result<VectorFile, VectorError>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let file = VectorFile::read(&path);
        (folder, file)
    }

    fn of(tensors: &[(&str, &[usize], &[f32])]) -> VectorFile {
        let bytes: Vec<Vec<u8>> = tensors
            .iter()
            .map(|(_, _, values)| values.iter().flat_map(|v| v.to_le_bytes()).collect())
            .collect();
        let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
            (*name, safetensors::tensor::TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap())
        });
        written("v.safetensors", &safetensors::serialize(views, None).unwrap()).1.unwrap()
    }

    #[test]
    fn one_tensor_needs_no_name_and_rows_are_layers() {
        assert_eq!(of(&[("v", &[2], &[1.0, 2.0])]).for_layer(None, 9).unwrap(), [1.0, 2.0]);
        let rows = of(&[("v", &[2, 2], &[1.0, 2.0, 3.0, 4.0])]);
        assert_eq!(rows.for_layer(None, 1).unwrap(), [3.0, 4.0]);
        assert!(matches!(rows.for_layer(None, 2), Err(VectorError::Shape { .. })));
    }

    #[test]
    fn several_tensors_need_a_name() {
        let file = of(&[("a", &[1], &[1.0]), ("b", &[1], &[2.0])]);
        assert_eq!(file.for_layer(Some("b"), 0).unwrap(), [2.0]);
        let message = file.for_layer(None, 0).unwrap_err().to_string();
        assert!(message.contains("several tensors") && message.contains("(a, b)"), "{message}");
        assert!(file.for_layer(Some("c"), 0).unwrap_err().to_string().contains("no tensor \"c\""));
    }

    #[test]
    fn a_control_vector_has_a_direction_for_each_layer() {
        let bytes = gguf::tests::file(&[("direction.1", &[1.0, 2.0]), ("direction.2", &[3.0, 4.0])]);
        let file = written("v.gguf", &bytes).1.unwrap();
        assert_eq!(file.for_layer(None, 2).unwrap(), [3.0, 4.0]);
        let message = file.for_layer(None, 0).unwrap_err().to_string();
        assert!(message.contains("layer 0") && message.contains("direction.1, direction.2"), "{message}");
    }

    #[test]
    fn what_is_no_control_vector_is_used_only_by_name() {
        let directions: [(&str, &[f32]); 2] = [("direction.1", &[1.0, 2.0]), ("direction.2", &[3.0, 4.0])];
        let made =
            |architecture| gguf::tests::Made { architecture, hint: "", layers: 2, directions: &directions };
        for architecture in ["glp", "llama", ""] {
            let file = written("v.gguf", &made(architecture).bytes(|_, offset| offset)).1.unwrap();
            let message = file.for_layer(None, 1).unwrap_err().to_string();
            assert!(
                message.contains("is not a control vector") && message.contains(architecture),
                "{message}"
            );
            assert_eq!(file.for_layer(Some("direction.1"), 7).unwrap(), [1.0, 2.0]);
            assert!(file.notes("llama", "demo", 2)[0].contains("not a control vector"));
        }
    }

    #[test]
    fn a_control_vector_for_another_model_is_said() {
        let directions: [(&str, &[f32]); 2] = [("direction.1", &[1.0, 2.0]), ("direction.2", &[3.0, 4.0])];
        let notes = |hint, layers, id: &str, n_layers| {
            let made =
                gguf::tests::Made { architecture: "controlvector", hint, layers, directions: &directions };
            let file = written("v.gguf", &made.bytes(|_, offset| offset)).1.unwrap();
            file.notes("llama", id, n_layers)
        };
        assert_eq!(notes("llama", 2, "demo", 3), Vec::<String>::new());
        assert_eq!(notes("", 3, "demo", 3), Vec::<String>::new());
        assert_eq!(notes("Mistral-7B", 2, "o/mistral_7b-v0.1", 3), Vec::<String>::new());
        assert!(
            notes("mistral", 2, "demo", 3)[0].contains("was made for \"mistral\", the model is llama (demo)")
        );
        assert!(notes("llama", 31, "demo", 8)[0].contains("for 31 layers, the model has 8"));
    }

    #[test]
    fn what_is_no_vector_file_is_refused() {
        for bytes in [&b""[..], b"PK\x03\x04", b"GGUF", b"GGUF\x03\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"] {
            assert!(matches!(written("x", bytes).1, Err(VectorError::Broken { .. })), "{bytes:?}");
        }
        // A device may have no end.
        for path in ["/nonexistent", "/dev/zero", "/"] {
            assert!(matches!(VectorFile::read(Path::new(path)), Err(VectorError::Read { .. })), "{path}");
        }
    }

    #[test]
    fn a_control_vector_that_is_cut_anywhere_is_refused() {
        let bytes = gguf::tests::file(&[("direction.1", &[1.0, 2.0])]);
        for end in 0..bytes.len() {
            assert!(gguf::read(&bytes[..end]).is_err(), "{end} of {} bytes were read", bytes.len());
        }
    }
}
