//! A mixture of experts: every expert sees the tokens that chose it, together.

use tch::{Device, Kind, Tensor};

use super::gated::Gated;
use crate::{
    decoder::{
        ModelError,
        weights::{Linear, Weights},
    },
    spec::{ExpertsSpec, Weighting},
};

/// A mixture of experts.
#[derive(Debug)]
pub(in crate::decoder) struct Experts {
    router: Linear,
    per_token: i64,
    weighting: Weighting,
    pub(super) experts: Vec<Gated>,
    pub(super) shared: Option<(Gated, Linear)>,
}

/// Which experts the tokens of a step chose, each token's in ascending order.
struct Routing {
    /// The weight of each choice, `[pos, per_token]`, in the model's dtype.
    weights: Tensor,
    /// The choices by expert, and of an expert by token: indices into `[pos * per_token]`.
    order: Tensor,
    /// How many choices each expert got, `[experts]`.
    counts: Vec<i64>,
}

impl Experts {
    pub(super) fn load(spec: &ExpertsSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
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

    /// `[pos, d_model]` to `[pos, d_model]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let mut sum = self.chosen(x)?;
        if let Some((shared, gate)) = &self.shared {
            sum = sum.f_add(&gate.forward(x)?.f_sigmoid()?.f_mul(&shared.forward(x)?)?)?;
        }
        Ok(sum)
    }

    /// The weighted sum of the chosen experts, `[pos, d_model]`.
    fn chosen(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        if x.size()[0] == 0 {
            return Ok(x.f_zeros_like()?);
        }
        let Routing { weights, order, counts } = self.routing(x)?;
        let tokens = order.f_div_scalar_mode(self.per_token, "floor")?;
        let inputs = x.f_index_select(0, &tokens)?; // [pos * per_token, d_model]
        let mut outputs = Vec::new();
        let mut start = 0;
        for (expert, count) in self.experts.iter().zip(counts).filter(|(_, count)| *count > 0) {
            outputs.push(expert.forward(&inputs.f_narrow(0, start, count)?)?);
            start += count;
        }
        let (_, back) = order.f_sort(0, false)?;
        let outputs = Tensor::f_cat(&outputs, 0)?.f_index_select(0, &back)?;
        let outputs = outputs.f_view([-1, self.per_token, x.size()[1]])?.f_mul(&weights.f_unsqueeze(-1)?)?;
        // One after the other, with a rounding each, as the models' own code adds them up.
        let mut sum = outputs.f_select(1, 0)?;
        for slot in 1..self.per_token {
            sum = sum.f_add(&outputs.f_select(1, slot)?)?;
        }
        Ok(sum)
    }

    /// The chosen experts of every token and their weights in the model's dtype, `[pos, per_token]` both, the weightiest
    /// first.
    pub(super) fn route(&self, x: &Tensor) -> Result<(Tensor, Tensor), ModelError> {
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

    /// The choices of all tokens, by expert.
    fn routing(&self, x: &Tensor) -> Result<Routing, ModelError> {
        let (weights, chosen) = self.route(x)?;
        let (chosen, slots) = chosen.f_sort(-1, false)?;
        let weights = weights.f_gather(-1, &slots, false)?;
        let (sorted, order) = chosen.f_flatten(0, 1)?.f_sort_stable(true, 0, false)?;
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
        spec::{Activation, Gating},
    };

    fn random(rows: i64, columns: i64, kind: Kind) -> Tensor {
        Tensor::randn([rows, columns], (Kind::Float, Device::Cpu)).to_kind(kind)
    }

    fn experts(n: usize, per_token: i64, kind: Kind) -> Experts {
        let linear = |rows, columns| Linear::new(random(rows, columns, kind) * 0.3, None);
        let gated = || {
            let gate_up = Joint::Each([linear(6, 8), linear(6, 8)]);
            Gated { gating: Gating::Plain(Activation::Silu), gate_up, down: linear(8, 6) }
        };
        Experts {
            router: linear(n as i64, 8),
            per_token,
            weighting: Weighting::SoftmaxThenTop { renormalise: true },
            experts: (0..n).map(|_| gated()).collect(),
            shared: None,
        }
    }

    /// Expert by expert, as the models' own code does it.
    fn expected(experts: &Experts, x: &Tensor) -> Tensor {
        let (weights, chosen) = experts.router.forward(x).unwrap().softmax(-1, Kind::Float).topk(
            experts.per_token,
            -1,
            true,
            true,
        );
        let weights =
            (&weights / weights.sum_dim_intlist([-1].as_slice(), true, Kind::Float)).to_kind(x.kind());
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
        experts.router = Linear::new(
            Tensor::zeros([4, 8], (Kind::Float, Device::Cpu)),
            Some(Tensor::from_slice(&[0f32, 5.0, 0.0, 0.0])),
        );
        let routing = experts.routing(&random(5, 8, Kind::Float)).unwrap();
        assert_eq!(routing.counts, [0, 5, 0, 0]);
        assert_eq!(Vec::<i64>::try_from(routing.order).unwrap(), [0, 1, 2, 3, 4], "tokens stay in order");
    }
}
