//! The parts of a logit.

use serde::{Deserialize, Serialize};

use super::parts::OutputMap;
use crate::{point::Point, token::TokenId};

/// A logit, or the difference of two, as the sum of what the parts of the model contribute.
///
/// Contributions are those of the logit before the soft cap and after the logit scale. The statistics of the final norm
/// are those of the final residual, so that the logit is linear in it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Attribution {
    /// The position whose next token is predicted.
    pub position: usize,
    /// The token whose logit it is.
    pub target: TokenLogit,
    /// The token whose logit is subtracted, if there is one.
    pub versus: Option<TokenLogit>,
    /// What enters block 0.
    pub embed: f64,
    /// What the token and the position each bring to `embed`, where positions are learned.
    pub embedding: Option<EmbeddingContributions>,
    /// What each block adds, `[n_layers]`.
    pub layers: Vec<LayerContributions>,
    /// The neurons that contribute most, either way, the largest first.
    pub neurons: Vec<NeuronContribution>,
    /// The biases outside of branches.
    pub bias: Biases,
    /// What the rounding of the stream's sums to the model's dtype adds; `None` in float32.
    pub rounding: Option<f64>,
    /// What interventions add, by the point that they change: to a sum of the stream, or to what a branch adds. In order of
    /// execution.
    pub changes: Vec<(Point, f64)>,
    /// Where the logit is read; `None` is the model's own.
    pub point: Option<Point>,
    /// The logit, or the difference: after the logit scale, before the soft cap, computed in float64 from the final
    /// residual.
    pub logit_before_cap: f64,
    /// Whether the logits agree with those of the backend's plain matrix product.
    pub check: LogitCheck,
    /// Sentences for a person: which contributions are read through norms, and what has no heads or neurons.
    pub notes: Vec<String>,
}

impl Attribution {
    /// The sum of all parts: embedding, branches, changes, biases and rounding.
    pub fn sum(&self) -> f64 {
        let layers: f64 = self.layers.iter().map(|layer| layer.attn_out + layer.mlp_out).sum();
        let changes: f64 = self.changes.iter().map(|(_, share)| share).sum();
        self.embed + layers + changes + self.bias.sum() + self.rounding.unwrap_or(0.0)
    }

    /// How far the sum of the parts is from the logit.
    pub fn error(&self) -> f64 {
        self.sum() - self.logit_before_cap
    }

    /// How far the heads of a layer, with the biases of attention, are from `attn_out` at worst.
    pub fn heads_error(&self) -> Option<f64> {
        worst(self.layers.iter().filter_map(LayerContributions::heads_error))
    }

    /// How far the neurons of a layer, with the biases of the MLP, are from `mlp_out` at worst.
    pub fn neurons_error(&self) -> Option<f64> {
        worst(self.layers.iter().filter_map(LayerContributions::neurons_error))
    }

    /// Whether every number is finite.
    pub(super) fn is_finite(&self) -> bool {
        // A sum is not finite if one of its terms is not.
        let inner = |error: Option<f64>| error.is_none_or(f64::is_finite);
        self.sum().is_finite()
            && self.logit_before_cap.is_finite()
            && self.layers.iter().all(|layer| inner(layer.heads_error()) && inner(layer.neurons_error()))
    }
}

/// The value that is furthest from zero.
fn worst(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.max_by(|a, b| a.abs().total_cmp(&b.abs()))
}

/// The comparison of logits, after the soft cap, with those of the backend's plain matrix product.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogitCheck {
    /// The largest difference.
    pub max_abs_logit_error: f64,
    /// Whether rounding explains it. An attribution that failed must not be believed.
    pub passed: bool,
}

impl LogitCheck {
    /// Takes one more difference into account.
    pub(super) fn see(&mut self, difference: f64, allowed: f64) {
        // Written so that NaN fails.
        self.passed &= difference.abs() <= allowed;
        self.max_abs_logit_error = self.max_abs_logit_error.max(difference.abs());
    }
}

/// A token and its logit.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct TokenLogit {
    /// The token.
    pub token: TokenId,
    /// Its logit after the logit scale and before the soft cap, in float64 from the final residual.
    pub before_cap: f64,
    /// Its logit as the model has it, after scale and cap.
    pub logit: f64,
}

/// What the two summands of an embedding contribute.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct EmbeddingContributions {
    /// The token's part.
    pub token: f64,
    /// The position's part.
    pub position: f64,
}

/// What one block contributes.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct LayerContributions {
    /// What attention, or what stands in its place, adds.
    pub attn_out: f64,
    /// What the MLP adds.
    pub mlp_out: f64,
    /// The heads' parts of `attn_out`, `[n_heads]`; empty where the block has no heads.
    pub heads: Vec<f64>,
    /// The part of `attn_out` that the bias of the output projection and that of a norm after it make; `None` where the
    /// block has no heads.
    pub attention_bias: Option<f64>,
    /// The sum of the neurons' parts of `mlp_out`; `None` where they are not known.
    pub neurons: Option<f64>,
    /// The part of `mlp_out` that the biases of output projections and of a norm after them make; `None` where the
    /// neurons are not known.
    pub mlp_bias: Option<f64>,
}

impl LayerContributions {
    /// How far heads and biases are from `attn_out`.
    pub fn heads_error(&self) -> Option<f64> {
        self.attention_bias.map(|bias| self.heads.iter().sum::<f64>() + bias - self.attn_out)
    }

    /// How far neurons and biases are from `mlp_out`.
    pub fn neurons_error(&self) -> Option<f64> {
        Some(self.neurons? + self.mlp_bias? - self.mlp_out)
    }
}

/// What one neuron contributes.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct NeuronContribution {
    /// Its layer.
    pub layer: u16,
    /// The projection that it enters: of the MLP, or of an expert.
    pub map: OutputMap,
    /// Its number in that MLP.
    pub neuron: usize,
    /// Its value after the activation and the gate.
    pub activation: f64,
    /// What it contributes: through its column of the output projection, with the weight of its expert.
    pub contribution: f64,
}

/// What the biases outside of branches contribute.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Biases {
    /// The final norm's.
    pub final_norm: f64,
    /// The unembedding's.
    pub unembedding: f64,
    /// That of the lens that the logit is read through.
    pub lens: f64,
    /// Those of norms on the stream itself, by layer; none in most models.
    pub stream_norms: Vec<(u16, f64)>,
}

impl Biases {
    /// All of them.
    pub fn sum(&self) -> f64 {
        self.final_norm
            + self.unembedding
            + self.lens
            + self.stream_norms.iter().map(|(_, bias)| bias).sum::<f64>()
    }
}
