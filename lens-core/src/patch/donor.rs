//! What takes the place of activations.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    captured::Captured,
    cell::{Cell, Pair},
    error::PatchError,
    request::Prompt,
};
use crate::{
    backend::Backend,
    edit::{Change, Edit, Edits, Heads, Vectors},
    point::{Point, PointSet},
    token::TokenId,
};

/// Where the values come from that take the place of an activation.
pub(super) enum Donor {
    /// Zeros.
    Zero,
    /// One vector for all positions of a point.
    Mean(BTreeMap<Point, Vec<f32>>),
    /// The vectors of another run, by point and position.
    Rows(BTreeMap<(Point, usize), Vec<f32>>),
}

impl Donor {
    /// The activations of a run at the positions that pairs take from.
    pub(super) fn rows<B: Backend>(
        backend: &B,
        run: &Captured<B::Hidden>,
        points: &PointSet,
        from: impl IntoIterator<Item = usize>,
    ) -> Result<Self, PatchError> {
        let from: BTreeSet<usize> = from.into_iter().collect();
        let mut rows = BTreeMap::new();
        for point in points.as_slice() {
            for position in &from {
                rows.insert((*point, *position), run.row(backend, *point, *position)?);
            }
        }
        Ok(Self::Rows(rows))
    }

    /// The mean of a run over the positions up to `read`.
    pub(super) fn mean_of_run<B: Backend>(
        backend: &B,
        run: &Captured<B::Hidden>,
        points: &PointSet,
        read: usize,
    ) -> Result<Self, PatchError> {
        let mut means = Means::default();
        means.take(backend, run, points, read)?;
        Ok(means.end())
    }

    /// The mean over all positions of some prompts, each of which is run once.
    pub(super) fn mean_of<B: Backend>(
        backend: &mut B,
        prompts: &[Vec<TokenId>],
        points: &PointSet,
    ) -> Result<Self, PatchError> {
        if prompts.is_empty() {
            return Err(PatchError::NoPrompts);
        }
        let mut means = Means::default();
        for tokens in prompts {
            let run = Captured::run(backend, Prompt::new(tokens), points, 0..tokens.len(), false)?;
            means.take(backend, &run, points, tokens.len() - 1)?;
        }
        Ok(means.end())
    }

    /// The edits of a cell at `changed`, the point where its activation is exchanged; `pairs` are all positions where it
    /// names none, and `d_head` the values of a head.
    pub(super) fn edits(&self, cell: &Cell, changed: Point, pairs: &[Pair], d_head: Option<usize>) -> Edits {
        let (taken, head) = cell.taken();
        let heads = head.zip(d_head).map(|(head, d_head)| Heads { chosen: vec![head.into()], d_head });
        let own = |row: &Vec<f32>| match &heads {
            None => row.clone(),
            Some(Heads { chosen, d_head }) => {
                chosen.iter().flat_map(|head| &row[head * d_head..][..*d_head]).copied().collect()
            }
        };
        let replace = |row: &Vec<f32>| {
            let mut vectors = Vectors::default();
            vectors.add(own(row));
            Change::Replace(vectors)
        };
        let pairs = cell.at.as_ref().map_or(pairs, std::slice::from_ref);
        let all = || Some(pairs.iter().map(|pair| pair.to).collect::<Vec<_>>());
        let mut edits = Edits::default();
        let mut push =
            |positions, change| edits.push(changed, Edit { heads: heads.clone(), positions, change });
        match self {
            Self::Zero => push(all(), Change::Zero),
            Self::Mean(means) => means.get(&taken).into_iter().for_each(|mean| push(all(), replace(mean))),
            Self::Rows(rows) => {
                for pair in pairs {
                    if let Some(row) = rows.get(&(taken, pair.from)) {
                        push(Some(vec![pair.to]), replace(row));
                    }
                }
            }
        }
        edits
    }
}

/// Sums over positions, in float64.
#[derive(Default)]
struct Means {
    sums: BTreeMap<Point, Vec<f64>>,
    n: usize,
}

impl Means {
    /// Adds the positions of a run up to `read`.
    fn take<B: Backend>(
        &mut self,
        backend: &B,
        run: &Captured<B::Hidden>,
        points: &PointSet,
        read: usize,
    ) -> Result<(), PatchError> {
        for point in points.as_slice() {
            let sums = self.sums.entry(*point).or_default();
            for position in 0..=read {
                let row = run.row(backend, *point, position)?;
                sums.resize(row.len(), 0.0);
                sums.iter_mut().zip(&row).for_each(|(sum, value)| *sum += f64::from(*value));
            }
        }
        self.n += read + 1;
        Ok(())
    }

    fn end(self) -> Donor {
        let n = self.n as f64;
        let mean = |sums: Vec<f64>| sums.into_iter().map(|sum| (sum / n) as f32).collect();
        Donor::Mean(self.sums.into_iter().map(|(point, sums)| (point, mean(sums))).collect())
    }
}
