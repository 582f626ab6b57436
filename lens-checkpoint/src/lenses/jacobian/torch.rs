//! Jacobian lenses in files of `torch.save`.

use std::{collections::BTreeMap, path::Path};

use lens_core::{Provenance, Site};

use super::{
    super::{
        digest::sha256,
        error::LensFileError,
        file::{LensFile, MadeFor},
    },
    KIND, block, check_layers, lens,
};
use crate::{host::View, pickle::Node, torch_file::TorchFile};

/// Keys under which the matrices are: jlens's, and jspace's.
const MATRICES: [&str; 2] = ["J", "avg_jacobians"];

/// Whether what was saved is such a lens.
pub(in super::super) fn is_lens(root: Node<'_>) -> bool {
    MATRICES.iter().any(|key| root.get(key).is_some())
}

/// The lens of an open file.
pub(in super::super) fn of(path: &Path, file: &TorchFile) -> Result<LensFile, LensFileError> {
    let root = file.root();
    let broken = |reason: String| LensFileError::broken(path, KIND, reason);
    let matrices = matrices(root).map_err(broken)?;
    let says = Says { root };
    let d_model = match says.number("d_model").map_err(broken)? {
        Some(d_model) => d_model,
        // jspace's oldest files say it with the matrices alone.
        None => matrices.values().next().and_then(|matrix| matrix.shape().first().copied()).unwrap_or(0),
    };
    check_layers(says.layers().map_err(broken)?, &matrices).map_err(broken)?;
    let site = site(root).map_err(broken)?;
    let provenance = Provenance::default()
        .with_source(Some(path.display().to_string()))
        .with_sha256(Some(sha256(file.bytes())))
        .with_base_model(says.model())
        .with_details(details(root));
    let n_layers = says.number("n_layers").map_err(broken)?;
    let n_layers =
        n_layers.map(u16::try_from).transpose().map_err(|_| broken("it says too many layers".to_owned()))?;
    let translator = lens(path, d_model, site, matrices, provenance)?;
    let made_for = MadeFor::default().with_n_layers(n_layers);
    Ok(LensFile::new(translator).with_made_for(made_for).with_notes(file.notes.clone()))
}

fn matrices(root: Node<'_>) -> Result<BTreeMap<u16, View<'_>>, String> {
    let found = MATRICES.iter().find_map(|key| root.get(key));
    let entries = found.and_then(Node::entries).ok_or("it lacks the table J")?;
    let mut matrices = BTreeMap::new();
    for (key, value) in entries {
        let layer = block(&key.plain().unwrap_or_default()).ok_or_else(|| {
            let key = key.plain().unwrap_or_else(|| key.what().to_owned());
            format!("its table J has the key {key:?}, not a block's number")
        })?;
        let matrix =
            value.tensor().ok_or_else(|| format!("J of block {layer} is {}, not a tensor", value.what()))?;
        if matrices.insert(layer, matrix).is_some() {
            return Err(format!("it holds J of block {layer} twice"));
        }
    }
    Ok(matrices)
}

/// What a file says beside its matrices.
struct Says<'a> {
    root: Node<'a>,
}

impl Says<'_> {
    fn number(&self, key: &str) -> Result<Option<usize>, String> {
        let Some(value) = self.root.get(key).filter(|value| !value.is_none()) else { return Ok(None) };
        let number = value.int().and_then(|number| usize::try_from(number).ok());
        number.map(Some).ok_or_else(|| format!("its {key} is {}, not a whole number", value.what()))
    }

    fn layers(&self) -> Result<Option<Vec<i64>>, String> {
        let Some(value) = self.root.get("source_layers").filter(|value| !value.is_none()) else {
            return Ok(None);
        };
        let layers = value.items().and_then(|items| items.map(Node::int).collect::<Option<Vec<i64>>>());
        layers.map(Some).ok_or_else(|| "its source_layers are not a list of whole numbers".to_owned())
    }

    /// The model, under the names that files have for it.
    fn model(&self) -> Option<String> {
        let provenance = self.root.get("provenance");
        let keys = ["model_id", "hf_model_name", "model_name", "model"];
        let of = |node: Node<'_>| keys.iter().find_map(|key| Some(node.get(key)?.text()?.to_owned()));
        of(self.root).or_else(|| provenance.and_then(of))
    }
}

/// Where in a block the vectors are that the matrices are for: `provenance.capture_point`.
fn site(root: Node<'_>) -> Result<Site, String> {
    let Some(provenance) = root.get("provenance").filter(|value| !value.is_none()) else {
        return Ok(Site::ResidPost);
    };
    let text = |key: &str| match provenance.get(key).filter(|value| !value.is_none()) {
        Some(value) => {
            value.text().map(Some).ok_or_else(|| format!("its {key} is {}, not a text", value.what()))
        }
        None => Ok(None),
    };
    match text("stream_reduce")? {
        None | Some("none") => {}
        Some(other) => {
            return Err(format!(
                "its stream_reduce is {other:?}: it was made for a model with several streams, which are reduced to \
                 one first; only \"none\" can be read"
            ));
        }
    }
    match text("capture_point")? {
        None | Some("block_output") => Ok(Site::ResidPost),
        Some("attn_out") => Ok(Site::AttnOut),
        Some("mlp_out") => Ok(Site::MlpOut),
        Some(other) => Err(format!(
            "its capture_point is {other:?}: only block_output, attn_out and mlp_out are points of the residual \
             stream that can be read (what a part reads is normed first)"
        )),
    }
}

/// Everything that the file says in texts and numbers, its provenance's under `provenance.…`.
fn details(root: Node<'_>) -> BTreeMap<String, String> {
    const SAID_ELSEWHERE: [&str; 2] = ["d_model", "n_layers"];
    let mut details = BTreeMap::new();
    let mut add = |prefix: &str, table: Node<'_>| {
        for (key, value) in table.entries().into_iter().flatten() {
            let key = key.text().filter(|key| !(prefix.is_empty() && SAID_ELSEWHERE.contains(key)));
            if let (Some(key), Some(value)) = (key, value.plain()) {
                details.insert(format!("{prefix}{key}"), value);
            }
        }
    };
    add("", root);
    if let Some(provenance) = root.get("provenance") {
        add("provenance.", provenance);
    }
    details
}
