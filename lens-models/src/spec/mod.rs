//! A decoder as data: what config.json means once it has been understood.
//!
//! A family resolves every choice here, when a model is loaded. The forward pass reads the spec and never asks
//! which family it came from.

mod rope;

use std::sync::Arc;

use lens_core::{NormKind, Post};

pub use rope::{Rope, RopeScaling};

/// A tensor of the checkpoint: its name there, and the shape that the config implies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Name in the checkpoint.
    pub name: String,
    /// Shape in the checkpoint.
    pub shape: Vec<usize>,
}

impl TensorSpec {
    /// A tensor by name and shape.
    pub fn new(name: impl Into<String>, shape: impl Into<Vec<usize>>) -> Self {
        Self { name: name.into(), shape: shape.into() }
    }
}

/// `y = W x + b`, weights `[out, in]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinearSpec {
    /// `W`.
    pub weight: TensorSpec,
    /// `b`, `[out]`.
    pub bias: Option<TensorSpec>,
}

impl LinearSpec {
    /// `{prefix}.weight`, and `{prefix}.bias` if `bias`.
    pub fn new(prefix: &str, d_out: usize, d_in: usize, bias: bool) -> Self {
        Self {
            weight: TensorSpec::new(format!("{prefix}.weight"), [d_out, d_in]),
            bias: bias.then(|| TensorSpec::new(format!("{prefix}.bias"), [d_out])),
        }
    }
}

/// A norm over the last dimension.
#[derive(Debug, Clone, PartialEq)]
pub struct NormSpec {
    /// RMS or layer norm.
    pub kind: NormKind,
    /// Added under the square root.
    pub eps: f64,
    /// Factor, `[d]`.
    pub weight: Option<TensorSpec>,
    /// Summand, `[d]`.
    pub bias: Option<TensorSpec>,
}

impl NormSpec {
    /// An RMS norm whose weight is `{prefix}.weight`.
    pub fn rms(prefix: &str, d: usize, eps: f64) -> Self {
        Self {
            kind: NormKind::Rms,
            eps,
            weight: Some(TensorSpec::new(format!("{prefix}.weight"), [d])),
            bias: None,
        }
    }
}

/// Which earlier positions a position attends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask {
    /// All of them.
    Causal,
    /// The last `window`, itself included.
    Sliding {
        /// How many.
        window: usize,
    },
}

/// Attention of one block.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionSpec {
    /// Query heads.
    pub n_heads: usize,
    /// Key and value heads; each serves `n_heads / n_kv_heads` query heads.
    pub n_kv_heads: usize,
    /// Width of a head.
    pub d_head: usize,
    /// Factor on `q · k`.
    pub scale: f64,
    /// What is seen.
    pub mask: Mask,
    /// Rotary positions; layers that rotate alike share one.
    pub rope: Arc<Rope>,
    /// Query projection, `[n_heads * d_head, d_model]`.
    pub q: LinearSpec,
    /// Key projection, `[n_kv_heads * d_head, d_model]`.
    pub k: LinearSpec,
    /// Value projection, `[n_kv_heads * d_head, d_model]`.
    pub v: LinearSpec,
    /// Output projection, `[d_model, n_heads * d_head]`.
    pub o: LinearSpec,
}

/// An elementwise nonlinearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x * sigmoid(x)`.
    Silu,
    /// `x * Phi(x)` with the error function.
    Gelu,
    /// The tanh approximation of GELU.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
}

/// A gated MLP: `down(activation(gate(x)) * up(x))` (Shazeer 2020).
#[derive(Debug, Clone, PartialEq)]
pub struct MlpSpec {
    /// The nonlinearity on the gate.
    pub activation: Activation,
    /// Gate, `[d_mlp, d_model]`.
    pub gate: LinearSpec,
    /// What is gated, `[d_mlp, d_model]`.
    pub up: LinearSpec,
    /// Back to the stream, `[d_model, d_mlp]`.
    pub down: LinearSpec,
}

/// One block.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerSpec {
    /// In front of attention.
    pub attn_norm: NormSpec,
    /// Attention.
    pub attn: AttentionSpec,
    /// In front of the MLP.
    pub mlp_norm: NormSpec,
    /// The MLP.
    pub mlp: MlpSpec,
}

/// The way from the residual stream to logits: `post(W_U · norm(x))`.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadoutSpec {
    /// The final norm.
    pub norm: NormSpec,
    /// `W_U`, `[n_vocab, d_model]`; a tied model names the embedding again.
    pub unembed: TensorSpec,
    /// `b_U`, `[n_vocab]`.
    pub bias: Option<TensorSpec>,
    /// Logit scale and soft cap.
    pub post: Post,
}

/// A whole decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderSpec {
    /// `model_type` of the config.
    pub family: String,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Rows of the embedding.
    pub n_vocab: usize,
    /// Token embedding, `[n_vocab, d_model]`.
    pub embed: TensorSpec,
    /// The blocks, in order.
    pub layers: Vec<LayerSpec>,
    /// Final norm and unembedding.
    pub readout: ReadoutSpec,
    /// The length that the model was made for; longer sequences run, but nobody promises anything.
    pub context: Option<usize>,
    /// Names of tensors that a checkpoint may hold and nobody needs, as suffixes.
    pub ignored: &'static [&'static str],
}

impl DecoderSpec {
    /// Every tensor that the model is made of; one that is used twice appears twice.
    pub fn tensors(&self) -> Vec<&TensorSpec> {
        let mut all = vec![&self.embed];
        for layer in &self.layers {
            let AttentionSpec { q, k, v, o, .. } = &layer.attn;
            let MlpSpec { gate, up, down, .. } = &layer.mlp;
            for norm in [&layer.attn_norm, &layer.mlp_norm] {
                all.extend(norm.weight.iter().chain(&norm.bias));
            }
            for linear in [q, k, v, o, gate, up, down] {
                all.push(&linear.weight);
                all.extend(&linear.bias);
            }
        }
        all.extend(self.readout.norm.weight.iter().chain(&self.readout.norm.bias));
        all.push(&self.readout.unembed);
        all.extend(&self.readout.bias);
        all
    }

    /// Whether the unembedding is the embedding.
    pub fn is_tied(&self) -> bool {
        self.readout.unembed.name == self.embed.name
    }
}
