//! Products at one module: `W + s B A`, with DoRA's magnitudes, a bias of `B`, and rows of tokens.

use std::sync::OnceLock;

use super::{
    AdapterError,
    change::{Named, values},
    keys::Role,
    merge::{Factor, Magnitudes, Term},
    place::is_head,
    resolve::{Changes, Group},
};

impl<'a> Changes<'a, '_> {
    /// The products of a module; whether there is one in the model.
    pub(super) fn adapt(
        &mut self,
        module: &str,
        depth: usize,
        group: &Group<'a>,
    ) -> Result<bool, AdapterError> {
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

    pub(super) fn unfit(&self, a: Named<'_>, b: Named<'_>, name: &str, shape: &[usize]) -> AdapterError {
        self.adapter.failed(
            a.0,
            format!("is {:?} and {} is {:?}, and the model's {name} is {shape:?}", a.1.shape, b.0, b.1.shape),
        )
    }

    pub(super) fn count(&mut self, target: &str, rank: usize, scale: f64, matrices: usize) {
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
        let is_tied_head = config.keeps_tie && is_head(module);
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
}
