//! A Mamba mixer: channels with states of their own, between a filter and a gate.

use tch::{Kind, Tensor};

use super::{filter::CausalFilter, scan::ByChannel};
use crate::{
    decoder::{
        ModelError,
        finite::Watch,
        joint::Joint,
        mlp::activate,
        norm::{Norm, normed},
        part::joined,
        step::Step,
        threads::{silu, softplus},
        weights::{Linear, Weights},
    },
    spec::{Activation, MambaSpec},
};

/// The Mamba mixer of one block.
#[derive(Debug)]
pub(in crate::decoder) struct Mamba {
    layer: u16,
    input: Joint<2>, // values and gate
    filter: CausalFilter,
    activation: Activation,
    selected: Joint<3>, // the low-rank step, B and C
    norms: [Option<Norm>; 3],
    step: Linear,
    scan: ByChannel,
    output: Linear,
}

impl Mamba {
    pub(super) fn load(layer: u16, spec: &MambaSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        let norm = |norm| Norm::load_optional(norm, weights);
        let norms = spec.norms.as_ref();
        Ok(Self {
            layer,
            input: Joint::load([&spec.value, &spec.gate], weights)?,
            filter: CausalFilter::load(&spec.filter, weights)?,
            activation: spec.activation,
            selected: Joint::load([&spec.low_step, &spec.b, &spec.c], weights)?,
            norms: [
                norm(norms.map(|norms| &norms.step))?,
                norm(norms.map(|norms| &norms.b))?,
                norm(norms.map(|norms| &norms.c))?,
            ],
            step: weights.linear(&spec.step)?,
            scan: ByChannel::new(&weights.param(&spec.log_decay)?, &weights.param(&spec.skip)?)?,
            output: weights.linear(&spec.output)?,
        })
    }

    /// The output projection, `[d_model, channels]`.
    pub(super) fn output(&self) -> &Linear {
        &self.output
    }

    /// Forgets the sequence that was run.
    pub(super) fn reset(&mut self) {
        self.filter.reset();
        self.scan.reset();
    }

    /// Mixes the tokens of a step with everything before them. `x` is the normed stream, `[pos, d_model]`; so is the
    /// result.
    pub(super) fn forward(
        &mut self,
        x: &Tensor,
        step: &Step,
        tap: &mut Watch<'_>,
    ) -> Result<Tensor, ModelError> {
        let [values, gate] = self.input.forward(x)?;
        let mut read = Vec::with_capacity(step.parts.len());
        for part in &step.parts {
            let filtered = self.filter.forward(&part.spread(&values)?, step.is_kept())?;
            let filtered = activate(self.activation, &filtered)?; // [batch, pos, channels]
            let states = self.read(&filtered, step.is_kept())?;
            read.push(part.gather(&states)?);
        }
        let read = joined(read)?; // [pos, channels], float32
        tap.state_space(self.layer, &read)?;
        let gated = read.f_mul(&silu(&gate.f_to_kind(Kind::Float)?)?)?;
        self.output.forward(&gated.f_to_kind(x.kind())?)
    }

    /// What the channels read from their states, `[batch, pos, channels]` in float32.
    fn read(&mut self, filtered: &Tensor, is_kept: bool) -> Result<Tensor, ModelError> {
        let [low, b, c] = self.selected.forward(filtered)?;
        let [step_norm, b_norm, c_norm] = &self.norms;
        let step = softplus(&self.step.forward(&normed(step_norm.as_ref(), &low)?)?)?;
        let wide = |x: &Tensor| x.f_to_kind(Kind::Float);
        let (b, c) = (wide(&normed(b_norm.as_ref(), &b)?)?, wide(&normed(c_norm.as_ref(), &c)?)?);
        self.scan.forward(&wide(filtered)?, &wide(&step)?, [&b, &c], is_kept)
    }
}
