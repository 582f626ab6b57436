//! The translators in a `params.pt`, by the block whose input each belongs to.

use std::collections::BTreeMap;

use crate::{host::View, pickle::Node};

/// What a `params.pt` holds.
pub(super) struct State<'a> {
    pub(super) translators: BTreeMap<u16, Parts<'a>>,
    /// Whether it is a whole module, as before version 0.1.
    pub(super) whole_module: bool,
    pub(super) notes: Vec<String>,
}

/// A translator.
pub(super) struct Parts<'a> {
    pub(super) weight: View<'a>,
    pub(super) bias: Option<View<'a>>,
}

/// Which part of a translator a key names.
enum Part {
    Weight,
    Bias,
}

impl<'a> State<'a> {
    pub(super) fn of(root: Node<'a>) -> Result<Self, String> {
        let entries = root.entries().ok_or_else(|| format!("it holds {}, not a table", root.what()))?;
        let mut weights = BTreeMap::new();
        let mut biases = BTreeMap::new();
        let (mut generations, mut own) = ((false, false), Vec::new());
        for (key, value) in entries {
            let key = key.text().ok_or_else(|| format!("a key in it is {}, not a text", key.what()))?;
            let Some((layer, part, whole)) = place(key) else {
                match key.split('.').next() {
                    // The model's own, which the module kept a copy of.
                    Some(name @ ("layer_norm" | "unembedding")) => own.push(name),
                    _ => return Err(format!("it holds {key:?}, which no tuned lens has")),
                }
                continue;
            };
            let view = value.tensor().ok_or_else(|| format!("{key:?} is {}, not a tensor", value.what()))?;
            if whole {
                generations.1 = true;
            } else {
                generations.0 = true;
            }
            let twice = match part {
                Part::Weight => weights.insert(layer, view),
                Part::Bias => biases.insert(layer, view),
            };
            if twice.is_some() {
                return Err(format!("it holds two translators for the input of block {layer}"));
            }
        }
        if generations == (true, true) {
            return Err("it mixes translators by number and by name".to_owned());
        }
        let mut translators = BTreeMap::new();
        for (layer, weight) in weights {
            translators.insert(layer, Parts { weight, bias: biases.remove(&layer) });
        }
        if let Some(layer) = biases.keys().next() {
            return Err(format!("translator {layer} has a bias and no weight"));
        }
        own.dedup();
        let notes = match own.is_empty() {
            true => Vec::new(),
            false => vec![format!(
                "the tuned lens holds {} of its own, which are not used: readouts go through the model's",
                own.join(" and ")
            )],
        };
        Ok(Self { translators, whole_module: generations.1, notes })
    }
}

/// What a key names: the block whose input a translator belongs to, the part, and whether the key is one of a whole
/// module.
fn place(key: &str) -> Option<(u16, Part, bool)> {
    let (owner, part) = key.rsplit_once('.')?;
    let part = match part {
        "weight" => Part::Weight,
        "bias" => Part::Bias,
        _ => return None,
    };
    let owner = owner.replace("probe", "translator").replace("adapter", "translator");
    let number = |text: &str| text.parse().ok().filter(|number: &u16| number.to_string() == text);
    if owner == "input_translator" {
        return Some((0, part, true));
    }
    match owner.strip_prefix("layer_translators.") {
        // Output of block i is input of block i + 1.
        Some(index) => Some((number(index)?.checked_add(1)?, part, true)),
        None => Some((number(&owner)?, part, false)),
    }
}
