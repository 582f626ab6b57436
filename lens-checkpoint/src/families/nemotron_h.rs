//! Nemotron-H: blocks that are one branch each, a Mamba-2 mixer, attention or an MLP.

use lens_core::Post;

use super::{
    Family, TensorNames,
    shape::{MOST_LAYERS, head_width, plausible, plausible_heads, unembedding},
    state_space::{StateSpace, pass_over_training},
};
use crate::{
    config::{Config, ConfigError},
    spec::{
        Activation, AttentionSpec, DecoderSpec, EmbedSpec, Ignored, LayerSpec, LinearSpec, Mask, MixerSpec,
        MlpSpec, NormSpec, Position, ReadoutSpec, Sharing,
    },
};

pub(super) const FAMILY: Family = Family {
    model_types: &["nemotron_h"],
    models: "Nemotron-H 4B to 56B, Nemotron Nano 2 (those without experts)",
    particulars: "every block is one branch: a Mamba-2 mixer, attention without positions, or a plain MLP with a squared \
                  ReLU; what a block lacks is no point",
    resolve: |config, names, family| {
        let kinds = kinds(config)?;
        let sizes = Sizes::read(config, names, kinds.len())?;
        let layers = kinds.iter().enumerate().map(|(i, kind)| sizes.layer(i, *kind)).collect();
        let embed =
            EmbedSpec::plain(format!("{}embeddings.weight", sizes.prefix), sizes.n_vocab, sizes.d_model);
        let unembed = unembedding(config, names, &embed.tokens, &["lm_head.weight"], false)?;
        Ok(DecoderSpec {
            family: family.to_owned(),
            d_model: sizes.d_model,
            embed,
            layers,
            readout: ReadoutSpec {
                norm: Some(sizes.norm(&format!("{}norm_f", sizes.prefix))),
                project: None,
                unembed: unembed.tensor,
                bias: None,
                post: Post::default(),
            },
            tied_and_stored: unembed.tied_and_stored,
            context: config.size("max_position_embeddings")?,
            // Blocks that predict further tokens, which transformers leaves alone as well.
            ignored: Ignored { prefixes: &["mtp."], ..Ignored::default() },
        })
    },
};

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    StateSpace,
    Attention,
    Mlp,
}

/// The kind of every block, from a list of names or a pattern of letters.
fn kinds(config: &Config<'_>) -> Result<Vec<Kind>, ConfigError> {
    let unsupported = |key: &'static str, value: &str| ConfigError::Unsupported {
        key: config.name(key),
        value: value.to_owned(),
        supported: "Mamba-2 (mamba, M), attention (attention, *) and MLPs (mlp, -), no experts",
    };
    for key in ["layers_block_type", "layer_types"] {
        let Some(names) = config.texts(key)? else { continue };
        // What it is, where it is there too.
        config.pass_over(&["num_hidden_layers", "hybrid_override_pattern"]);
        plausible(names.len(), MOST_LAYERS, "layers")?;
        let kind = |name: &str| match name {
            "mamba" | "linear_attention" => Ok(Kind::StateSpace),
            "attention" | "full_attention" => Ok(Kind::Attention),
            "mlp" => Ok(Kind::Mlp),
            other => Err(unsupported(key, other)),
        };
        return names.into_iter().map(kind).collect();
    }
    let pattern = config.text("hybrid_override_pattern")?;
    let pattern = pattern.ok_or_else(|| ConfigError::Missing { key: config.name("layers_block_type") })?;
    config.pass_over(&["num_hidden_layers"]);
    plausible(pattern.len(), MOST_LAYERS, "layers")?;
    pattern
        .chars()
        .map(|letter| match letter {
            'M' => Ok(Kind::StateSpace),
            '*' => Ok(Kind::Attention),
            '-' => Ok(Kind::Mlp),
            other => Err(unsupported("hybrid_override_pattern", &other.to_string())),
        })
        .collect()
}

/// What the blocks are made of.
struct Sizes {
    prefix: &'static str,
    d_model: usize,
    n_vocab: usize,
    eps: f64,
    n_heads: usize,
    n_kv_heads: usize,
    d_head: usize,
    d_mlp: usize,
    mlp_bias: bool,
    activation: Activation,
    mixers: StateSpace,
}

impl Sizes {
    fn read(config: &Config<'_>, names: &TensorNames, n_layers: usize) -> Result<Self, ConfigError> {
        plausible(n_layers, MOST_LAYERS, "layers")?;
        let d_model = config.required_size("hidden_size")?;
        let eps = config.positive_or("layer_norm_epsilon", 1e-5)?;
        let n_heads = plausible_heads(config.size_or("num_attention_heads", 32)?)?;
        let n_kv_heads = config.size_unless_null("num_key_value_heads", 8)?.unwrap_or(n_heads);
        if !n_heads.is_multiple_of(n_kv_heads) {
            let what = format!("{n_heads} attention heads cannot share {n_kv_heads} key-value heads");
            return Err(ConfigError::Inconsistent { what });
        }
        let d_head = match config.size_unless_null("head_dim", 128)? {
            Some(d_head) => d_head,
            None => head_width(d_model, n_heads)?,
        };
        // The first files say it under this name, which transformers does not read.
        config.pass_over_number("attention_head_dim", d_head as f64);
        // Attention has none whatever the config says.
        config.refuse_flag("attention_bias")?;
        pass_over_experts(config);
        config.pass_over_number("rms_norm_eps", eps);
        Ok(Self {
            prefix: names.prefix(&["backbone.", "model.", ""], "embeddings.weight"),
            d_model,
            n_vocab: config.required_size("vocab_size")?,
            eps,
            n_heads,
            n_kv_heads,
            d_head,
            d_mlp: config.size_or("intermediate_size", 21_504)?,
            mlp_bias: config.flag("mlp_bias")?.unwrap_or(false),
            activation: config.activation("mlp_hidden_act", Activation::ReluSquared)?,
            mixers: mixers(config, d_model, eps)?,
        })
    }

    /// A norm, rounded after its weight.
    fn norm(&self, name: &str) -> NormSpec {
        NormSpec::rms(name, self.d_model, self.eps).rounded_last()
    }

    fn layer(&self, i: usize, kind: Kind) -> LayerSpec {
        let name = |part: &str| format!("{}layers.{i}.{part}", self.prefix);
        let norm = self.norm(&name("norm"));
        match kind {
            Kind::StateSpace => {
                let mixer = self.mixers.mixer(&name("mixer"));
                LayerSpec::mixer_alone(norm, MixerSpec::Mamba2(Box::new(mixer)))
            }
            Kind::Attention => LayerSpec::mixer_alone(norm, self.attention(&name("mixer"))),
            Kind::Mlp => {
                let linear = |part: &str, d_out, d_in| {
                    LinearSpec::new(&name(&format!("mixer.{part}")), d_out, d_in, self.mlp_bias)
                };
                let (up, down) = (
                    linear("up_proj", self.d_mlp, self.d_model),
                    linear("down_proj", self.d_model, self.d_mlp),
                );
                LayerSpec::mlp_alone(norm, MlpSpec::Plain { activation: self.activation, up, down })
            }
        }
    }

    fn attention(&self, prefix: &str) -> AttentionSpec {
        let &Self { d_model, n_heads, n_kv_heads, d_head, .. } = self;
        let linear =
            |part: &str, d_out, d_in| LinearSpec::new(&format!("{prefix}.{part}"), d_out, d_in, false);
        AttentionSpec {
            n_heads,
            n_kv_heads,
            d_head,
            scale: (d_head as f64).powf(-0.5),
            mask: Mask::Causal,
            position: Position::None,
            qk_norm: None,
            growth: None,
            clip: None,
            softcap: None,
            v_norm: None,
            sharing: Sharing::Own,
            differential: None,
            sinks: None,
            gate: None,
            q: linear("q_proj", n_heads * d_head, d_model),
            k: linear("k_proj", n_kv_heads * d_head, d_model),
            v: linear("v_proj", n_kv_heads * d_head, d_model),
            o: linear("o_proj", d_model, n_heads * d_head),
        }
    }
}

/// The Mamba-2 mixers, under this family's names: the later ones where a config has both.
fn mixers(config: &Config<'_>, d_model: usize, eps: f64) -> Result<StateSpace, ConfigError> {
    let size = |older, newer, default| match config.size(older)? {
        Some(n) => {
            config.pass_over(&[newer]);
            Ok(n)
        }
        None => config.size_or(newer, default),
    };
    let bias = config.flag("use_bias")?.unwrap_or(false);
    let filter_bias = match config.flag("mamba_conv_bias")? {
        Some(bias) => bias,
        None => config.flag("use_conv_bias")?.unwrap_or(true),
    };
    let least = match config.number("mamba_dt_min")? {
        Some(least) => least,
        None => config.number("time_step_min")?.unwrap_or(0.001),
    };
    pass_over_training(config);
    config.pass_over(&[
        "mamba_chunk_size",
        "mamba_dt_max",
        "mamba_dt_init_floor",
        "mamba_proj_bias",
        "expand",
        "mamba_expand",
        "time_step_limit",
        "mamba_dt_limit",
        "residual_in_fp32",
    ]);
    let n_heads = plausible_heads(config.size_or("mamba_num_heads", 128)?)?;
    let d_head = config.size_or("mamba_head_dim", 64)?;
    StateSpace {
        d_model,
        n_heads,
        d_head,
        n_groups: size("mamba_n_groups", "n_groups", 8)?,
        d_state: config.size_or("ssm_state_size", 128)?,
        kernel: size("mamba_d_conv", "conv_kernel", 4)?,
        filter_bias,
        in_bias: bias,
        out_bias: bias,
        activation: config.activation("mamba_hidden_act", Activation::Silu)?,
        // transformers bounds steps by the smallest one that training starts from, and by nothing else.
        step_limits: (least, f64::INFINITY),
        eps,
    }
    .checked(n_heads * d_head)
}

/// Sizes of experts that no block has.
fn pass_over_experts(config: &Config<'_>) {
    config.pass_over(&[
        "n_routed_experts",
        "num_local_experts",
        "n_shared_experts",
        "moe_intermediate_size",
        "moe_shared_expert_intermediate_size",
        "moe_shared_expert_overlap",
        "moe_latent_size",
        "num_experts_per_tok",
        "routed_scaling_factor",
        "n_group",
        "topk_group",
        "norm_topk_prob",
        "mtp_layers_block_type",
        "mtp_hybrid_override_pattern",
        "sliding_window",
    ]);
}
