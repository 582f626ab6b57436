//! A router: which experts see a token, and with which weights.

use tch::{Kind, Tensor};

use crate::{
    decoder::{
        ModelError,
        norm::{Norm, normed},
        threads::sigmoid,
        weights::{Linear, Weights},
    },
    spec::{Divisor, GroupScore, Groups, RoutingSpec, Scores, Weighted},
};

/// The router of a mixture of experts.
#[derive(Debug)]
pub(super) struct Router {
    logits: Linear,
    correction: Option<Tensor>, // [experts], float32
    norm: Option<Norm>,
    expert_factors: Option<Tensor>, // [experts], float32
    spec: RoutingSpec,
}

/// The chosen experts of some tokens, the best of each first.
#[derive(Debug)]
pub(super) struct Choices {
    /// Their weights, `[pos, per_token]`, in the model's dtype or in float32.
    pub(super) weights: Tensor,
    /// Their indices, `[pos, per_token]`.
    pub(super) experts: Tensor,
}

impl Router {
    pub(super) fn load(spec: &RoutingSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        let logits = match spec.wide_logits {
            true => weights.wide_linear(&spec.router)?,
            false => weights.linear(&spec.router)?,
        };
        let correction = spec.correction.as_ref().map(|param| weights.wide_param(param)).transpose()?;
        let norm = Norm::load_optional(spec.norm.as_ref(), weights)?;
        let expert_factors =
            spec.expert_factors.as_ref().map(|param| weights.wide_param(param)).transpose()?;
        Ok(Self { norm, expert_factors, ..Self::new(spec.clone(), logits, correction) })
    }

    pub(super) fn new(spec: RoutingSpec, logits: Linear, correction: Option<Tensor>) -> Self {
        Self { logits, correction, norm: None, expert_factors: None, spec }
    }

    /// How many experts see a token.
    pub(super) fn per_token(&self) -> i64 {
        self.spec.per_token as i64
    }

    /// What the weights multiply.
    pub(super) fn weighted(&self) -> Weighted {
        self.spec.weighted
    }

    /// The experts that tokens choose, of `x`, `[pos, d_model]`.
    pub(super) fn choose(&self, x: &Tensor) -> Result<Choices, ModelError> {
        let read = normed(self.norm.as_ref(), x)?;
        let mut logits = match self.spec.wide_logits {
            true => self.logits.forward(&read.f_to_kind(Kind::Float)?)?,
            false => self.logits.forward(&read)?,
        }; // [pos, experts]
        if self.spec.logit_factor != 1.0 {
            logits = logits.f_mul_scalar(self.spec.logit_factor)?;
        }
        let Choices { mut weights, experts } = match self.spec.scores {
            Scores::SparseMixer { jitter } => one_after_the_other(&logits, jitter, self.spec.per_token)?,
            _ => self.best(&self.capped(logits.f_to_kind(Kind::Float)?)?)?,
        };
        weights = self.divided(weights)?;
        if self.spec.factor != 1.0 {
            weights = weights.f_mul_scalar(self.spec.factor)?;
        }
        if let Some(factors) = &self.expert_factors {
            weights = weights.f_mul(&factors.f_take(&experts)?)?;
        }
        if !self.spec.wide_weights {
            weights = weights.f_to_kind(x.kind())?;
        }
        Ok(Choices { weights, experts })
    }

    fn capped(&self, logits: Tensor) -> Result<Tensor, ModelError> {
        Ok(match self.spec.logit_cap {
            Some(cap) => logits.f_div_scalar(cap)?.f_tanh()?.f_mul_scalar(cap)?,
            None => logits,
        })
    }

    /// The experts with the largest scores, of logits in float32.
    fn best(&self, logits: &Tensor) -> Result<Choices, ModelError> {
        let scores = match self.spec.scores {
            Scores::Softmax => logits.f_softmax(-1, Kind::Float)?,
            Scores::Sigmoid => sigmoid(logits)?,
            Scores::SoftmaxOfChosen | Scores::SigmoidOfChosen | Scores::SparseMixer { .. } => {
                logits.shallow_clone()
            }
        };
        let mut preference = match &self.correction {
            Some(correction) => scores.f_add(correction)?,
            None => scores.shallow_clone(),
        };
        if let Some(groups) = self.spec.groups {
            preference = preference.f_masked_fill(&outside(&preference, groups)?, f64::NEG_INFINITY)?;
        }
        let (_, experts) = preference.f_topk(self.per_token(), -1, true, true)?;
        let mut weights = scores.f_gather(-1, &experts, false)?;
        if let Some(correction) = &self.correction {
            // A choice hides what is not finite: here it shows, whoever is chosen.
            weights = weights.f_add(&correction.f_sum(Kind::Float)?.f_mul_scalar(0.0)?)?;
        }
        let weights = match self.spec.scores {
            Scores::SoftmaxOfChosen => weights.f_softmax(-1, Kind::Float)?,
            Scores::SigmoidOfChosen => sigmoid(&weights)?,
            _ => weights,
        };
        Ok(Choices { weights, experts })
    }

    fn divided(&self, weights: Tensor) -> Result<Tensor, ModelError> {
        let sum = || weights.f_sum_dim_intlist([-1].as_slice(), true, weights.kind());
        Ok(match self.spec.divisor {
            None => weights,
            Some(Divisor::Sum { plus }) => weights.f_div(&sum()?.f_add_scalar(plus)?)?,
            Some(Divisor::SumOrAtLeast(least)) => weights.f_div(&sum()?.f_clamp_min(least)?)?,
            Some(Divisor::Norm(p)) => {
                weights.f_div(&weights.f_norm_scalaropt_dim(p, [-1].as_slice(), true)?)?
            }
        })
    }
}

/// The experts that are in none of the best groups, `[pos, experts]` as true or false.
fn outside(preference: &Tensor, groups: Groups) -> Result<Tensor, ModelError> {
    let shape = preference.size();
    let (n, size) = (groups.n as i64, shape[1] / groups.n as i64);
    let grouped = preference.f_view([-1, n, size])?;
    let best = match groups.by {
        GroupScore::Best => 1,
        GroupScore::BestTwo => 2,
    };
    let (best, _) = grouped.f_topk(best, -1, true, false)?;
    let score = best.f_sum_dim_intlist([-1].as_slice(), false, best.kind())?; // [pos, groups]
    let (_, chosen) = score.f_topk(groups.chosen as i64, -1, true, false)?;
    let all = Tensor::f_ones([shape[0], n], (Kind::Bool, preference.device()))?;
    let outside = all.f_scatter_value(-1, &chosen, 0)?;
    Ok(outside.f_unsqueeze(-1)?.f_expand([-1, -1, size], false)?.f_reshape(shape)?)
}

/// SparseMixer's experts (Liu et al. 2024, algorithm 2 without noise): the best, then the best of the rest; each weighs
/// its share of the softmax over those of the rest whose logits are within twice `jitter` of its own, relatively.
fn one_after_the_other(logits: &Tensor, jitter: f64, n: usize) -> Result<Choices, ModelError> {
    let (mut weights, mut experts) = (Vec::with_capacity(n), Vec::with_capacity(n));
    let mut left = logits.shallow_clone();
    for _ in 0..n {
        let (best, index) = left.f_max_dim(-1, true)?; // [pos, 1]
        let scale = logits.f_abs()?.f_maximum(&best)?;
        let far = best.f_sub(logits)?.f_div(&scale)?.f_gt(2.0 * jitter)?;
        let close = left.f_masked_fill(&far, f64::NEG_INFINITY)?;
        weights.push(close.f_softmax(-1, close.kind())?.f_gather(-1, &index, false)?);
        left = left.f_scatter_value(-1, &index, f64::NEG_INFINITY)?;
        experts.push(index);
    }
    Ok(Choices { weights: Tensor::f_cat(&weights, -1)?, experts: Tensor::f_cat(&experts, -1)? })
}
