//! The MLP of a block: gated, plain, or a mixture of experts.

mod dissect;

use tch::{Kind, Tensor};

use super::{
    ModelError,
    weights::{Linear, Weights},
};
use crate::spec::{Activation, ExpertsSpec, GatedSpec, Gating, MlpSpec, Weighting};

/// The MLP of one block.
#[derive(Debug)]
pub(super) enum Mlp {
    Gated(Gated),
    Plain { activation: Activation, up: Linear, down: Linear },
    Experts(Experts),
}

impl Mlp {
    pub(super) fn load(spec: &MlpSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        Ok(match spec {
            MlpSpec::Gated(gated) => Self::Gated(Gated::load(gated, weights)?),
            MlpSpec::Plain { activation, up, down } => {
                Self::Plain { activation: *activation, up: weights.linear(up)?, down: weights.linear(down)? }
            }
            MlpSpec::Experts(experts) => Self::Experts(Experts::load(experts, weights)?),
        })
    }

    /// `[pos, d_model]` to `[pos, d_model]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        match self {
            Self::Gated(gated) => gated.forward(x),
            Self::Plain { activation, up, down } => down.forward(&activate(*activation, &up.forward(x)?)?),
            Self::Experts(experts) => experts.forward(x),
        }
    }
}

/// A gated MLP.
#[derive(Debug)]
pub(super) struct Gated {
    gating: Gating,
    gate: Linear,
    up: Linear,
    down: Linear,
}

impl Gated {
    fn load(spec: &GatedSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        Ok(Self {
            gating: spec.gating,
            gate: weights.linear(&spec.gate)?,
            up: weights.linear(&spec.up)?,
            down: weights.linear(&spec.down)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        self.down.forward(&self.inner(x)?)
    }

    /// The neurons after activation and gate, `[pos, d_mlp]`.
    fn inner(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let (gate, up) = (self.gate.forward(x)?, self.up.forward(x)?);
        Ok(match self.gating {
            Gating::Plain(activation) => activate(activation, &gate)?.f_mul(&up)?,
            Gating::ClampedSwiglu { alpha, limit } => {
                let gate = gate.f_clamp_max(limit)?;
                let glu = gate.f_mul(&gate.f_mul_scalar(alpha)?.f_sigmoid()?)?;
                up.f_clamp(-limit, limit)?.f_add_scalar(1.0)?.f_mul(&glu)?
            }
        })
    }
}

/// A mixture of experts.
#[derive(Debug)]
pub(super) struct Experts {
    router: Linear,
    per_token: i64,
    weighting: Weighting,
    experts: Vec<Gated>,
    shared: Option<(Gated, Linear)>,
}

impl Experts {
    fn load(spec: &ExpertsSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        let shared = match &spec.shared {
            Some((mlp, gate)) => Some((Gated::load(mlp, weights)?, weights.linear(gate)?)),
            None => None,
        };
        Ok(Self {
            router: weights.linear(&spec.router)?,
            per_token: spec.per_token as i64,
            weighting: spec.weighting,
            experts: spec
                .experts
                .iter()
                .map(|expert| Gated::load(expert, weights))
                .collect::<Result<_, _>>()?,
            shared,
        })
    }

    /// Every expert sees the tokens that chose it, together.
    fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let (weights, chosen) = self.route(x)?; // [pos, per_token] both
        let mut sum = x.f_zeros_like()?;
        for (e, expert) in self.experts.iter().enumerate() {
            let hits = chosen.f_eq(e as i64)?.f_nonzero()?; // [hits, 2]: position and slot
            if hits.size()[0] == 0 {
                continue;
            }
            let (positions, slots) = (hits.f_select(1, 0)?, hits.f_select(1, 1)?);
            let out = expert.forward(&x.f_index_select(0, &positions)?)?; // [hits, d_model]
            let weight = weights.f_index_select(0, &positions)?.f_gather(1, &slots.f_unsqueeze(1)?, false)?;
            sum = sum.f_index_add(0, &positions, &out.f_mul(&weight)?)?;
        }
        if let Some((shared, gate)) = &self.shared {
            sum = sum.f_add(&gate.forward(x)?.f_sigmoid()?.f_mul(&shared.forward(x)?)?)?;
        }
        Ok(sum)
    }

    /// The chosen experts of every token and their weights, in the model's dtype.
    fn route(&self, x: &Tensor) -> Result<(Tensor, Tensor), ModelError> {
        let logits = self.router.forward(x)?; // [pos, experts]
        let top = |scores: &Tensor| scores.f_topk(self.per_token, -1, true, true);
        let (weights, chosen) = match self.weighting {
            Weighting::SoftmaxThenTop { renormalise } => {
                let (weights, chosen) = top(&logits.f_softmax(-1, Kind::Float)?)?;
                let sum = weights.f_sum_dim_intlist([-1].as_slice(), true, Kind::Float)?;
                (if renormalise { weights.f_div(&sum)? } else { weights }, chosen)
            }
            Weighting::TopThenSoftmax => {
                let (scores, chosen) = top(&logits)?;
                (scores.f_softmax(-1, Kind::Float)?, chosen)
            }
        };
        Ok((weights.f_to_kind(x.kind())?, chosen))
    }
}

fn activate(activation: Activation, x: &Tensor) -> Result<Tensor, ModelError> {
    Ok(match activation {
        Activation::Silu => x.f_silu()?,
        Activation::Gelu => x.f_gelu("none")?,
        Activation::GeluTanh => x.f_gelu("tanh")?,
        Activation::Relu => x.f_relu()?,
        Activation::ReluSquared => x.f_relu()?.f_square()?,
    })
}
