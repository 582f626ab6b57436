//! Products for parameters that hold all experts of a layer.

use super::{
    AdapterError,
    change::{Named, values},
    keys::Role,
    merge::{Factor, Term},
    place::{Matrix, STACKS},
    resolve::{Changes, Group},
};

impl<'a> Changes<'a, '_> {
    /// Products for a parameter that holds all experts (`target_parameters`). Row `e r + j` of `A` and column `j E + e` of
    /// `B` are those of expert `e`.
    pub(super) fn adapt_stack(
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
}
