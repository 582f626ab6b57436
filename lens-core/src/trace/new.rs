//! Constructors of the parts of a trace, for other crates: each takes what the part cannot do without.

use std::{ops::Range, sync::Arc};

use super::{
    FinalTrace, GeneratorTrace, InterventionTrace, LensKindTrace, LensTrace, ModelTrace, NamedTrace,
    PositionTrace, ReadoutTrace, RoleTrace, SCHEMA, SampledTrace, SelfCheckTrace, StepTrace, TargetTrace,
    TimingTrace, TokenTrace, TopTrace,
};
use crate::{norm::NormMode, point::Component, statistic::Statistics, token::TokenId};

impl LensTrace {
    /// A trace of the current schema without readouts: only the text of the prompt and the tokens of the sequence.
    pub fn empty(
        generator: GeneratorTrace,
        model: ModelTrace,
        lens: LensKindTrace,
        prompt: impl Into<String>,
        tokens: Vec<TokenTrace>,
    ) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            prompt_index: None,
            id: None,
            generator,
            model,
            lens,
            lenses: Vec::new(),
            interventions: Vec::new(),
            prompt: prompt.into(),
            tokens,
            roles: Vec::new(),
            steps: Vec::new(),
            generation: None,
            important_above: None,
            versus: None,
            readouts: Vec::new(),
            finals: Vec::new(),
            faithfulness: Vec::new(),
            self_check: None,
            timing: None,
            notes: Vec::new(),
        }
    }
}

impl TimingTrace {
    /// Seconds in forward passes and in readouts.
    pub fn new(forward: f64, readout: f64) -> Self {
        Self { forward, readout }
    }
}

impl GeneratorTrace {
    /// A program and its version.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { name: name.into(), version: version.into() }
    }
}

impl ModelTrace {
    /// A model of `n_layers` blocks, a residual stream `d_model` wide and `n_vocab` rows of the unembedding, of which
    /// neither revision nor dtype nor device is known.
    pub fn new(
        id: impl Into<String>,
        family: impl Into<String>,
        n_layers: u16,
        d_model: usize,
        n_vocab: usize,
    ) -> Self {
        let unknown = || "unknown".to_owned();
        Self {
            id: id.into(),
            revision: None,
            family: family.into(),
            family_assumed: false,
            n_layers,
            d_model,
            n_vocab,
            dtype: unknown(),
            device: unknown(),
            mixers: Vec::new(),
        }
    }
}

impl LensKindTrace {
    /// A kind of lens by its name, and the norm before the unembedding.
    pub fn new(kind: impl Into<String>, norm: NormMode) -> Self {
        Self { kind: kind.into(), norm }
    }
}

impl TokenTrace {
    /// A token of the prompt whose bytes are exactly those of `text`.
    pub fn new(id: TokenId, text: impl Into<Arc<str>>) -> Self {
        Self { id, text: text.into(), bytes: None, generated: false }
    }
}

impl NamedTrace {
    /// A token whose bytes are exactly those of `text`.
    pub fn new(id: TokenId, text: impl Into<Arc<str>>) -> Self {
        Self { id, text: text.into(), bytes: None }
    }
}

impl RoleTrace {
    /// The tokens at these positions, which `role` says.
    pub fn new(role: impl Into<String>, tokens: Range<usize>) -> Self {
        Self { role: role.into(), start: tokens.start, end: tokens.end }
    }
}

impl StepTrace {
    /// A token written at the step `step`, from 0, after the readouts at `position`.
    pub fn new(step: usize, position: usize, token: SampledTrace) -> Self {
        Self { step, position, token }
    }
}

impl SampledTrace {
    /// A token whose bytes are exactly those of `text`, with its probability in the final readout.
    pub fn new(id: TokenId, text: impl Into<Arc<str>>, prob: f32) -> Self {
        Self { id, text: text.into(), bytes: None, prob }
    }
}

impl From<TopTrace> for SampledTrace {
    fn from(token: TopTrace) -> Self {
        Self { id: token.id, text: token.text, bytes: token.bytes, prob: token.prob }
    }
}

impl InterventionTrace {
    /// A change of kind `kind` at `point` at every position, with the intervention in its canonical form.
    pub fn new(point: impl Into<String>, kind: impl Into<String>, text: impl Into<String>) -> Self {
        Self { point: point.into(), kind: kind.into(), text: text.into(), positions: None }
    }
}

impl TopTrace {
    /// A token whose bytes are exactly those of `text`.
    pub fn new(id: TokenId, text: impl Into<Arc<str>>, logit: f32, prob: f32) -> Self {
        Self { id, text: text.into(), bytes: None, logit, prob }
    }
}

impl TargetTrace {
    /// A token that was asked for, and its rank, from 1, where that is known.
    pub fn new(token: TopTrace, rank: Option<u32>) -> Self {
        Self { token, rank }
    }
}

impl ReadoutTrace {
    /// The most probable tokens at a point (`layer` is `None` for the embedding) and position, larger logits first.
    pub fn new(layer: Option<u16>, component: Component, position: usize, top: Vec<TopTrace>) -> Self {
        Self {
            layer,
            component,
            position,
            lens: None,
            is_virtual: false,
            top,
            statistics: Statistics::NONE,
            targets: Vec::new(),
            tracked: Vec::new(),
        }
    }
}

impl FinalTrace {
    /// The most probable tokens of the model's own answer at a position, larger logits first.
    pub fn new(position: usize, top: Vec<TopTrace>) -> Self {
        Self {
            position,
            top,
            statistics: Statistics::NONE,
            decided_at: None,
            important_layers: Vec::new(),
            important_by_movement: None,
            targets: Vec::new(),
        }
    }
}

impl SelfCheckTrace {
    /// The comparison at a position: the largest absolute difference of a logit, that of the log-sum-exp, and whether
    /// rounding explains both.
    pub fn new(position: usize, max_abs_logit_error: f32, log_sum_exp_error: f32, passed: bool) -> Self {
        Self { max_abs_logit_error, passed, position, log_sum_exp_error }
    }
}

impl PositionTrace {
    /// The model's own answer at a position, and the readouts there in order of execution.
    pub fn new(last: FinalTrace, readouts: Vec<ReadoutTrace>) -> Self {
        Self { last, readouts }
    }
}
