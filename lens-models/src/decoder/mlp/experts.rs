//! A mixture of experts: every expert sees the tokens that chose it, together.

use tch::{Device, Kind, Tensor};

use super::{
    gated::Gated,
    plain::Plain,
    routing::{Choices, Router},
};
use crate::{
    decoder::{
        ModelError,
        threads::sigmoid,
        weights::{Linear, Weights},
    },
    spec::{ExpertSpec, ExpertsSpec, LatentSpec, SharedExpert, Weighted},
};

/// A mixture of experts.
#[derive(Debug)]
pub(in crate::decoder) struct Experts {
    pub(super) router: Router,
    pub(super) experts: Vec<Expert>,
    pub(super) latent: Option<Latent>,
    pub(super) shared: Option<Shared>,
}

/// One expert.
#[derive(Debug)]
pub(in crate::decoder) enum Expert {
    Gated(Gated),
    Plain(Plain),
}

impl Expert {
    fn load(spec: &ExpertSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        Ok(match spec {
            ExpertSpec::Gated(gated) => Self::Gated(Gated::load(gated, weights)?),
            ExpertSpec::Plain(plain) => Self::Plain(Plain::load(plain, weights)?),
        })
    }

    /// `[pos, width]` to `[pos, width]`.
    fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        self.down().forward(&self.inner(x)?)
    }

    /// The neurons, `[pos, d_mlp]`, as they enter the down projection.
    pub(super) fn inner(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        match self {
            Self::Gated(gated) => gated.inner(x),
            Self::Plain(plain) => plain.inner(x),
        }
    }

    /// The down projection, `[width, d_mlp]`.
    pub(super) fn down(&self) -> &Linear {
        match self {
            Self::Gated(gated) => &gated.down,
            Self::Plain(plain) => &plain.down,
        }
    }
}

/// The narrower space that the chosen experts work in.
#[derive(Debug)]
pub(in crate::decoder) struct Latent {
    /// `[d_latent, d_model]`
    pub(super) down: Linear,
    /// `[d_model, d_latent]`
    pub(super) up: Linear,
}

impl Latent {
    fn load(spec: &LatentSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        Ok(Self { down: weights.linear(&spec.down)?, up: weights.linear(&spec.up)? })
    }
}

/// An expert that sees every token, and the gate that scales it.
#[derive(Debug)]
pub(in crate::decoder) struct Shared {
    pub(super) mlp: Expert,
    gate: Option<Linear>,
}

impl Shared {
    fn load(spec: &SharedExpert, weights: &Weights<'_>) -> Result<Self, ModelError> {
        let gate = spec.gate.as_ref().map(|gate| weights.linear(gate)).transpose()?;
        Ok(Self { mlp: Expert::load(&spec.mlp, weights)?, gate })
    }

    /// The factor on what it computes, `[pos, 1]`, if there is one.
    pub(super) fn factor(&self, x: &Tensor) -> Result<Option<Tensor>, ModelError> {
        let gate = self.gate.as_ref();
        gate.map(|gate| sigmoid(&gate.forward(x)?)).transpose()
    }

    /// `[pos, d_model]` to `[pos, d_model]`.
    fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let out = self.mlp.forward(x)?;
        Ok(match self.factor(x)? {
            Some(factor) => factor.f_mul(&out)?,
            None => out,
        })
    }
}

/// Which experts the tokens of a step chose, each token's in ascending order.
struct Routing {
    /// The weight of each choice, `[pos, per_token]`.
    weights: Tensor,
    /// The choices by expert, and of an expert by token: indices into `[pos * per_token]`.
    order: Tensor,
    /// How many choices each expert got, `[experts]`.
    counts: Vec<i64>,
}

impl Experts {
    pub(super) fn load(spec: &ExpertsSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        Ok(Self {
            router: Router::load(&spec.routing, weights)?,
            experts: spec
                .experts
                .iter()
                .map(|expert| Expert::load(expert, weights))
                .collect::<Result<_, _>>()?,
            latent: spec.latent.as_ref().map(|latent| Latent::load(latent, weights)).transpose()?,
            shared: spec.shared.as_ref().map(|shared| Shared::load(shared, weights)).transpose()?,
        })
    }

    /// `[pos, d_model]` to `[pos, d_model]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        self.routed_by(x, x)
    }

    /// The same of `x` by experts that `judged`, `[pos, d_model]`, chooses.
    pub(super) fn routed_by(&self, judged: &Tensor, x: &Tensor) -> Result<Tensor, ModelError> {
        let sum = match &self.latent {
            None => self.chosen(judged, x)?,
            Some(latent) => latent.up.forward(&self.chosen(judged, &latent.down.forward(x)?)?)?,
        };
        match &self.shared {
            Some(shared) => Ok(sum.f_add(&shared.forward(x)?)?),
            None => Ok(sum),
        }
    }

    /// The weighted sum of what the experts that `judged`, `[pos, d_model]`, chooses make of `x`, `[pos, width]`.
    fn chosen(&self, judged: &Tensor, x: &Tensor) -> Result<Tensor, ModelError> {
        if x.size()[0] == 0 {
            return Ok(x.f_zeros_like()?);
        }
        let Routing { weights, order, counts } = self.routing(judged)?;
        let per_token = self.router.per_token();
        let tokens = order.f_div_scalar_mode(per_token, "floor")?;
        let mut inputs = x.f_index_select(0, &tokens)?; // [pos * per_token, width]
        if self.router.weighted() == Weighted::Input {
            let weights = weights.f_flatten(0, 1)?.f_index_select(0, &order)?;
            inputs = inputs.f_mul(&weights.f_unsqueeze(-1)?)?.f_to_kind(x.kind())?;
        }
        let mut outputs = Vec::new();
        let mut start = 0;
        for (expert, count) in self.experts.iter().zip(counts).filter(|(_, count)| *count > 0) {
            outputs.push(expert.forward(&inputs.f_narrow(0, start, count)?)?);
            start += count;
        }
        let (_, back) = order.f_sort(0, false)?;
        let mut outputs =
            Tensor::f_cat(&outputs, 0)?.f_index_select(0, &back)?.f_view([-1, per_token, x.size()[1]])?;
        if self.router.weighted() == Weighted::Output {
            outputs = outputs.f_mul(&weights.f_unsqueeze(-1)?)?.f_to_kind(x.kind())?;
        }
        // One after the other, with a rounding each, as the models' own code adds them up.
        let mut sum = outputs.f_select(1, 0)?;
        for slot in 1..per_token {
            sum = sum.f_add(&outputs.f_select(1, slot)?)?;
        }
        Ok(sum)
    }

    /// The choices of all tokens, by expert.
    fn routing(&self, x: &Tensor) -> Result<Routing, ModelError> {
        let Choices { weights, experts } = self.router.choose(x)?;
        let (experts, slots) = experts.f_sort(-1, false)?;
        let weights = weights.f_gather(-1, &slots, false)?;
        let (sorted, order) = experts.f_flatten(0, 1)?.f_sort_stable(true, 0, false)?;
        // Where each expert's choices end among all: the only thing about a layer that the host has to know.
        let experts = Tensor::f_arange(self.experts.len() as i64, (Kind::Int64, x.device()))?;
        let ends = experts.f_searchsorted(&sorted, false, true, "right", None::<&Tensor>)?;
        let ends = Vec::<i64>::try_from(&ends.f_to_device(Device::Cpu)?)?;
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let counts = ends.iter().zip(starts).map(|(end, start)| end - start).collect();
        Ok(Routing { weights, order, counts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decoder::joint::Joint,
        spec::{Activation, Gating, LinearSpec, RoutingSpec, Scores},
    };

    fn random(rows: i64, columns: i64, kind: Kind) -> Tensor {
        Tensor::randn([rows, columns], (Kind::Float, Device::Cpu)).to_kind(kind)
    }

    /// A router that makes the softmax of the chosen experts sum to one.
    fn router(logits: Linear, per_token: usize) -> Router {
        let spec = RoutingSpec::new(LinearSpec::new("gate", 1, 1, false), per_token, Scores::Softmax);
        Router::new(spec.renormalised(0.0), logits, None)
    }

    fn experts(n: usize, per_token: i64, kind: Kind) -> Experts {
        let linear = |rows, columns| Linear::new(random(rows, columns, kind) * 0.3, None);
        let gated = || {
            let gate_up = Joint::Each([linear(6, 8), linear(6, 8)]);
            let gating = Gating::Plain(Activation::Silu);
            Expert::Gated(Gated { gating, gate_up, norm: None, down: linear(8, 6) })
        };
        Experts {
            router: router(linear(n as i64, 8), per_token as usize),
            experts: (0..n).map(|_| gated()).collect(),
            latent: None,
            shared: None,
        }
    }

    /// Expert by expert, as the models' own code does it.
    fn expected(experts: &Experts, x: &Tensor) -> Tensor {
        let Choices { weights, experts: chosen } = experts.router.choose(x).unwrap();
        let mut sum = x.zeros_like();
        for (e, expert) in experts.experts.iter().enumerate() {
            let hits = chosen.eq(e as i64).nonzero();
            if hits.size()[0] > 0 {
                let (positions, slots) = (hits.select(1, 0), hits.select(1, 1));
                let out = expert.forward(&x.index_select(0, &positions)).unwrap();
                let weight = weights.index_select(0, &positions).gather(1, &slots.unsqueeze(1), false);
                sum = sum.index_add(0, &positions, &(out * weight));
            }
        }
        sum
    }

    #[test]
    fn sorted_experts_give_what_each_by_itself_gives() {
        tch::manual_seed(11);
        for kind in [Kind::Float, Kind::BFloat16] {
            for (n_experts, per_token) in [(4, 2), (9, 3), (3, 1), (2, 2)] {
                let experts = experts(n_experts, per_token, kind);
                for pos in [0, 1, 2, 17] {
                    let x = random(pos, 8, kind);
                    let (got, expected) = (experts.forward(&x).unwrap(), expected(&experts, &x));
                    assert_eq!((got.size(), got.kind()), (x.size(), kind));
                    assert!(
                        got.equal(&expected),
                        "{kind:?}, {n_experts} experts, {per_token} each, {pos} tokens"
                    );
                }
            }
        }
    }

    #[test]
    fn an_expert_that_nobody_chooses_is_not_run() {
        let mut experts = experts(4, 1, Kind::Float);
        let zeros = Tensor::zeros([4, 8], (Kind::Float, Device::Cpu));
        experts.router = router(Linear::new(zeros, Some(Tensor::from_slice(&[0f32, 5.0, 0.0, 0.0]))), 1);
        let routing = experts.routing(&random(5, 8, Kind::Float)).unwrap();
        assert_eq!(routing.counts, [0, 5, 0, 0]);
        assert_eq!(Vec::<i64>::try_from(routing.order).unwrap(), [0, 1, 2, 3, 4], "tokens stay in order");
    }
}
