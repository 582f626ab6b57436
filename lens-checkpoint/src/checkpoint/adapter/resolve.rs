//! From the tensors of an adapter to those of the model.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Adapter, AdapterError, AdapterSummary, Key,
    change::{Change, Named, values},
    keys::Role,
    pattern::Modules,
    place::Model,
};
use crate::{
    checkpoint::header::{StoredTensor, TensorIndex},
    families::listed,
    spec::DecoderSpec,
};

/// What adapters did to a model.
#[derive(Debug, Default)]
pub(in crate::checkpoint) struct Merge {
    pub(in crate::checkpoint) summaries: Vec<AdapterSummary>,
    /// What is to be said, as sentences.
    pub(in crate::checkpoint) notes: Vec<String>,
}

/// Merges adapters into the tensors of a model, one after the other.
///
/// # Errors
/// When a tensor of one of them belongs to nothing in the model (unless `ignore_extra`), or does not fit.
pub(in crate::checkpoint) fn merge(
    adapters: &[Adapter],
    spec: &DecoderSpec,
    tensors: &mut TensorIndex,
    is_wrapper: bool,
    ignore_extra: bool,
) -> Result<Merge, AdapterError> {
    let mut merge = Merge::default();
    // The adapter that changed a tensor, and whether another may be added to it.
    let mut before: BTreeMap<String, (&str, bool)> = BTreeMap::new();
    for adapter in adapters {
        let model = Model::new(spec, tensors, is_wrapper);
        let mut changes = Changes::new(adapter, &model);
        changes.collect(ignore_extra)?;
        changes.note_what_is_missing()?;
        let Changes { of, summary, mut notes, .. } = changes;
        for (name, change) in of {
            let adds = change.is_sum();
            if let Some((other, may)) = before.insert(name.clone(), (&adapter.id, adds))
                && !(may && adds)
            {
                return Err(adapter.failed(
                    &change.because,
                    format!("is for {name}, which {other} changes as well: only plain products are added to each other"),
                ));
            }
            let tensor = tensors.get(&name).cloned().unwrap_or_else(|| unreachable!("{name} was found"));
            let made = change.apply(adapter, &name, &tensor)?;
            tensors.put(&name, made);
        }
        notes.insert(0, said(&summary));
        merge.notes.extend(adapter.config.notes.iter().cloned().chain(notes));
        merge.summaries.push(summary);
    }
    Ok(merge)
}
/// What was merged, as a sentence.
fn said(summary: &AdapterSummary) -> String {
    fn all<T: ToString>(values: &[T]) -> String {
        values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
    let commit = summary.revision.as_ref().map(|commit| format!("@{commit}")).unwrap_or_default();
    let mut parts = Vec::new();
    if summary.matrices > 0 {
        parts.push(format!(
            "{} of rank {} and scale {} is added to {} {} ({})",
            if summary.dora { "DoRA" } else { "LoRA" },
            all(&summary.ranks),
            all(&summary.scales.iter().map(|scale| (scale * 1e6).round() / 1e6).collect::<Vec<_>>()),
            summary.matrices,
            if summary.matrices == 1 { "matrix" } else { "matrices" },
            summary.targets.join(", "),
        ));
    }
    if summary.replaced > 0 {
        let tensors = if summary.replaced == 1 { "tensor takes" } else { "tensors take" };
        parts.push(format!("{} {tensors} the place of the model's", summary.replaced));
    }
    let base = summary.base.as_ref().map(|base| format!(" (made for {base})")).unwrap_or_default();
    format!("the adapter {}{commit}{base} is merged into the model: {}", summary.id, parts.join(", and "))
}
impl Adapter {
    pub(super) fn failed(&self, name: &str, reason: impl Into<String>) -> AdapterError {
        AdapterError::Tensor { adapter: self.id.clone(), name: name.to_owned(), reason: reason.into() }
    }

    pub(super) fn broken(&self, reason: String) -> AdapterError {
        AdapterError::Config { adapter: self.id.clone(), reason }
    }
}
/// The tensors of an adapter at one module.
#[derive(Debug, Default)]
pub(super) struct Group<'a>(pub(super) BTreeMap<Role, Named<'a>>);

/// The changes that an adapter makes, by the names of the model's tensors.
pub(super) struct Changes<'a, 'm> {
    pub(super) adapter: &'a Adapter,
    pub(super) model: &'m Model<'m>,
    of: BTreeMap<String, Change>,
    pub(super) summary: AdapterSummary,
    notes: Vec<String>,
    /// The tensors of the model that have a product.
    pub(super) adapted: BTreeSet<String>,
}

impl<'a, 'm> Changes<'a, 'm> {
    fn new(adapter: &'a Adapter, model: &'m Model<'m>) -> Self {
        let numbers = |(_, tensor): &(Key, StoredTensor)| tensor.shape.iter().product::<usize>();
        let summary = AdapterSummary {
            id: adapter.id.clone(),
            revision: adapter.revision.clone(),
            base: adapter.config.base.clone(),
            dora: adapter.config.dora,
            ranks: Vec::new(),
            scales: Vec::new(),
            targets: Vec::new(),
            matrices: 0,
            replaced: 0,
            parameters: adapter.tensors.values().map(numbers).sum(),
        };
        Self { adapter, model, of: BTreeMap::new(), summary, notes: Vec::new(), adapted: BTreeSet::new() }
    }

    fn collect(&mut self, ignore_extra: bool) -> Result<(), AdapterError> {
        let (mut unplaced, mut towers) = (Vec::new(), 0);
        let mut groups: BTreeMap<(&str, usize), Group<'a>> = BTreeMap::new();
        for (name, (key, tensor)) in &self.adapter.tensors {
            if self.model.is_of_tower(&key.module) {
                towers += 1;
            } else if key.role == Role::Whole {
                if !self.replace(name, key, tensor)? {
                    unplaced.push(name.as_str());
                }
            } else {
                let group = groups.entry((&key.module, key.depth)).or_default();
                group.0.insert(key.role, (name, tensor));
            }
        }
        for ((module, depth), group) in groups {
            if !self.adapt(module, depth, &group)? {
                unplaced.extend(group.0.values().map(|(name, _)| *name));
            }
        }
        self.summary.ranks.sort_unstable();
        self.summary.ranks.dedup();
        self.summary.scales.sort_by(f64::total_cmp);
        self.summary.scales.dedup();
        self.summary.targets.sort_unstable();
        self.summary.targets.dedup();
        let id = &self.adapter.id;
        if towers > 0 {
            let tensors = if towers == 1 { "tensor" } else { "tensors" };
            self.notes.push(format!(
                "{towers} {tensors} of the adapter {id} for parts that are not text are left out"
            ));
        }
        if self.of.is_empty() && unplaced.is_empty() {
            let reason = "all its tensors are for parts that are not text";
            return Err(AdapterError::Nothing { adapter: id.clone(), reason });
        }
        if unplaced.is_empty() {
            return Ok(());
        }
        let names = listed(&unplaced);
        if !ignore_extra || self.of.is_empty() {
            return Err(AdapterError::Unplaced { adapter: id.clone(), names });
        }
        self.notes.push(format!(
            "the adapter {id} holds tensors for what the model does not have: {names}. They are left out, as was asked \
             for; the results are right only if they change nothing"
        ));
        Ok(())
    }

    pub(super) fn change(&mut self, name: &str, because: &str) -> &mut Change {
        let change = self.of.entry(name.to_owned()).or_default();
        because.clone_into(&mut change.because);
        change
    }

    /// A tensor that takes the place of the model's; whether there is one.
    fn replace(&mut self, name: &str, key: &Key, tensor: &StoredTensor) -> Result<bool, AdapterError> {
        let Some(target) = self.model.tensor(&key.module) else { return Ok(false) };
        let Some(own) = self.model.tensors.get(&target) else { return Ok(false) };
        if own.shape != tensor.shape {
            let wider = own.shape.len() == 2 && own.shape.get(1) == tensor.shape.get(1);
            let why = if wider { ". The model that it was made for has another vocabulary" } else { "" };
            return Err(self.adapter.failed(
                name,
                format!("is {:?}, and the model's {target} is {:?}{why}", tensor.shape, own.shape),
            ));
        }
        let change = self.change(&target, name);
        if change.replaced.is_some() {
            let reason = format!("is for {target}, for which there is another");
            return Err(self.adapter.failed(name, reason));
        }
        change.replaced = Some(values((name, tensor)));
        self.summary.replaced += 1;
        Ok(true)
    }
    /// Says which matrices the config names that the file has nothing for: PEFT leaves them as they are.
    fn note_what_is_missing(&mut self) -> Result<(), AdapterError> {
        let Some(Modules::Named(_)) = &self.adapter.config.targets else { return Ok(()) };
        let mut missing = Vec::new();
        for (name, tensor) in self.model.tensors.iter() {
            let Some(module) = name.strip_suffix(".weight").filter(|_| tensor.shape.len() == 2) else {
                continue;
            };
            let targeted = self.adapter.config.targets(module).map_err(|error| self.adapter.broken(error))?;
            if targeted == Some(true) && !self.adapted.contains(name) {
                missing.push(name);
            }
        }
        if !missing.is_empty() {
            let n = missing.len();
            self.notes.push(format!(
                "the adapter {} has nothing for {n} of the matrices that its target_modules name, which stay as they are: {}",
                self.adapter.id,
                listed(&missing)
            ));
        }
        Ok(())
    }
}
