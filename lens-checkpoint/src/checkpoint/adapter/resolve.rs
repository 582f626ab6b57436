//! From the tensors of an adapter to those of the model.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use super::{
    Adapter, AdapterError, AdapterSummary, Key,
    keys::Role,
    merge::{Factor, Magnitudes, Merged, Replaced, Rows, Shifted, Term, Values},
    pattern::Modules,
    place::{Matrix, Model, STACKS},
};
use crate::{
    checkpoint::header::{StoredTensor, TensorIndex},
    families::listed,
    made::Made,
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
    fn failed(&self, name: &str, reason: impl Into<String>) -> AdapterError {
        AdapterError::Tensor { adapter: self.id.clone(), name: name.to_owned(), reason: reason.into() }
    }

    fn broken(&self, reason: String) -> AdapterError {
        AdapterError::Config { adapter: self.id.clone(), reason }
    }
}

/// A tensor of an adapter with its name.
type Named<'a> = (&'a str, &'a StoredTensor);

fn values((name, tensor): Named<'_>) -> Values {
    Values::of(name, tensor)
        .unwrap_or_else(|dtype| unreachable!("{dtype} was refused when the adapter was read"))
}

/// What happens to a tensor of the model.
#[derive(Debug, Default)]
struct Change {
    /// A tensor of the adapter that has to do with it, for messages.
    because: String,
    replaced: Option<Values>,
    rows: Option<(Vec<usize>, Values)>,
    terms: Vec<Term>,
    magnitudes: Option<Magnitudes>,
    shift: Option<(Values, f64)>,
}

impl Change {
    /// Whether all that happens is that something is added.
    fn is_sum(&self) -> bool {
        self.replaced.is_none() && self.rows.is_none() && self.magnitudes.is_none()
    }

    /// The tensor after the change.
    fn apply(
        self,
        adapter: &Adapter,
        name: &str,
        tensor: &StoredTensor,
    ) -> Result<StoredTensor, AdapterError> {
        let Ok(dtype) = tensor.dtype.clone() else {
            return Err(adapter.failed(&self.because, format!("is for {name}, whose type is not read")));
        };
        let shape = || tensor.shape.clone();
        let stored = Values::of(name, tensor);
        let stored = stored.unwrap_or_else(|dtype| unreachable!("{dtype} was refused above"));
        let mut made: Option<Made> = None;
        let base = |made: &Option<Made>| made.clone().map_or_else(|| stored.clone(), Values::Made);
        if let Some(new) = self.replaced {
            made = Some(Made::new(name, shape(), Replaced(new)));
        }
        if let Some((rows, new)) = self.rows {
            made = Some(Made::new(name, shape(), Rows { base: base(&made), rows, new }));
        }
        if !self.terms.is_empty() {
            let (terms, magnitudes) = (self.terms, self.magnitudes);
            let how =
                Merged { base: base(&made), shape: shape(), terms, magnitudes, adapter: adapter.id.clone() };
            made = Some(Made::new(name, shape(), how));
        }
        if let Some((by, scale)) = self.shift {
            made = Some(Made::new(name, shape(), Shifted { base: base(&made), by, scale }));
        }
        Ok(made.map_or_else(|| tensor.clone(), |made| StoredTensor::of_made(made, dtype)))
    }
}

/// The tensors of an adapter at one module.
#[derive(Debug, Default)]
struct Group<'a>(BTreeMap<Role, Named<'a>>);

/// The changes that an adapter makes, by the names of the model's tensors.
struct Changes<'a, 'm> {
    adapter: &'a Adapter,
    model: &'m Model<'m>,
    of: BTreeMap<String, Change>,
    summary: AdapterSummary,
    notes: Vec<String>,
    /// The tensors of the model that have a product.
    adapted: BTreeSet<String>,
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

    fn change(&mut self, name: &str, because: &str) -> &mut Change {
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

    /// The products of a module; whether there is one in the model.
    fn adapt(&mut self, module: &str, depth: usize, group: &Group<'a>) -> Result<bool, AdapterError> {
        let get = |role| group.0.get(&role).copied();
        if let Some(new) = get(Role::Tokens) {
            let Some(name) = self.model.tensor(&format!("{module}.weight")) else { return Ok(false) };
            self.token_rows(module, &name, new)?;
        }
        let pair = |a, b| {
            match (get(a), get(b)) {
            (Some(a), Some(b)) => Ok(Some((a, b))),
            (None, None) => Ok(None),
            (Some((name, _)), None) | (None, Some((name, _))) => Err(self.adapter.failed(
                name,
                "is one of two, and the other is missing: the file may be truncated, or was saved while it was spread over \
                 several machines",
            )),
        }
        };
        let (linear, table) = (pair(Role::A, Role::B)?, pair(Role::EmbeddingA, Role::EmbeddingB)?);
        let (a, b, is_table) = match (linear, table) {
            (Some((a, b)), None) => (a, b, false),
            (None, Some((a, b))) => (a, b, true),
            (None, None) => {
                return match group.0.iter().find(|(role, _)| **role != Role::Tokens) {
                    None => Ok(true),
                    Some((_, (name, _))) => {
                        Err(self.adapter.failed(name, "has no matrices that it belongs to"))
                    }
                };
            }
            (Some((a, _)), Some(_)) => {
                return Err(self
                    .adapter
                    .failed(a.0, format!("and another adapt {module} as two different layers")));
            }
        };
        let weight = if depth == 0 { self.model.weight(module) } else { None };
        let Some(weight) = weight else { return self.adapt_stack(module, depth, a, b, group) };
        self.check_targeted(module, a.0)?;
        let name = weight.name.clone();
        let Some(own) = self.model.tensors.get(&name) else { return Ok(false) };
        let (rank, scale) = self.rank_and_scale(module, a)?;
        // What the product is seen as: [out, in] of a linear layer, [rows, width] of a table.
        let (b_rows, a_columns) = (b.1.shape.first().copied(), a.1.shape.get(1).copied());
        let is_swapped = weight.transposed || is_table;
        let (wanted_rows, wanted_columns) =
            if is_swapped { (a_columns, b_rows) } else { (b_rows, a_columns) };
        let fits = a.1.shape.len() == 2
            && b.1.shape.len() == 2
            && b.1.shape.get(1) == Some(&rank)
            && Some(weight.rows.len()) == wanted_rows
            && own.shape.len() >= 2
            && own.shape.last().copied() == wanted_columns;
        if !fits {
            return Err(self.unfit(a, b, &name, &own.shape));
        }
        let (rows, columns) = (weight.rows.clone(), own.shape.last().copied().unwrap_or(0));
        let is_part = own.shape.len() > 2;
        let (width_a, width_b) = (a_columns.unwrap_or(0), rank);
        let of_a = |first| Factor { values: values(a), first, by_rank: width_a, by_other: 1 };
        let of_b = |first| Factor { values: values(b), first, by_rank: 1, by_other: width_b };
        let (left, right) = if is_swapped { (of_a(0), of_b(0)) } else { (of_b(0), of_a(0)) };
        let term = Term { left, right, rank, scale, at: rows.clone(), columns: 0..columns };
        let magnitudes = self.magnitudes(get(Role::Magnitude), a, is_swapped, rows.len(), columns)?;
        if magnitudes.is_some() && is_part {
            return Err(self
                .adapter
                .failed(a.0, "is DoRA of a part of a stored tensor, which is not merged here"));
        }
        let change = self.change(&name, a.0);
        change.terms.push(term);
        change.magnitudes = magnitudes;
        self.adapted.insert(name);
        self.count(module.rsplit('.').next().unwrap_or(module), rank, scale, 1);
        if let Some(bias) = get(Role::BiasOfB) {
            self.shift(module, bias, scale)?;
        }
        Ok(true)
    }

    fn unfit(&self, a: Named<'_>, b: Named<'_>, name: &str, shape: &[usize]) -> AdapterError {
        self.adapter.failed(
            a.0,
            format!("is {:?} and {} is {:?}, and the model's {name} is {shape:?}", a.1.shape, b.0, b.1.shape),
        )
    }

    fn count(&mut self, target: &str, rank: usize, scale: f64, matrices: usize) {
        self.summary.ranks.push(rank);
        self.summary.scales.push(scale);
        self.summary.targets.push(target.to_owned());
        self.summary.matrices += matrices;
    }

    /// Rank and scale of a module, if its tensors have that rank.
    fn rank_and_scale(&self, module: &str, (name, a): Named<'_>) -> Result<(usize, f64), AdapterError> {
        let (rank, scale) =
            self.adapter.config.rank_and_scale(module).map_err(|error| self.adapter.broken(error))?;
        match a.shape.first() {
            Some(stored) if *stored == rank => Ok((rank, scale)),
            _ => Err(self.adapter.failed(
                name,
                format!("is {:?}, and adapter_config.json says rank {rank} for {module}", a.shape),
            )),
        }
    }

    /// PEFT leaves out tensors at modules that the config does not name.
    fn check_targeted(&self, module: &str, name: &str) -> Result<(), AdapterError> {
        let config = &self.adapter.config;
        let is_targeted = config.targets(module).map_err(|error| self.adapter.broken(error))?;
        let is_tied_head = config.keeps_tie && super::place::is_head(module);
        if is_targeted == Some(false) && !is_tied_head && !config.has_parameter(&format!("{module}.weight")) {
            let reason = format!(
                "is for {module}, which the keys of adapter_config.json leave out (target_modules and such)"
            );
            return Err(self.adapter.failed(name, reason));
        }
        Ok(())
    }

    fn magnitudes(
        &self,
        stored: Option<Named<'_>>,
        a: Named<'_>,
        of_columns: bool,
        rows: usize,
        columns: usize,
    ) -> Result<Option<Magnitudes>, AdapterError> {
        match (self.adapter.config.dora, stored) {
            (false, None) => Ok(None),
            (true, None) => {
                Err(self.adapter.failed(a.0, "has no magnitudes beside it, as use_dora = true asks for"))
            }
            (false, Some((name, _))) => Err(self
                .adapter
                .failed(name, "are magnitudes of DoRA, and adapter_config.json says use_dora = false")),
            (true, Some((name, tensor))) => {
                let wanted = if of_columns { columns } else { rows };
                if tensor.shape.iter().product::<usize>() != wanted {
                    let reason = format!("is {:?}, and {wanted} magnitudes are needed", tensor.shape);
                    return Err(self.adapter.failed(name, reason));
                }
                Ok(Some(Magnitudes { values: values((name, tensor)), of_columns, norms: OnceLock::new() }))
            }
        }
    }

    /// A bias of `B`, which is added to the layer's.
    fn shift(&mut self, module: &str, bias: Named<'_>, scale: f64) -> Result<(), AdapterError> {
        let name = self.model.tensor(&format!("{module}.bias"));
        let own = name.and_then(|name| Some((self.model.tensors.get(&name)?, name)));
        let Some((own, name)) = own else {
            let reason = format!("is added to a bias, and the model's {module} has none");
            return Err(self.adapter.failed(bias.0, reason));
        };
        if own.shape != bias.1.shape {
            let reason = format!("is {:?}, and the model's {name} is {:?}", bias.1.shape, own.shape);
            return Err(self.adapter.failed(bias.0, reason));
        }
        self.change(&name, bias.0).shift = Some((values(bias), scale));
        Ok(())
    }

    fn token_rows(&mut self, module: &str, name: &str, new: Named<'_>) -> Result<(), AdapterError> {
        let rows = self.adapter.config.tokens(module);
        let Some(rows) = rows.map(<[usize]>::to_vec) else {
            let reason =
                "holds rows of tokens, and adapter_config.json does not say which (trainable_token_indices)";
            return Err(self.adapter.failed(new.0, reason));
        };
        let own = self.model.tensors.get(name).map(|own| own.shape.clone()).unwrap_or_default();
        let (n, width) = match own.as_slice() {
            [n, width] => (*n, *width),
            _ => (0, 0),
        };
        if new.1.shape != [rows.len(), width] || rows.iter().any(|row| *row >= n) {
            let reason = format!(
                "is {:?}, for {} tokens of the model's {name}, which is {own:?}",
                new.1.shape,
                rows.len()
            );
            return Err(self.adapter.failed(new.0, reason));
        }
        self.change(name, new.0).rows = Some((rows, values(new)));
        self.summary.replaced += 1;
        Ok(())
    }

    /// Products for a parameter that holds all experts (`target_parameters`). Row `e r + j` of `A` and column `j E + e` of
    /// `B` are those of expert `e`.
    fn adapt_stack(
        &mut self,
        module: &str,
        depth: usize,
        a: Named<'a>,
        b: Named<'a>,
        group: &Group<'a>,
    ) -> Result<bool, AdapterError> {
        let has = |stack: &&str| self.adapter.config.has_parameter(&format!("{module}.{stack}"));
        let stacks: Vec<&str> = STACKS.into_iter().filter(has).collect();
        // The parameter that comes last is wrapped last.
        let Some(stack) = stacks.len().checked_sub(depth + 1).map(|i| stacks[i]) else { return Ok(false) };
        if let Some((_, (name, _))) = group.0.iter().find(|(role, _)| ![Role::A, Role::B].contains(role)) {
            return Err(self.adapter.failed(name, "is at experts, where only plain products are"));
        }
        let parameter = format!("{module}.{stack}");
        let (rank, scale) =
            self.adapter.config.rank_and_scale(&parameter).map_err(|e| self.adapter.broken(e))?;
        let (&[a_rows, a_width], &[b_rows, b_width]) = (a.1.shape.as_slice(), b.1.shape.as_slice()) else {
            return Err(self.adapter.failed(a.0, format!("is {:?} and no matrix", a.1.shape)));
        };
        if a_rows != b_width || a_rows == 0 || a_rows % rank != 0 {
            let reason = format!(
                "is {:?} and {} is {:?}, and adapter_config.json says rank {rank} for {parameter}",
                a.1.shape, b.0, b.1.shape
            );
            return Err(self.adapter.failed(a.0, reason));
        }
        let n = a_rows / rank;
        let of_a =
            |e: usize| Factor { values: values(a), first: e * rank * a_width, by_rank: a_width, by_other: 1 };
        let of_b = |e: usize, row: usize| Factor {
            values: values(b),
            first: row * b_width + e,
            by_rank: n,
            by_other: b_width,
        };
        let term = |left, right, matrix: &Matrix, columns| Term {
            left,
            right,
            rank,
            scale,
            at: matrix.rows.clone(),
            columns: 0..columns,
        };
        if let Some(name) = self.model.tensor(&parameter) {
            let shape = self.model.tensors.get(&name).map(|own| own.shape.clone()).unwrap_or_default();
            let as_it_is = shape == [n, b_rows, a_width];
            let transposed = shape == [n, a_width, b_rows];
            if as_it_is && transposed {
                let reason = format!(
                    "is for {name}, whose matrices are square: whether they are stored [in, out] cannot be told. Merge it \
                     with merge_and_unload of peft"
                );
                return Err(self.adapter.failed(a.0, reason));
            }
            if !as_it_is && !transposed {
                return Err(self.unfit(a, b, &name, &shape));
            }
            let lines = shape[1];
            let terms = (0..n).map(|e| {
                let matrix = Matrix { name: name.clone(), rows: e * lines..(e + 1) * lines, transposed };
                let (left, right) = if transposed { (of_a(e), of_b(e, 0)) } else { (of_b(e, 0), of_a(e)) };
                term(left, right, &matrix, shape[2])
            });
            let terms: Vec<Term> = terms.collect();
            self.change(&name, a.0).terms.extend(terms);
            self.adapted.insert(name);
            self.count(stack, rank, scale, n);
            return Ok(true);
        }
        // Each expert has matrices of its own, the parameter both of gate and up.
        let projections: &[usize] = if stack == STACKS[0] { &[0, 1] } else { &[2] };
        for e in 0..n {
            let mut row = 0;
            for projection in projections {
                let Some(matrix) = self.model.expert(module, e, *projection) else { return Ok(false) };
                let own =
                    self.model.tensors.get(&matrix.name).map(|own| own.shape.clone()).unwrap_or_default();
                if own.as_slice() != [b_rows / projections.len(), a_width] {
                    return Err(self.unfit(a, b, &matrix.name, &own));
                }
                let term = term(of_b(e, row), of_a(e), &matrix, a_width);
                row += matrix.rows.len();
                self.change(&matrix.name, a.0).terms.push(term);
                self.adapted.insert(matrix.name);
            }
        }
        self.count(stack, rank, scale, n * projections.len());
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
