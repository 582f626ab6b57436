//! Goldens: what transformers says of a checkpoint, in float64.

use std::{collections::HashMap, path::Path};

use lens_core::{Point, TokenId};
use safetensors::{Dtype, SafeTensors};

/// The tensors of one golden file; `tests/fixtures/README.md` says what each means.
#[derive(Debug)]
pub struct Golden {
    /// The text.
    pub tokens: Vec<TokenId>,
    /// The rows of stacked tensors.
    pub points: Vec<Point>,
    /// Sites that are not an additive part of this model's stream, and are absent here.
    pub refused: Vec<String>,
    floats: HashMap<String, (Vec<usize>, Vec<f32>)>,
    ints: HashMap<String, (Vec<usize>, Vec<i32>)>,
}

impl Golden {
    /// Reads the golden of a fixture; one that is another spelling of a second names it in `same_as`.
    pub fn of(name: &str) -> Self {
        let checkpoints = crate::fixtures().join("checkpoints");
        let same_as = std::fs::read_to_string(checkpoints.join(name).join("same_as"));
        let name = same_as.as_deref().map_or(name, str::trim);
        Self::read(&checkpoints.join(name).join("golden.safetensors"))
    }

    /// What transformers says of the same checkpoint in bfloat16, where a fixture has it.
    pub fn bf16(name: &str) -> Option<Self> {
        let path = crate::fixtures().join("checkpoints").join(name).join("golden_bf16.safetensors");
        path.exists().then(|| Self::read(&path))
    }

    /// Reads a golden file.
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a sound golden");
        let tensors = SafeTensors::deserialize(&bytes).expect("a sound golden");
        let (mut floats, mut ints): (HashMap<_, (_, Vec<f32>)>, HashMap<_, _>) =
            (HashMap::new(), HashMap::new());
        for (name, view) in tensors.tensors() {
            let words = view.data().as_chunks::<4>().0.iter();
            let halves = view.data().as_chunks::<2>().0.iter();
            let shape = view.shape().to_vec();
            match view.dtype() {
                Dtype::F32 => {
                    floats.insert(name, (shape, words.map(|word| f32::from_le_bytes(*word)).collect()));
                }
                Dtype::I32 => {
                    ints.insert(name, (shape, words.map(|word| i32::from_le_bytes(*word)).collect()));
                }
                Dtype::I16 => {
                    let values = halves.map(|half| i32::from(i16::from_le_bytes(*half)));
                    ints.insert(name, (shape, values.collect()));
                }
                other => panic!("{}: {name} is {other:?}", path.display()),
            }
        }
        let list = |key: &str| -> Vec<String> {
            let text = header.metadata().as_ref().and_then(|m| m.get(key));
            text.map(|text| serde_json::from_str(text).expect("a list of names")).unwrap_or_default()
        };
        let points: Vec<Point> = list("points").iter().map(|name| name.parse().expect("a point")).collect();
        // The activations of all of them may stand in one tensor, in their order.
        if let Some((shape, values)) = floats.remove("vec") {
            assert_eq!(shape[0], points.len(), "{}: one block of activations a point", path.display());
            let each = values.len() / points.len();
            for (point, values) in points.iter().zip(values.chunks(each)) {
                floats.insert(format!("vec/{point}"), (shape[1..].to_vec(), values.to_vec()));
            }
        }
        let tokens = ints
            .get("tokens")
            .map(|(_, ids): &(Vec<usize>, Vec<i32>)| ids.iter().map(|id| TokenId(*id as u32)).collect())
            .unwrap_or_default();
        Self { tokens, points, refused: list("refused"), floats, ints }
    }

    /// The values of a float tensor and its shape.
    pub fn floats(&self, name: &str) -> (&[usize], &[f32]) {
        let (shape, values) = self.floats.get(name).unwrap_or_else(|| panic!("the golden has no {name}"));
        (shape, values)
    }

    /// The values of an integer tensor.
    pub fn ints(&self, name: &str) -> &[i32] {
        &self.ints.get(name).unwrap_or_else(|| panic!("the golden has no {name}")).1
    }

    /// The points with golden activations.
    pub fn vectors(&self) -> impl Iterator<Item = (Point, &[f32])> {
        let mut vectors: Vec<_> = self
            .floats
            .iter()
            .filter_map(|(name, (_, values))| {
                Some((name.strip_prefix("vec/")?.parse().ok()?, values.as_slice()))
            })
            .collect();
        vectors.sort_by_key(|(point, _)| *point);
        vectors.into_iter()
    }
}
