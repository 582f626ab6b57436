//! Routing as data: which experts see a token, and with which weights.

use super::{LinearSpec, NormSpec, Param};

/// What a router's logits are compared by, and what the weights of the chosen experts are made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scores {
    /// The softmax over all experts (Shazeer et al. 2017 without noise; Mixtral).
    Softmax,
    /// The sigmoid of each logit by itself (DeepSeek-V3).
    Sigmoid,
    /// The logits themselves; the weights are the softmax over those that were chosen (Granite, gpt-oss).
    SoftmaxOfChosen,
    /// The logits themselves; the weights are the sigmoids of those that were chosen (Kolibri).
    SigmoidOfChosen,
    /// Two experts, one after the other: the weight of each is its share of a softmax over those experts that were not
    /// chosen before it and whose logits are close to its own (SparseMixer, Liu et al. 2024, as it runs after training).
    SparseMixer {
        /// Half the relative distance within which a logit is close.
        jitter: f64,
    },
}

/// How good a group of experts is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupScore {
    /// As good as its best expert (DeepSeek-V2).
    Best,
    /// As good as its two best experts together (DeepSeek-V3).
    BestTwo,
}

/// Groups of experts that lie beside each other, of which the best alone are chosen from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Groups {
    /// How many groups there are; all have the same number of experts.
    pub n: usize,
    /// How many of them are chosen from.
    pub chosen: usize,
    /// How good a group is.
    pub by: GroupScore,
}

/// What the weights of the chosen experts are divided by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Divisor {
    /// Their sum, and this much more.
    Sum {
        /// A little, so that nothing is divided by zero.
        plus: f64,
    },
    /// Their sum, or this, whichever is larger.
    SumOrAtLeast(f64),
    /// Their norm `(sum |w|^p)^(1/p)` with this `p`.
    Norm(f64),
}

/// What a weight multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weighted {
    /// What the expert computes.
    Output,
    /// What it computes from (Llama 4).
    Input,
}

/// Which experts see a token, and with which weights.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RoutingSpec {
    /// The router, `[experts, d_model]`.
    pub router: LinearSpec,
    /// Norm on what the router reads, where it reads the stream by itself.
    pub norm: Option<NormSpec>,
    /// Factor on the logits.
    pub logit_factor: f64,
    /// Logits become `cap * tanh(logit / cap)` first.
    pub logit_cap: Option<f64>,
    /// What logits are compared by.
    pub scores: Scores,
    /// Added to the scores for the choice, `[experts]`; weights are made of the scores without it.
    pub correction: Option<Param>,
    /// Groups that are chosen first.
    pub groups: Option<Groups>,
    /// How many experts see a token.
    pub per_token: usize,
    /// What the weights are divided by.
    pub divisor: Option<Divisor>,
    /// Factor on the weights in the end.
    pub factor: f64,
    /// One more for each expert, `[experts]`.
    pub expert_factors: Option<Param>,
    /// What the weights multiply.
    pub weighted: Weighted,
    /// Whether logits are computed in float32 instead of the model's dtype.
    pub wide_logits: bool,
    /// Whether weights multiply in float32 instead of the model's dtype.
    pub wide_weights: bool,
}

impl RoutingSpec {
    /// The `per_token` experts with the largest scores, weighted by these: the common case, to be changed from there.
    pub fn new(router: LinearSpec, per_token: usize, scores: Scores) -> Self {
        Self {
            router,
            norm: None,
            logit_factor: 1.0,
            logit_cap: None,
            scores,
            correction: None,
            groups: None,
            per_token,
            divisor: None,
            factor: 1.0,
            expert_factors: None,
            weighted: Weighted::Output,
            wide_logits: false,
            wide_weights: false,
        }
    }

    /// This routing, in float32 from the logits to the weights.
    #[must_use]
    pub fn wide(self) -> Self {
        Self { wide_logits: true, wide_weights: true, ..self }
    }

    /// This routing, with weights that are made to sum to one.
    #[must_use]
    pub fn renormalised(self, plus: f64) -> Self {
        Self { divisor: Some(Divisor::Sum { plus }), ..self }
    }

    /// Its parameters.
    pub fn params(&self) -> impl Iterator<Item = &Param> {
        let norm = self.norm.iter().flat_map(NormSpec::params);
        self.router.params().chain(&self.correction).chain(norm).chain(&self.expert_factors)
    }
}
