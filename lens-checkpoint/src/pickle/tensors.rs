//! The tensors of a file by name, whatever tables they are in.

use super::{
    error::PickleError,
    node::{Node, Tensor},
    run,
};
use crate::limits;

/// A tensor and how to find it in its file.
pub(crate) struct NamedTensor {
    /// The keys that lead to it, with dots between; empty for a file that holds one tensor alone.
    pub(crate) name: String,
    pub(crate) tensor: Tensor,
}

/// The tensors of a file of `torch.save`: those of its tables and lists, in their order. What is no tensor is passed
/// over.
///
/// # Errors
/// When it is no such file, or its pickle is not plain data.
pub(crate) fn tensors(file: &[u8]) -> Result<Vec<NamedTensor>, PickleError> {
    let (objects, root) = run(file)?;
    let mut found = Vec::new();
    let mut waiting = vec![(String::new(), Node::new(file, &objects, root))];
    let mut seen = 0;
    while let Some((name, node)) = waiting.pop() {
        seen += 1;
        if seen > limits::pickle::MOST_PARTS {
            return Err(PickleError::TooLarge {
                what: "pickle's tables",
                has: seen,
                most: limits::pickle::MOST_PARTS,
            });
        }
        if let Some(tensor) = node.stored() {
            found.push(NamedTensor { name, tensor: tensor.clone() });
            continue;
        }
        let below = |key: String| if name.is_empty() { key } else { format!("{name}.{key}") };
        let first = waiting.len();
        if let Some(entries) = node.entries() {
            let named = entries.filter_map(|(key, value)| Some((below(key.plain()?), value)));
            waiting.extend(named);
        } else if let Some(items) = node.items() {
            waiting.extend(items.enumerate().map(|(i, item)| (below(i.to_string()), item)));
        }
        // The first is to come first.
        waiting[first..].reverse();
    }
    Ok(found)
}
