//! Where in a model the modules of an adapter are: an adapter names the modules of transformers' classes, of either
//! generation, and a checkpoint its tensors.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use crate::{
    checkpoint::header::TensorIndex,
    families::{is_tower, text_name},
    spec::{Cut, DecoderSpec},
};

/// What classes put before the names of a model's body, and checkpoints may lack.
const BODIES: [&str; 5] = ["model.", "transformer.", "gpt_neox.", "backbone.", "decoder."];

/// The projections of an expert by the names of either generation: those of gate, up and down.
const PROJECTIONS: [[&str; 2]; 3] = [["gate_proj", "w1"], ["up_proj", "w3"], ["down_proj", "w2"]];

/// The parameters that hold a projection of all experts, in the order in which their class has them.
pub(super) const STACKS: [&str; 2] = ["gate_up_proj", "down_proj"];

/// A model that adapters are merged into.
pub(super) struct Model<'m> {
    pub(super) tensors: &'m TensorIndex,
    /// Whether it is the text model of one with other parts.
    has_towers: bool,
    /// The names of a text model within another, by those that it would have by itself.
    within: BTreeMap<String, &'m str>,
    /// Tensors that are stored `[in, out]`.
    transposed: BTreeSet<&'m str>,
}

/// A part of a stored tensor that is the matrix of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Matrix {
    pub(super) name: String,
    /// Its rows, of all but the last dimension of the tensor as one.
    pub(super) rows: Range<usize>,
    /// Whether it is stored `[in, out]`.
    pub(super) transposed: bool,
}

impl<'m> Model<'m> {
    pub(super) fn new(spec: &'m DecoderSpec, tensors: &'m TensorIndex, is_wrapper: bool) -> Self {
        let is_transposed = |cuts: &[Cut]| cuts.contains(&Cut::Transpose);
        let params = spec.params().into_iter().filter(|param| is_transposed(&param.cuts));
        let transposed = params.flat_map(|param| &param.tensors).map(|tensor| tensor.name.as_str()).collect();
        let within = tensors.iter().filter_map(|(name, _)| Some((text_name(name)?, name)));
        let has_towers = is_wrapper || !spec.ignored.prefixes.is_empty();
        Self { tensors, has_towers, within: within.collect(), transposed }
    }

    /// The tensor of the checkpoint that a parameter of transformers' class is.
    pub(super) fn tensor(&self, parameter: &str) -> Option<String> {
        let own = |name: String| match self.tensors.get(&name) {
            Some(_) => Some(name),
            None => self.within.get(&name).map(|name| (*name).to_owned()),
        };
        candidates(parameter).into_iter().find_map(own)
    }

    /// Whether a module is of a part for what is not text.
    pub(super) fn is_of_tower(&self, module: &str) -> bool {
        self.has_towers && is_tower(&format!("{module}."))
    }

    /// Where the weight of a linear layer is.
    pub(super) fn weight(&self, module: &str) -> Option<Matrix> {
        if let Some(name) = self.tensor(&format!("{module}.weight")) {
            let rows = self.tensors.get(&name)?.shape.first().copied()?;
            let transposed = self.transposed.contains(name.as_str());
            return Some(Matrix { name, rows: 0..rows, transposed });
        }
        let (experts, rest) = module.rsplit_once(".experts.")?;
        let (expert, projection) = rest.split_once('.')?;
        let expert: usize = expert.parse().ok()?;
        let which = PROJECTIONS.iter().position(|names| names.contains(&projection))?;
        self.expert(&format!("{experts}.experts"), expert, which)
    }

    /// Where a projection (gate, up or down) of an expert is: by itself, or in a stack `[experts, out, in]` whose first
    /// half of rows is the gate.
    pub(super) fn expert(&self, experts: &str, expert: usize, projection: usize) -> Option<Matrix> {
        for name in PROJECTIONS[projection] {
            if let Some(name) = self.tensor(&format!("{experts}.{expert}.{name}.weight")) {
                let rows = self.tensors.get(&name)?.shape.first().copied()?;
                return Some(Matrix { name, rows: 0..rows, transposed: false });
            }
        }
        let (stack, half) = match projection {
            0 => (STACKS[0], Some(0)),
            1 => (STACKS[0], Some(1)),
            _ => (STACKS[1], None),
        };
        let name = self.tensor(&format!("{experts}.{stack}"))?;
        let [n, rows, _] = self.tensors.get(&name)?.shape.as_slice() else { return None };
        if expert >= *n || self.transposed.contains(name.as_str()) {
            return None;
        }
        let start = expert * rows;
        let rows = match half {
            Some(half) => start + half * (rows / 2)..start + (half + 1) * (rows / 2),
            None => start..start + rows,
        };
        Some(Matrix { name, rows, transposed: false })
    }
}

/// The names that a parameter may have in a checkpoint, the likeliest first.
fn candidates(parameter: &str) -> Vec<String> {
    let mut names = vec![parameter.to_owned()];
    names.extend(text_name(parameter).into_iter().chain(text_name(&format!("model.{parameter}"))));
    let generations = |name: &String| {
        [(".mlp.", ".block_sparse_moe."), (".block_sparse_moe.", ".mlp.")]
            .into_iter()
            .filter(|(own, _)| name.contains(own))
            .map(|(own, other)| name.replacen(own, other, 1))
            .next()
    };
    names.extend(names.iter().filter_map(generations).collect::<Vec<_>>());
    let bare = |name: &String| BODIES.iter().find_map(|body| name.strip_prefix(body)).map(str::to_owned);
    let within = |name: &String| BODIES.iter().map(|body| format!("{body}{name}")).collect::<Vec<_>>();
    let others: Vec<String> = names.iter().filter_map(bare).chain(names.iter().flat_map(within)).collect();
    names.extend(others);
    names
}

/// Whether a module is an unembedding, by its name.
pub(super) fn is_head(module: &str) -> bool {
    ["lm_head", "embed_out"].contains(&module.rsplit('.').next().unwrap_or(module))
}
