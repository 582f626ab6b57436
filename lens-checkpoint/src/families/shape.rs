//! The shape that most families share: Llama's block under Llama's tensor names. A family reads it from its
//! config, changes what it does differently, and lets it make the spec.

use std::sync::Arc;

use lens_core::Post;

use super::TensorNames;
use crate::{
    config::{Config, ConfigError, RopeQuery},
    limits,
    spec::{
        Activation, AttentionSpec, Cut, DecoderSpec, EmbedSpec, GatedSpec, Gating, Ignored, LayerSpec,
        LinearSpec, Mask, MlpSpec, NormSpec, Pairing, Position, ReadoutSpec, TensorSpec,
    },
};

/// A Llama-shaped decoder in the making.
pub(super) struct Shape {
    /// `model_type`.
    pub(super) family: String,
    /// What tensor names begin with; found on disk.
    pub(super) prefix: String,
    pub(super) d_model: usize,
    pub(super) n_layers: usize,
    pub(super) n_heads: usize,
    pub(super) n_kv_heads: usize,
    pub(super) d_head: usize,
    pub(super) d_mlp: usize,
    pub(super) n_vocab: usize,
    pub(super) eps: f64,
    /// Makes a norm from its name, width and epsilon.
    pub(super) norm: fn(&str, usize, f64) -> NormSpec,
    pub(super) activation: Activation,
    pub(super) qkv_bias: bool,
    pub(super) o_bias: bool,
    pub(super) mlp_bias: bool,
    /// Factor on attention scores.
    pub(super) scale: f64,
    /// Per layer.
    pub(super) masks: Vec<Mask>,
    /// Per layer.
    pub(super) positions: Vec<Position>,
    /// Whether the unembedding is the embedding when neither disk nor config say so.
    pub(super) tied_by_default: bool,
    pub(super) context: Option<usize>,
}

/// What a family has instead of Llama's keys and defaults.
#[derive(Default)]
pub(super) struct Defaults {
    pub(super) n_heads: Option<usize>,
    pub(super) n_kv_heads: Option<usize>,
    pub(super) d_head: Option<usize>,
    pub(super) n_vocab: Option<usize>,
    pub(super) theta: Option<f64>,
    pub(super) eps: Epsilon,
    /// The nonlinearity, where silence is not SiLU.
    pub(super) activation: Option<Activation>,
    /// The key of the width of the MLP, where it is not `intermediate_size`.
    pub(super) mlp_key: Option<&'static str>,
    /// The key of the nonlinearity, where it is not `hidden_act`.
    pub(super) activation_key: Option<&'static str>,
    /// The rotary embedding, where it is not Llama's.
    pub(super) rotation: Rotation,
}

/// Where the epsilon of norms comes from.
#[derive(Clone, Copy)]
pub(super) enum Epsilon {
    /// This key, or else this number.
    Key(&'static str, f64),
    /// The class; no key changes it.
    Fixed(f64),
}

impl Default for Epsilon {
    fn default() -> Self {
        Self::rms(1e-6)
    }
}

impl Epsilon {
    /// Llama's key with another default.
    pub(super) fn rms(default: f64) -> Self {
        Self::Key("rms_norm_eps", default)
    }

    /// The epsilon of this config.
    pub(super) fn read(self, config: &Config<'_>) -> Result<f64, ConfigError> {
        match self {
            Self::Key(key, default) => config.epsilon_or(key, default),
            Self::Fixed(eps) => Ok(eps),
        }
    }
}

/// How the layers of a family rotate.
#[derive(Default, Clone, Copy)]
pub(super) enum Rotation {
    /// All of each head, in half-split pairs.
    #[default]
    Whole,
    /// This share of each head, unless the config names another; an odd number of dimensions is rounded up.
    Share(f64, Pairing),
    /// The same in half-split pairs, of an even number of dimensions.
    EvenShare(f64),
    /// All of each head, in interleaved pairs.
    Interleaved,
    /// All of each head, in half-split pairs, the other way round.
    Backwards,
    /// Each kind of layer its own way, which the family reads itself.
    Own,
}

impl Shape {
    /// Llama's reading of a config: full attention, rotary positions, no biases unless the config has them.
    pub(super) fn read(config: &Config<'_>, names: &TensorNames, family: &str) -> Result<Self, ConfigError> {
        Self::read_with(config, names, family, &Defaults::default())
    }

    /// The same with a family's own defaults.
    pub(super) fn read_with(
        config: &Config<'_>,
        names: &TensorNames,
        family: &str,
        defaults: &Defaults,
    ) -> Result<Self, ConfigError> {
        let or_default = |key: &'static str, default: Option<usize>| {
            config.size(key)?.or(default).ok_or_else(|| ConfigError::Missing { key: config.name(key) })
        };
        let d_model = config.required_size("hidden_size")?;
        let n_heads = plausible_heads(or_default("num_attention_heads", defaults.n_heads)?)?;
        let n_kv_heads = config.size("num_key_value_heads")?.or(defaults.n_kv_heads).unwrap_or(n_heads);
        let d_head = match config.size("head_dim")?.or(defaults.d_head) {
            Some(d_head) => d_head,
            None => head_width(d_model, n_heads)?,
        };
        let n_layers = n_layers(config, &["num_hidden_layers"])?;
        if !n_heads.is_multiple_of(n_kv_heads) {
            let what = format!("{n_heads} attention heads cannot share {n_kv_heads} key-value heads");
            return Err(ConfigError::Inconsistent { what });
        }
        let bias = config.flag("attention_bias")?.unwrap_or(false);
        let shape = Self {
            family: family.to_owned(),
            prefix: names.prefix(&["model.", ""], "embed_tokens.weight").to_owned(),
            d_model,
            n_layers,
            n_heads,
            n_kv_heads,
            d_head,
            d_mlp: config.required_size(defaults.mlp_key.unwrap_or("intermediate_size"))?,
            n_vocab: or_default("vocab_size", defaults.n_vocab)?,
            eps: defaults.eps.read(config)?,
            norm: NormSpec::rms,
            activation: config.activation(
                defaults.activation_key.unwrap_or("hidden_act"),
                defaults.activation.unwrap_or(Activation::Silu),
            )?,
            qkv_bias: bias,
            o_bias: bias,
            mlp_bias: config.flag("mlp_bias")?.unwrap_or(false),
            scale: (d_head as f64).powf(-0.5),
            masks: vec![Mask::Causal; n_layers],
            positions: vec![Position::None; n_layers],
            tied_by_default: false,
            context: config.size("max_position_embeddings")?,
        };
        let plain = RopeQuery::new(d_head, defaults.theta.unwrap_or(1e4));
        let query = match defaults.rotation {
            Rotation::Whole => plain,
            Rotation::Share(share, pairing) => RopeQuery { pairing, rounds_up: true, ..plain.partial(share) },
            Rotation::EvenShare(share) => plain.partial(share),
            Rotation::Interleaved => RopeQuery { pairing: Pairing::Interleaved, ..plain },
            Rotation::Backwards => RopeQuery { pairing: Pairing::HalfSplitBackwards, ..plain },
            Rotation::Own => return Ok(shape),
        };
        shape.rotary(config, &query)
    }

    /// Lets every layer rotate as `query` and the config say.
    fn rotary(mut self, config: &Config<'_>, query: &RopeQuery) -> Result<Self, ConfigError> {
        let rope = Arc::new(config.rope(query)?);
        self.positions = vec![Position::Rotary(rope); self.n_layers];
        Ok(self)
    }

    /// The name of a tensor of layer `i`, without its `.weight`.
    pub(super) fn name(&self, i: usize, part: &str) -> String {
        format!("{}layers.{i}.{part}", self.prefix)
    }

    /// A norm of layer `i`.
    pub(super) fn layer_norm(&self, i: usize, part: &str) -> NormSpec {
        (self.norm)(&self.name(i, part), self.d_model, self.eps)
    }

    /// A gated MLP under `prefix`, with this shape's activation and biases.
    pub(super) fn gated(&self, prefix: &str, d_mlp: usize) -> GatedSpec {
        let linear = |part: &str, d_out, d_in| {
            LinearSpec::new(&format!("{prefix}.{part}"), d_out, d_in, self.mlp_bias)
        };
        let inward = ["gate_proj", "up_proj"].map(|part| linear(part, d_mlp, self.d_model));
        let [gate, up] = inward;
        GatedSpec::new(Gating::Plain(self.activation), [gate, up, linear("down_proj", self.d_model, d_mlp)])
    }

    /// A gated MLP under `prefix` whose gate and up projections are one matrix, the gate first.
    pub(super) fn gated_fused(&self, prefix: &str) -> GatedSpec {
        let d_mlp = self.d_mlp;
        let gate_up =
            LinearSpec::new(&format!("{prefix}.gate_up_proj"), 2 * d_mlp, self.d_model, self.mlp_bias);
        GatedSpec {
            gate: gate_up.part(&Cut::Rows(0..d_mlp)),
            up: gate_up.part(&Cut::Rows(d_mlp..2 * d_mlp)),
            ..self.gated(prefix, d_mlp)
        }
    }

    /// A plain MLP under `prefix`, with this shape's activation and biases; `parts` name its projections up and down.
    pub(super) fn plain(&self, prefix: &str, [up, down]: [&str; 2]) -> MlpSpec {
        let linear = |part: &str, d_out, d_in| {
            LinearSpec::new(&format!("{prefix}.{part}"), d_out, d_in, self.mlp_bias)
        };
        MlpSpec::plain(
            self.activation,
            linear(up, self.d_mlp, self.d_model),
            linear(down, self.d_model, self.d_mlp),
        )
    }

    /// The spec: Llama's blocks, final norm and unembedding.
    pub(super) fn decoder(
        &self,
        config: &Config<'_>,
        names: &TensorNames,
    ) -> Result<DecoderSpec, ConfigError> {
        let embed =
            EmbedSpec::plain(format!("{}embed_tokens.weight", self.prefix), self.n_vocab, self.d_model);
        let unembed = unembedding(config, names, &embed.tokens, &["lm_head.weight"], self.tied_by_default)?;
        Ok(DecoderSpec {
            family: self.family.clone(),
            d_model: self.d_model,
            embed,
            layers: (0..self.n_layers).map(|i| self.layer(i)).collect(),
            readout: ReadoutSpec {
                norm: Some((self.norm)(&format!("{}norm", self.prefix), self.d_model, self.eps)),
                project: None,
                unembed: unembed.tensor,
                bias: None,
                post: Post::default(),
            },
            tied_and_stored: unembed.tied_and_stored,
            context: self.context,
            ignored: Ignored { suffixes: &["rotary_emb.inv_freq"], ..Ignored::default() },
        })
    }

    fn layer(&self, i: usize) -> LayerSpec {
        let &Self { d_model, n_heads, n_kv_heads, d_head, .. } = self;
        let linear = |part: &str, d_out, d_in, bias| {
            LinearSpec::new(&self.name(i, &format!("self_attn.{part}")), d_out, d_in, bias)
        };
        let attn = AttentionSpec {
            scale: self.scale,
            mask: self.masks[i],
            position: self.positions[i].clone(),
            ..AttentionSpec::plain(
                [n_heads, n_kv_heads, d_head],
                [
                    linear("q_proj", n_heads * d_head, d_model, self.qkv_bias),
                    linear("k_proj", n_kv_heads * d_head, d_model, self.qkv_bias),
                    linear("v_proj", n_kv_heads * d_head, d_model, self.qkv_bias),
                    linear("o_proj", d_model, n_heads * d_head, self.o_bias),
                ],
            )
        };
        LayerSpec::pre_norm(
            self.layer_norm(i, "input_layernorm"),
            attn,
            self.layer_norm(i, "post_attention_layernorm"),
            MlpSpec::Gated(self.gated(&self.name(i, "mlp"), self.d_mlp)),
        )
    }
}

/// The number of layers, within reason.
pub(super) fn n_layers(config: &Config<'_>, keys: &[&'static str]) -> Result<usize, ConfigError> {
    plausible(config.size_of(keys)?, limits::config::MOST_LAYERS, "layers")
}

/// A number of heads, within reason.
pub(super) fn plausible_heads(n: usize) -> Result<usize, ConfigError> {
    plausible(n, limits::config::MOST_HEADS, "heads in a layer")
}

/// A number of parts, within reason: every part becomes a spec before anything is compared with the tensors.
pub(super) fn plausible(n: usize, most: usize, parts: &str) -> Result<usize, ConfigError> {
    if n <= most {
        return Ok(n);
    }
    Err(ConfigError::Inconsistent {
        what: format!("{n} {parts} are more than the {most} that are plausible"),
    })
}

/// The width of a head where the config leaves it to arithmetic.
pub(super) fn head_width(d_model: usize, n_heads: usize) -> Result<usize, ConfigError> {
    if d_model.is_multiple_of(n_heads) {
        return Ok(d_model / n_heads);
    }
    let what = format!("the width {d_model} is not a multiple of {n_heads} heads, and head_dim is absent");
    Err(ConfigError::Inconsistent { what })
}

/// The unembedding, and the name of a stored one that the config ties to the embedding all the same.
pub(super) struct Unembedding {
    pub(super) tensor: TensorSpec,
    pub(super) tied_and_stored: Option<&'static str>,
}

/// The unembedding: what is on disk under one of `candidates`; else the embedding, if the model is tied. Where the
/// config ties one that is on disk, up to version 4 transformers takes the embedding, and from 5 on what is on disk.
pub(super) fn unembedding(
    config: &Config<'_>,
    names: &TensorNames,
    embed: &TensorSpec,
    candidates: &[&'static str],
    tied_by_default: bool,
) -> Result<Unembedding, ConfigError> {
    let tied = config.flag("tie_word_embeddings")?.unwrap_or(tied_by_default);
    let stored = candidates.iter().copied().find(|name| names.has(name));
    let tensor = match stored {
        Some(_) if tied && written_by(config)? < 5 => embed.clone(),
        Some(name) => TensorSpec::new(name, embed.shape.clone()),
        None if tied => embed.clone(),
        None => return Err(ConfigError::NoUnembedding { name: candidates[0] }),
    };
    Ok(Unembedding { tensor, tied_and_stored: stored.filter(|_| tied) })
}

/// The major version of transformers that wrote a config; files from before it said so are older than 5.
pub(super) fn written_by(config: &Config<'_>) -> Result<u32, ConfigError> {
    let version = config.text("transformers_version")?.unwrap_or_default();
    Ok(version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(4))
}
