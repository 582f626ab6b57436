//! Names of tensors as evidence: what a checkpoint lacks, or has too much of, when it is read as some family.

use std::collections::BTreeSet;

use super::{FAMILIES, Family, TensorNames, read_as};
use crate::{
    config::{Config, Reads},
    spec::DecoderSpec,
};

/// How many names a message lists.
const SHOWN: usize = 6;

/// Where the tensors of a checkpoint and those of a spec differ, by name alone.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference<'a> {
    /// Needed, and not there.
    pub(crate) missing: Vec<&'a str>,
    /// There, and not needed.
    pub(crate) unknown: Vec<&'a str>,
}

impl<'a> Difference<'a> {
    /// Compares what `spec` needs with what is there.
    pub(crate) fn between(spec: &'a DecoderSpec, names: &'a TensorNames) -> Self {
        let needed: BTreeSet<&str> = spec.tensors().into_iter().map(|tensor| tensor.name.as_str()).collect();
        let unknown = names.iter().filter(|name| {
            !needed.contains(name) && !spec.ignored.covers(name) && spec.tied_and_stored != Some(*name)
        });
        Self {
            unknown: unknown.collect(),
            missing: needed.iter().copied().filter(|name| !names.has(name)).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unknown.is_empty()
    }
}

/// The first few of `names`, and how many more there are.
pub(crate) fn listed(names: &[&str]) -> String {
    let mut text = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

/// What a checkpoint of an unknown `model_type` looks like, as a sentence: the family whose tensors it has and that
/// reads all that its config says, or else how it differs from the first, Llama. Nothing if no tensors are known. With
/// it the family that it may be read as.
pub(super) fn sentence(config: &Config<'_>, names: &TensorNames) -> (String, Option<&'static str>) {
    if names.iter().next().is_none() {
        return (String::new(), None);
    }
    // The keys that a family leaves unread, if its tensors are those of the checkpoint.
    let unread = |family: &'static Family| {
        // The next family starts with nothing read.
        let reads = Reads::default();
        let read = read_as(family, &config.recording(&reads), names, family.model_types[0]).ok()?;
        Difference::between(&read.spec, names).is_empty().then(|| (family.model_types[0], read.unread.keys()))
    };
    let alike: Vec<_> = FAMILIES.iter().filter_map(unread).collect();
    if let Some((name, _)) = alike.iter().find(|(_, keys)| keys.is_empty()) {
        let likeness = format!(
            "Its tensors are those of {name}, by name: it can be read as one, which is right only if nothing but the name \
             differs"
        );
        return (likeness, Some(*name));
    }
    let likeness = match alike.first() {
        Some((name, keys)) => {
            format!(
                "Its tensors are those of {name}, by name, but its config says what {name} does not read: {keys}"
            )
        }
        None => difference(config, names),
    };
    (likeness, None)
}

/// How a checkpoint differs from one of the first family, as a sentence.
fn difference(config: &Config<'_>, names: &TensorNames) -> String {
    let name = FAMILIES[0].model_types[0];
    let spec = match (FAMILIES[0].resolve)(config, names, name) {
        Ok(spec) => spec,
        Err(error) => return format!("It cannot be read as {name} either: {error}"),
    };
    let difference = Difference::between(&spec, names);
    let mut parts = Vec::new();
    for (verb, names) in [("has", &difference.unknown), ("lacks", &difference.missing)] {
        if !names.is_empty() {
            parts.push(format!("{verb} {}", listed(names)));
        }
    }
    format!("Read as {name}, it {}", parts.join(", and "))
}
