//! Selective state spaces as data: Mamba (Gu and Dao 2023) and Mamba-2 (Dao and Gu 2024).
//!
//! Each keeps a state h that decays and is written to at every position, both by as much as the input says:
//! `h' = exp(Δ A) h + Δ B x`, read as `y = C h' + D x`. `Δ` (the step), `B` and `C` are functions of the input.

use super::filter::FilterSpec;
use crate::spec::{
    mlp::Activation,
    norm::NormSpec,
    param::{LinearSpec, Param},
};

/// The norms on `Δ`, `B` and `C` before they are used (Falcon-Mamba, Jamba).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ScanNorms {
    /// On the step before it is projected, over `rank` values.
    pub step: NormSpec,
    /// On `B`, over `d_state` values.
    pub b: NormSpec,
    /// On `C`, over `d_state` values.
    pub c: NormSpec,
}

/// A Mamba mixer: `output(scan(act(filter(value))) ⊙ silu(gate))`, where each channel has decays of its own.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MambaSpec {
    /// Channels of the state space.
    pub channels: usize,
    /// Values of the state of a channel.
    pub d_state: usize,
    /// What is mixed, `[channels, d_model]`.
    pub value: LinearSpec,
    /// The gate, `[channels, d_model]`.
    pub gate: LinearSpec,
    /// The filter on the values.
    pub filter: FilterSpec,
    /// The nonlinearity after the filter.
    pub activation: Activation,
    /// The low-rank step, from the filtered values, `[rank, channels]`.
    pub low_step: LinearSpec,
    /// `B`, from the filtered values, `[d_state, channels]`.
    pub b: LinearSpec,
    /// `C`, from the filtered values, `[d_state, channels]`.
    pub c: LinearSpec,
    /// Norms on these three.
    pub norms: Option<ScanNorms>,
    /// The step of each channel before its softplus, from the low-rank one, `[channels, rank]`.
    pub step: LinearSpec,
    /// `log(-A)`, `[channels, d_state]`.
    pub log_decay: Param,
    /// `D`, `[channels]`.
    pub skip: Param,
    /// Output projection, `[d_model, channels]`.
    pub output: LinearSpec,
}

impl MambaSpec {
    /// Its parameters.
    pub fn params(&self) -> impl Iterator<Item = &Param> {
        let norms = self.norms.iter().flat_map(|norms| [&norms.step, &norms.b, &norms.c]);
        [&self.value, &self.gate, &self.low_step, &self.b, &self.c, &self.step, &self.output]
            .into_iter()
            .flat_map(LinearSpec::params)
            .chain(self.filter.params())
            .chain(norms.flat_map(NormSpec::params))
            .chain([&self.log_decay, &self.skip])
    }

    /// How many values a sequence keeps. Its state is float32: as much as two values of a narrow dtype each.
    pub fn kept_values(&self) -> usize {
        self.filter.kept_values() + 2 * self.channels * self.d_state
    }
}

/// What a Mamba-2 mixer does with its gate.
#[derive(Debug, Clone, PartialEq)]
pub enum GateNorm {
    /// `y ⊙ silu(gate)`.
    Without,
    /// `norm(y ⊙ silu(gate))`.
    AfterGate(NormSpec),
    /// `norm(y) ⊙ silu(gate)`.
    BeforeGate(NormSpec),
}

impl GateNorm {
    /// The norm, whose weights are `[n_groups, n_heads * d_head / n_groups]`, if there is one.
    pub fn norm(&self) -> Option<&NormSpec> {
        match self {
            Self::Without => None,
            Self::AfterGate(norm) | Self::BeforeGate(norm) => Some(norm),
        }
    }
}

/// Factors on what enters a Mamba-2 mixer (Falcon-H1).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Mamba2Factors {
    /// On the normed stream.
    pub input: f64,
    /// On the gate.
    pub gate: f64,
    /// On the values.
    pub value: f64,
    /// On `B`.
    pub b: f64,
    /// On `C`.
    pub c: f64,
    /// On the step.
    pub step: f64,
}

impl Default for Mamba2Factors {
    fn default() -> Self {
        Self { input: 1.0, gate: 1.0, value: 1.0, b: 1.0, c: 1.0, step: 1.0 }
    }
}

/// A Mamba-2 mixer: heads whose state decays as one. `z` is what enters the output projection: what each head reads from
/// its state, gated and normed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Mamba2Spec {
    /// Heads.
    pub n_heads: usize,
    /// Width of a head.
    pub d_head: usize,
    /// Groups of heads that share `B` and `C`.
    pub n_groups: usize,
    /// Values of the state of each of a head's channels.
    pub d_state: usize,
    /// The gate, `[n_heads * d_head, d_model]`.
    pub gate: LinearSpec,
    /// Values, `B` and `C`, which the filter runs over, `[n_heads * d_head + 2 * n_groups * d_state, d_model]`.
    pub filtered: LinearSpec,
    /// The step of each head before its bias and softplus, `[n_heads, d_model]`.
    pub step: LinearSpec,
    /// Factors on what enters, if they are not all one.
    pub factors: Option<Mamba2Factors>,
    /// The filter.
    pub filter: FilterSpec,
    /// The nonlinearity after the filter.
    pub activation: Activation,
    /// Added to the step before its softplus, `[n_heads]`.
    pub step_bias: Param,
    /// The smallest and the largest step; the largest may be infinite.
    pub step_limits: (f64, f64),
    /// `log(-A)`, `[n_heads]`.
    pub log_decay: Param,
    /// `D`, `[n_heads]`.
    pub skip: Param,
    /// How the gate acts.
    pub gate_norm: GateNorm,
    /// Output projection, `[d_model, n_heads * d_head]`.
    pub output: LinearSpec,
}

impl Mamba2Spec {
    /// Its parameters.
    pub fn params(&self) -> impl Iterator<Item = &Param> {
        [&self.gate, &self.filtered, &self.step, &self.output]
            .into_iter()
            .flat_map(LinearSpec::params)
            .chain(self.filter.params())
            .chain([&self.step_bias, &self.log_decay, &self.skip])
            .chain(self.gate_norm.norm().into_iter().flat_map(NormSpec::params))
    }

    /// Values of all heads at a position.
    pub fn channels(&self) -> usize {
        self.n_heads * self.d_head
    }

    /// How many values a sequence keeps. Its state is float32: as much as two values of a narrow dtype each.
    pub fn kept_values(&self) -> usize {
        self.filter.kept_values() + 2 * self.channels() * self.d_state
    }
}
