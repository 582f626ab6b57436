//! One step of a forward pass: which tokens it has, and what all blocks share while it runs.

use std::cell::{OnceCell, RefCell};

use tch::{Device, Tensor};

use super::{ModelError, part::Part, rotary::RotaryTables, span::Span, visible::Masks};
use crate::device::Place;

/// Keys and values of a step and of what comes before it.
pub(super) struct Lent {
    /// For each part of the step, `[batch, n_kv_heads, past + pos, d_head]` both.
    pub(super) parts: Vec<(Tensor, Tensor)>,
    /// The largest magnitude of a key.
    pub(super) largest_key: f64,
}

impl Lent {
    /// The same, in another place.
    fn to(&self, device: Device) -> Result<Self, ModelError> {
        let there = |(k, v): &(Tensor, Tensor)| -> Result<_, ModelError> {
            Ok((k.f_to_device(device)?, v.f_to_device(device)?))
        };
        Ok(Self { parts: self.parts.iter().map(there).collect::<Result<_, _>>()?, ..*self })
    }
}

/// One step of a forward pass: more tokens of a sequence, or several whole sequences.
pub(super) struct Step {
    /// Tokens before this step.
    pub(super) past: usize,
    /// Tokens in this step.
    pub(super) n: usize,
    /// Tokens of the sequence that may come to be run.
    pub(super) room: usize,
    /// How many blocks it runs through, if they are not all.
    pub(super) depth: usize,
    /// The position of each token in its sequence, `[n]`.
    pub(super) positions: Vec<usize>,
    /// The rotary tables of its positions.
    pub(super) tables: RotaryTables,
    /// Sequences that mixers run together: one part of one sequence, or several parts of a pack.
    pub(super) parts: Vec<Part>,
    /// The tokens' vectors for blocks, `[n, n_layers, d_vector]`, where the model has some.
    vectors: OnceCell<Tensor>,
    /// Keys and values that blocks of this step lend to later ones, by the block.
    lent: RefCell<Vec<(u16, Lent)>>,
    /// Whether it is several runs that part from one sequence, which is kept as it is.
    branches: bool,
}

impl Step {
    /// More tokens of one sequence, of which `room` may come to be run.
    pub(super) fn of_sequence(span: Span, room: usize, tables: RotaryTables) -> Self {
        let Span { past, n, .. } = span;
        let part = Part::one(n, Masks::new(past, n));
        Self {
            past,
            n,
            room,
            depth: usize::MAX,
            positions: (past..past + n).collect(),
            tables,
            parts: vec![part],
            vectors: OnceCell::new(),
            lent: RefCell::default(),
            branches: false,
        }
    }

    /// Several runs of the same tokens of one sequence, one after the other: none of them is kept, and all of them see
    /// what is kept of the tokens before. The tables are those of all runs.
    pub(super) fn of_branches(span: Span, runs: usize, tables: RotaryTables) -> Self {
        let Span { past, n, .. } = span;
        let positions = (0..runs).flat_map(|_| past..past + n).collect();
        let parts = vec![Part::equal(runs, n, Masks::new(past, n))];
        let n = runs * n;
        let (vectors, lent) = (OnceCell::new(), RefCell::default());
        Self { past, n, room: 0, depth: usize::MAX, positions, tables, parts, vectors, lent, branches: true }
    }

    /// Whole sequences, which ascend in length. The parts lie in these places.
    pub(super) fn of_pack(
        spans: &[Span],
        tables: RotaryTables,
        places: &[Place],
    ) -> Result<Self, ModelError> {
        let n = spans.iter().map(|span| span.n).sum();
        let positions = spans.iter().flat_map(|span| 0..span.n).collect();
        let mut parts = Vec::new();
        let (mut rest, mut start) = (spans, 0);
        while let Some(shortest) = rest.first() {
            // Padding at most doubles what mixers compute.
            let alike = rest.partition_point(|span| span.n <= 2 * shortest.n);
            let lengths: Vec<usize> = rest[..alike].iter().map(|span| span.n).collect();
            let part = Part::several(start, &lengths, places)?;
            start += lengths.iter().sum::<usize>();
            parts.push(part);
            rest = &rest[alike..];
        }
        Ok(Self {
            past: 0,
            n,
            room: 0,
            depth: usize::MAX,
            positions,
            tables,
            parts,
            vectors: OnceCell::new(),
            lent: RefCell::default(),
            branches: false,
        })
    }

    /// The same through the first `depth` blocks alone.
    pub(super) fn through(self, depth: usize) -> Self {
        Self { depth, ..self }
    }

    /// Sets the tokens' vectors for blocks, `[n, n_layers, d_vector]`, before the first block is run.
    pub(super) fn set_vectors(&self, vectors: Option<Tensor>) {
        if let Some(vectors) = vectors {
            let _ = self.vectors.set(vectors);
        }
    }

    /// The tokens' vectors for a block, `[n, d_vector]`.
    pub(super) fn vectors(&self, layer: u16, device: Device) -> Result<Tensor, ModelError> {
        let vectors = self.vectors.get().ok_or(ModelError::MissedPoint)?;
        Ok(vectors.f_select(1, i64::from(layer))?.f_to_device(device)?)
    }

    /// Keeps keys and values of block `layer` for later ones.
    pub(super) fn lend(&self, layer: u16, lent: Lent) {
        self.lent.borrow_mut().push((layer, lent));
    }

    /// The keys and values of block `layer`, which was run in this step.
    pub(super) fn borrow(&self, layer: u16, device: Device) -> Result<Lent, ModelError> {
        let all = self.lent.borrow();
        let (_, lent) = all.iter().find(|(lender, _)| *lender == layer).ok_or(ModelError::MissedPoint)?;
        lent.to(device)
    }

    /// Whether what it computes is kept: the sequence may go on, or does so already.
    pub(super) fn is_kept(&self) -> bool {
        !self.branches && (self.past > 0 || self.room > self.n)
    }
}
