//! Tokens of a sequence that are run in one step.

/// Some tokens of one sequence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// Tokens of the sequence before these.
    pub(super) past: usize,
    /// How many these are.
    pub(super) n: usize,
    /// How long the sequence is; position embeddings that depend on the length are those of this length.
    pub(super) total: usize,
}

impl Span {
    /// A whole sequence of `n` tokens.
    pub(super) fn whole(n: usize) -> Self {
        Self { past: 0, n, total: n }
    }
}
