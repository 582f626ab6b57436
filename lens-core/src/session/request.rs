//! Requests: what a user wants of a model.

use std::num::NonZeroUsize;

use crate::{
    intervention::Intervention,
    lens::{Plan, Sampling},
    message::Message,
    norm::NormMode,
    selection::{ComponentSelection, Selection},
    statistic::{Statistic, StatisticSet},
    token::TokenId,
    translate::LensSet,
};

/// What the model is to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A text, with the special tokens that the tokenizer adds.
    Text(String),
    /// Token ids as they are.
    Tokens(Vec<TokenId>),
    /// A conversation, which the checkpoint's chat template turns into a text.
    Chat(Vec<Message>),
}

/// A token whose logit, probability and rank every readout reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Its id.
    Id(TokenId),
    /// Its text, which has to be exactly one token.
    Text(String),
}

/// What a user wants of a model, as a builder. Everything but the input has a default: all layers and components at the
/// last position, the ten most probable tokens of each, and no continuation.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub(super) input: Input,
    pub(super) plan: Plan,
    pub(super) targets: Vec<Target>,
    pub(super) versus: Option<Target>,
    pub(super) threshold: f32,
    pub(super) max_new_tokens: Option<NonZeroUsize>,
    pub(super) sampling: Sampling,
    pub(super) trial: usize,
    pub(super) stop: Vec<String>,
    pub(super) interventions: Vec<Intervention>,
    pub(super) timing: bool,
}

impl Request {
    /// A request to read `input`.
    pub fn new(input: Input) -> Self {
        Self {
            input,
            plan: Plan::default(),
            targets: Vec::new(),
            versus: None,
            threshold: 0.03,
            max_new_tokens: None,
            sampling: Sampling::default(),
            trial: 0,
            stop: Vec::new(),
            interventions: Vec::new(),
            timing: false,
        }
    }

    /// A request to read a text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Input::Text(text.into()))
    }

    /// A request to read tokens as they are.
    pub fn tokens(tokens: impl IntoIterator<Item = TokenId>) -> Self {
        Self::new(Input::Tokens(tokens.into_iter().collect()))
    }

    /// A request to read a conversation, up to where the assistant's answer begins.
    pub fn chat(messages: impl IntoIterator<Item = Message>) -> Self {
        Self::new(Input::Chat(messages.into_iter().collect()))
    }

    /// Which layers; all of them by default.
    #[must_use]
    pub fn layers(mut self, layers: Selection) -> Self {
        self.plan.layers = layers;
        self
    }

    /// Which components of each layer; all of them by default.
    #[must_use]
    pub fn components(mut self, components: ComponentSelection) -> Self {
        self.plan.components = components;
        self
    }

    /// Which positions of the prompt; the last by default. Those of a continuation are always read.
    #[must_use]
    pub fn positions(mut self, positions: Selection) -> Self {
        self.plan.positions = positions;
        self
    }

    /// The lenses to read with, all from one forward pass; the plain logit lens by default.
    #[must_use]
    pub fn lenses(mut self, lenses: LensSet) -> Self {
        self.plan.lenses = lenses;
        self
    }

    /// How many of the most probable tokens to keep; ten by default, and at least one.
    #[must_use]
    pub fn top_k(mut self, k: usize) -> Self {
        self.plan.question.top_k = NonZeroUsize::new(k).unwrap_or(NonZeroUsize::MIN);
        self
    }

    /// Adds a token whose logit, probability and rank every readout reports.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }

    /// The token that the first target is compared with: every readout has the difference of their logits
    /// ([`Statistic::LogitDiff`]).
    #[must_use]
    pub fn versus(mut self, token: Target) -> Self {
        self.versus = Some(token);
        self.statistic(Statistic::LogitDiff)
    }

    /// What the norm before the unembedding divides by; the vector's own statistics by default.
    #[must_use]
    pub fn norm(mut self, norm: NormMode) -> Self {
        self.plan.question.norm = norm;
        self
    }

    /// Which statistics; by default those that need no second pass over the vocabulary.
    #[must_use]
    pub fn statistics(mut self, statistics: StatisticSet) -> Self {
        self.plan.question.statistics = statistics;
        self
    }

    /// Adds a statistic to those computed.
    #[must_use]
    pub fn statistic(mut self, statistic: Statistic) -> Self {
        self.plan.question.statistics = self.plan.question.statistics.with(statistic);
        self
    }

    /// Whether to compute the Jensen-Shannon divergence and the total variation too.
    #[must_use]
    pub fn distances(self, wanted: bool) -> Self {
        if wanted { self.statistic(Statistic::JsToFinal).statistic(Statistic::TvToFinal) } else { self }
    }

    /// Probability above which a token makes a layer important; 0.03 by default.
    #[must_use]
    pub fn important_above(mut self, probability: f32) -> Self {
        self.threshold = probability;
        self
    }

    /// Bytes that captured activations may take; see [`Plan::memory_budget`].
    #[must_use]
    pub fn memory_budget(mut self, bytes: usize) -> Self {
        self.plan.memory_budget = Some(bytes);
        self
    }

    /// Lets the model write up to `n` tokens, and reads the position from which each is sampled; 0 is none.
    #[must_use]
    pub fn max_new_tokens(mut self, n: usize) -> Self {
        self.max_new_tokens = NonZeroUsize::new(n);
        self
    }

    /// How tokens are chosen; greedily by default.
    #[must_use]
    pub fn sampling(mut self, sampling: Sampling) -> Self {
        self.sampling = sampling;
        self
    }

    /// Which of several trials this is: its number is added to the seed.
    #[must_use]
    pub fn trial(mut self, trial: usize) -> Self {
        self.trial = trial;
        self
    }

    /// Adds an intervention, applied after those added before.
    #[must_use]
    pub fn steer(mut self, intervention: Intervention) -> Self {
        self.interventions.push(intervention);
        self
    }

    /// Whether the trace says where the time went. Without it, the same request gives the same trace every time.
    #[must_use]
    pub fn timing(mut self, wanted: bool) -> Self {
        self.timing = wanted;
        self
    }

    /// Adds a text that ends the continuation.
    #[must_use]
    pub fn stop(mut self, text: impl Into<String>) -> Self {
        self.stop.push(text.into());
        self
    }
}
