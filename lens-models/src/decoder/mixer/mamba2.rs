//! A Mamba-2 mixer: heads with states of their own, between a filter and a gate.

use lens_core::{Point, Site};
use tch::{Kind, Tensor};

use super::{
    filter::CausalFilter,
    scan::{ByHead, Inputs},
};
use crate::{
    decoder::{
        ModelError,
        finite::Watch,
        joint::Joint,
        mlp::activate,
        norm::Norm,
        part::joined,
        step::Step,
        threads::{silu, softplus},
        weights::{Linear, Weights},
    },
    spec::{GateNorm, Mamba2Factors, Mamba2Spec},
};

/// The Mamba-2 mixer of one block.
#[derive(Debug)]
pub(in crate::decoder) struct Mamba2 {
    layer: u16,
    spec: Mamba2Spec,
    input: Joint<3>, // gate, what is filtered, and step
    /// Factors on each value that is filtered, `[channels + 2 * n_groups * d_state]`.
    filtered_factors: Option<Tensor>,
    filter: CausalFilter,
    step_bias: Tensor, // [n_heads]
    scan: ByHead,
    norm: Option<Norm>, // weights [n_groups, channels / n_groups]
    output: Linear,
}

impl Mamba2 {
    pub(super) fn load(layer: u16, spec: &Mamba2Spec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        let scan = ByHead::new(&weights.param(&spec.log_decay)?, &weights.param(&spec.skip)?, spec.n_groups)?;
        let norm = Norm::load_optional(spec.gate_norm.norm(), weights)?;
        let filter = CausalFilter::load(&spec.filter, weights)?;
        let step_bias = weights.param(&spec.step_bias)?;
        Ok(Self {
            layer,
            input: Joint::load([&spec.gate, &spec.filtered, &spec.step], weights)?,
            filtered_factors: spec
                .factors
                .map(|factors| filtered_factors(spec, &factors, &step_bias))
                .transpose()?,
            filter,
            step_bias,
            scan,
            norm: norm.map(|norm| norm.in_groups(spec.n_groups as i64)).transpose()?,
            output: weights.linear(&spec.output)?,
            spec: spec.clone(),
        })
    }

    /// The output projection, `[d_model, n_heads * d_head]`.
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
        let z = self.mix(x, step, tap)?;
        let z = tap.at(Point::block(self.layer, Site::Z), z)?;
        self.project(&z)
    }

    /// What the heads add, `[pos, d_model]`, of `z`.
    pub(super) fn project(&self, z: &Tensor) -> Result<Tensor, ModelError> {
        self.output.forward(&z.f_flatten(1, 2)?)
    }

    /// What the heads read from their states, gated and normed: `z`, `[pos, n_heads, d_head]`.
    pub(super) fn mix(&mut self, x: &Tensor, step: &Step, tap: &mut Watch<'_>) -> Result<Tensor, ModelError> {
        let [gate, filtered, steps] = self.entered(x)?;
        let steps = softplus(&steps.f_add(&self.step_bias)?)?;
        let steps = steps.f_clamp(self.spec.step_limits.0, self.spec.step_limits.1)?; // [pos, n_heads]
        let mut read = Vec::with_capacity(step.parts.len());
        for part in &step.parts {
            let filtered = self.filter.forward(&part.spread(&filtered)?, step.is_kept())?;
            let filtered = activate(self.spec.activation, &filtered)?;
            let inputs = self.inputs(&filtered, &part.spread(&steps)?)?;
            read.push(part.gather(&self.scan.forward(&inputs, step.is_kept())?)?);
        }
        let read = joined(read)?; // [pos, n_heads, d_head], float32
        tap.state_space(self.layer, &read)?;
        let gated = self.gated(&read.f_flatten(1, 2)?, &gate)?;
        Ok(gated.f_to_kind(x.kind())?.f_reshape([
            step.n as i64,
            self.spec.n_heads as i64,
            self.spec.d_head as i64,
        ])?)
    }

    /// The gate, what is filtered, and the step before its bias.
    fn entered(&self, x: &Tensor) -> Result<[Tensor; 3], ModelError> {
        let Some(factors) = &self.spec.factors else { return self.input.forward(x) };
        let [gate, mut filtered, step] = self.input.forward(&x.f_mul_scalar(factors.input)?)?;
        if let Some(factors) = &self.filtered_factors {
            filtered = filtered.f_mul(factors)?;
        }
        Ok([gate.f_mul_scalar(factors.gate)?, filtered, step.f_mul_scalar(factors.step)?])
    }

    /// What the recurrence reads, of what was filtered, `[batch, pos, ..]`, and of the steps, `[batch, pos, n_heads]`.
    fn inputs(&self, filtered: &Tensor, steps: &Tensor) -> Result<Inputs, ModelError> {
        let [n_heads, d_head, n_groups, d_state] =
            [self.spec.n_heads, self.spec.d_head, self.spec.n_groups, self.spec.d_state].map(|n| n as i64);
        let (channels, shared) = (n_heads * d_head, n_groups * d_state);
        let (batch, pos) = (filtered.size()[0], filtered.size()[1]);
        let part = |start, width, shape: [i64; 2]| -> Result<Tensor, ModelError> {
            let part = filtered.f_narrow(2, start, width)?.f_to_kind(Kind::Float)?;
            Ok(part.f_reshape([batch, pos, shape[0], shape[1]])?)
        };
        Ok(Inputs {
            values: part(0, channels, [n_heads, d_head])?,
            step: steps.f_to_kind(Kind::Float)?,
            b: part(channels, shared, [n_groups, d_state])?,
            c: part(channels + shared, shared, [n_groups, d_state])?,
        })
    }

    /// What was read, `[pos, channels]` in float32, through the gate and the norm.
    fn gated(&self, read: &Tensor, gate: &Tensor) -> Result<Tensor, ModelError> {
        let gate = silu(&gate.f_to_kind(Kind::Float)?)?;
        let normed = |x: &Tensor| -> Result<Tensor, ModelError> {
            let Some(norm) = &self.norm else { return Ok(x.shallow_clone()) };
            let groups = x.f_reshape([x.size()[0], self.spec.n_groups as i64, -1])?;
            Ok(norm.forward(&groups)?.f_flatten(1, 2)?)
        };
        match &self.spec.gate_norm {
            GateNorm::Without | GateNorm::AfterGate(_) => normed(&read.f_mul(&gate)?),
            GateNorm::BeforeGate(_) => Ok(normed(read)?.f_mul(&gate)?),
        }
    }
}

/// The factor of every value that is filtered, where `like` is, in its dtype.
fn filtered_factors(spec: &Mamba2Spec, factors: &Mamba2Factors, like: &Tensor) -> Result<Tensor, ModelError> {
    let shared = (spec.n_groups * spec.d_state) as i64;
    let part = |n: i64, factor: f64| Tensor::f_full([n], factor, (like.kind(), like.device()));
    let parts =
        [part(spec.channels() as i64, factors.value)?, part(shared, factors.b)?, part(shared, factors.c)?];
    Ok(Tensor::f_cat(&parts, 0)?)
}
