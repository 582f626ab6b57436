//! Parts that the families before Llama share: GPT-2's way of putting a decoder together.

use lens_core::Post;

use super::{
    TensorNames,
    shape::{Epsilon, head_width, n_layers, plausible_heads, unembedding},
};
use crate::{
    config::{Config, ConfigError},
    spec::{
        Activation, AttentionSpec, Cut, DecoderSpec, EmbedSpec, Ignored, LayerSpec, LinearSpec, MlpSpec,
        NormSpec, Param, PositionRows, PositionTable, ReadoutSpec, Sines,
    },
};

/// Buffers that old checkpoints hold beside their weights: causal masks and rotary frequencies.
pub(super) const BUFFERS: Ignored = Ignored {
    suffixes: &[
        ".attn.bias",
        ".attn.masked_bias",
        ".attn.causal_mask",
        ".attention.bias",
        ".attention.masked_bias",
        "rotary_emb.inv_freq",
    ],
    prefixes: &[],
    blocks_from: None,
    borrowing_from: None,
};

/// The epsilon of layer norms as GPT-2's descendants name it.
pub(super) const EPSILON: Epsilon = Epsilon::Key("layer_norm_epsilon", 1e-5);

/// The sizes of a decoder.
pub(super) struct Sizes {
    pub(super) d_model: usize,
    pub(super) n_layers: usize,
    pub(super) n_heads: usize,
    pub(super) d_head: usize,
    pub(super) n_vocab: usize,
    pub(super) eps: f64,
}

impl Sizes {
    /// Reads the sizes under any of the names that families give them.
    pub(super) fn read(config: &Config<'_>, eps: Epsilon) -> Result<Self, ConfigError> {
        let d_model = config.size_of(&["hidden_size", "n_embd", "n_embed", "d_model"])?;
        let n_heads =
            config.size_of(&["num_attention_heads", "n_head", "num_heads", "n_heads", "attention_heads"])?;
        let n_heads = plausible_heads(n_heads)?;
        Ok(Self {
            d_model,
            n_layers: n_layers(config, &["num_hidden_layers", "n_layer", "num_layers", "n_layers"])?,
            n_heads,
            d_head: head_width(d_model, n_heads)?,
            n_vocab: config.required_size("vocab_size")?,
            eps: eps.read(config)?,
        })
    }

    /// A layer norm with weight and bias.
    pub(super) fn norm(&self, name: &str) -> NormSpec {
        NormSpec::layer(name, self.d_model, self.eps, true)
    }

    /// Attention with as many key-value heads as query heads, scaled by `d_head^-1/2`, without positions.
    pub(super) fn attention(&self, qkvo: [LinearSpec; 4]) -> AttentionSpec {
        AttentionSpec::plain([self.n_heads, self.n_heads, self.d_head], qkvo)
    }

    /// A block under fairseq's names, which begin with `block`: attention and a plain MLP with biases, a layer norm before
    /// each.
    pub(super) fn fairseq_block(&self, block: &str, d_mlp: usize, activation: Activation) -> LayerSpec {
        let d = self.d_model;
        let at = |part: &str| format!("{block}.{part}");
        let qkvo = ["q_proj", "k_proj", "v_proj", "out_proj"]
            .map(|part| LinearSpec::new(&at(&format!("self_attn.{part}")), d, d, true));
        let mlp = MlpSpec::plain(
            activation,
            LinearSpec::new(&at("fc1"), d_mlp, d, true),
            LinearSpec::new(&at("fc2"), d, d_mlp, true),
        );
        let norms = ["self_attn_layer_norm", "final_layer_norm"].map(|norm| self.norm(&at(norm)));
        let [attn_norm, mlp_norm] = norms;
        LayerSpec::pre_norm(attn_norm, self.attention(qkvo), mlp_norm, mlp)
    }

    /// Query, key and value out of one map, as `[q; k; v]`.
    pub(super) fn blocks(&self, qkv: &LinearSpec, n_kv_heads: usize) -> [LinearSpec; 3] {
        let (q, kv) = (self.n_heads * self.d_head, n_kv_heads * self.d_head);
        [0..q, q..q + kv, q + kv..q + 2 * kv].map(|rows| qkv.part(&Cut::Rows(rows)))
    }

    /// Query, key and value out of one map whose outputs are `groups` of (some query heads, a key, a value).
    pub(super) fn interleaved(&self, qkv: &LinearSpec, groups: usize) -> [LinearSpec; 3] {
        let queries = self.n_heads / groups;
        let slots = queries + 2;
        [0..queries, queries..queries + 1, queries + 1..slots]
            .map(|take| qkv.part(&Cut::Heads { groups, slots, take }))
    }

    /// Positions as sines and cosines, whose frequencies are spread over `spread` steps.
    pub(super) fn sines(&self, spread: usize) -> Result<Sines, ConfigError> {
        Sines::new(self.d_model, spread).ok_or_else(|| ConfigError::Inconsistent {
            what: format!(
                "positions as sines and cosines need an even width of four or more, not {}",
                self.d_model
            ),
        })
    }

    /// Learned positions without an offset.
    pub(super) fn learned(&self, name: String, n: usize) -> PositionTable {
        self.learned_from(0, name, n)
    }

    /// Learned positions whose table begins with `offset` rows for padding.
    pub(super) fn learned_from(&self, offset: usize, name: String, n: usize) -> PositionTable {
        let table = Param::whole(name, [n + offset, self.d_model]);
        PositionTable { rows: PositionRows::Learned(table), offset, n }
    }
}

/// The names of embedding, final norm and, where a checkpoint has its own, unembedding.
pub(super) struct Ends<'n> {
    pub(super) embed: String,
    pub(super) norm: String,
    pub(super) unembed: &'n [&'static str],
    pub(super) tied_by_default: bool,
    pub(super) context: Option<usize>,
}

/// A decoder around `layers`, with a layer norm at the end.
pub(super) fn decoder(
    config: &Config<'_>,
    names: &TensorNames,
    family: &str,
    sizes: &Sizes,
    ends: &Ends<'_>,
    layers: Vec<LayerSpec>,
) -> Result<DecoderSpec, ConfigError> {
    let embed = EmbedSpec::plain(ends.embed.clone(), sizes.n_vocab, sizes.d_model);
    let unembed = unembedding(config, names, &embed.tokens, ends.unembed, ends.tied_by_default)?;
    Ok(DecoderSpec {
        family: family.to_owned(),
        d_model: sizes.d_model,
        embed,
        layers,
        readout: ReadoutSpec {
            norm: Some(sizes.norm(&ends.norm)),
            project: None,
            unembed: unembed.tensor,
            bias: None,
            post: Post::default(),
        },
        tied_and_stored: unembed.tied_and_stored,
        context: ends.context,
        ignored: BUFFERS,
    })
}
