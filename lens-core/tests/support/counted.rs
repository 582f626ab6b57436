//! The toy, which writes down what is asked of it.

use std::{cell::RefCell, ops::Range, sync::Arc};

use lens_core::{
    Backend, BackendError, Branches, Choice, Edits, Forward, ModelInfo, Pack, PlainLogits, Point,
    ReadRequest, Readings, StepBudget, TokenId,
    toy::{ToyBackend, ToyHidden},
};

/// A step that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ran {
    pub(crate) past: usize,
    pub(crate) n: usize,
    pub(crate) total: usize,
    pub(crate) through: Option<Point>,
    /// Points and rows that were captured.
    pub(crate) captured: (usize, usize),
}

/// The toy, which counts.
pub(crate) struct Counted {
    pub(crate) toy: ToyBackend,
    pub(crate) budget: StepBudget,
    /// Whether a token is chosen by a readout of its own.
    pub(crate) chooses_first: bool,
    pub(crate) forwards: Vec<Ran>,
    /// For each pack, its tokens and rows.
    pub(crate) packs: Vec<(usize, usize)>,
    /// Whether it can run branches.
    pub(crate) has_branches: bool,
    /// For each pass of branches: the block, the first position, and how many they were.
    pub(crate) branches: Vec<(u16, usize, usize)>,
    /// A point whose change makes a branch fail.
    pub(crate) breaks_at: Option<Point>,
    /// For each time that the vocabulary was passed by for readouts: the columns beside the final one.
    pub(crate) reads: RefCell<Vec<usize>>,
}

impl Counted {
    pub(crate) fn new(toy: ToyBackend) -> Self {
        let (forwards, packs, reads) = (Vec::new(), Vec::new(), RefCell::default());
        Self {
            toy,
            budget: StepBudget::default(),
            chooses_first: false,
            forwards,
            packs,
            has_branches: true,
            branches: Vec::new(),
            breaks_at: None,
            reads,
        }
    }
}

impl Backend for Counted {
    type Hidden = ToyHidden;

    fn info(&self) -> &ModelInfo {
        self.toy.info()
    }

    fn step_budget(&self) -> StepBudget {
        self.budget
    }

    fn forward(&mut self, step: &Forward<'_>) -> Result<Vec<ToyHidden>, BackendError> {
        self.forwards.push(Ran {
            past: step.past,
            n: step.tokens.len(),
            total: step.total,
            through: step.through,
            captured: (step.points.len(), step.rows.len()),
        });
        self.toy.forward(step)
    }

    fn forward_pack(&mut self, pack: &Pack<'_>) -> Result<Option<Vec<ToyHidden>>, BackendError> {
        let tokens = pack.sequences.iter().map(|sequence| sequence.tokens.len()).sum();
        self.packs.push((tokens, pack.sequences.iter().map(|sequence| sequence.rows.len()).sum()));
        self.toy.forward_pack(pack)
    }

    fn forward_branches(
        &mut self,
        branches: &Branches<'_, ToyHidden>,
    ) -> Result<Option<ToyHidden>, BackendError> {
        self.branches.push((branches.layer, branches.from, branches.edits.len()));
        let breaks = |point: &Point| branches.edits.iter().any(|edits| edits.change(*point));
        match self.breaks_at.filter(breaks) {
            Some(_) => Err(BackendError::Other("broken on purpose".into())),
            None if self.has_branches => self.toy.forward_branches(branches),
            None => Ok(None),
        }
    }

    fn select(&self, hidden: &ToyHidden, rows: Range<usize>) -> Result<ToyHidden, BackendError> {
        self.toy.select(hidden, rows)
    }

    fn heads(&self, layer: u16) -> Option<(usize, usize)> {
        self.toy.heads(layer)
    }

    fn set_edits(&mut self, edits: Option<Arc<Edits>>) -> Result<Option<Arc<Edits>>, BackendError> {
        self.toy.set_edits(edits)
    }

    fn rows(
        &self,
        hidden: &ToyHidden,
        rows: Range<usize>,
        out: &mut Vec<f32>,
    ) -> Result<usize, BackendError> {
        self.toy.rows(hidden, rows, out)
    }

    fn read(&self, request: &ReadRequest<'_, ToyHidden>) -> Result<Readings, BackendError> {
        self.reads.borrow_mut().push(request.hidden.len());
        self.toy.read(request)
    }

    fn read_choosing(
        &self,
        request: &ReadRequest<'_, ToyHidden>,
        mut choice: Choice<'_>,
    ) -> Result<Readings, BackendError> {
        if self.chooses_first {
            return request.with_choice(&mut choice, |request| self.read(request));
        }
        self.reads.borrow_mut().push(request.hidden.len());
        self.toy.read_choosing(request, choice)
    }

    fn plain_logits(
        &self,
        last: &ToyHidden,
        row: usize,
        ids: &[TokenId],
    ) -> Result<PlainLogits, BackendError> {
        self.toy.plain_logits(last, row, ids)
    }
}
