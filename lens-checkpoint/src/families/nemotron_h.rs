//! Nemotron-H: blocks that are one branch each, a Mamba-2 mixer, attention, an MLP or experts.

use lens_core::Post;

use super::{
    Family, TensorNames,
    routed::{DeepSeek, Silence},
    shape::{head_width, plausible, plausible_heads, unembedding},
    state_space::{StateSpace, pass_over_training},
};
use crate::{
    config::{Config, ConfigError},
    limits,
    spec::{
        Activation, AttentionSpec, Cut, DecoderSpec, EmbedSpec, ExpertSpec, ExpertsSpec, Ignored, LatentSpec,
        LayerSpec, LinearSpec, MixerSpec, MlpSpec, NormSpec, Param, PlainSpec, ReadoutSpec, SharedExpert,
    },
};

pub(super) const FAMILY: Family = Family {
    model_types: &["nemotron_h"],
    models: "Nemotron-H 4B to 56B, Nemotron Nano 2, Nemotron 3",
    particulars: "every block is one branch: a Mamba-2 mixer, attention without positions, or a plain MLP with a squared \
                  ReLU, or experts of that kind like DeepSeek-V3's, optionally in a narrower space; what a block lacks is no \
                  point",
    resolve: |config, names, family| {
        let kinds = kinds(config)?;
        let sizes = Sizes::read(config, names, kinds.len())?;
        let experts = match kinds.contains(&Kind::Experts) {
            true => Some(Experts::read(config, &sizes, kinds.len())?),
            false => None,
        };
        pass_over_experts(config);
        let layers = kinds.iter().enumerate().map(|(i, kind)| sizes.layer(i, *kind, names, experts.as_ref()));
        let layers = layers.collect();
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
    Experts,
}

/// The kind of every block, from a list of names or a pattern of letters.
fn kinds(config: &Config<'_>) -> Result<Vec<Kind>, ConfigError> {
    let unsupported = |key: &'static str, value: &str| ConfigError::Unsupported {
        key: config.name(key),
        value: value.to_owned(),
        supported: "Mamba-2 (mamba, M), attention (attention, *), MLPs (mlp, -) and experts (moe, E)",
    };
    for key in ["layers_block_type", "layer_types"] {
        let Some(names) = config.texts(key)? else { continue };
        // What it is, where it is there too.
        config.pass_over(&["num_hidden_layers", "hybrid_override_pattern"]);
        plausible(names.len(), limits::config::MOST_LAYERS, "layers")?;
        let kind = |name: &str| match name {
            "mamba" | "linear_attention" => Ok(Kind::StateSpace),
            "attention" | "full_attention" => Ok(Kind::Attention),
            "mlp" => Ok(Kind::Mlp),
            "moe" => Ok(Kind::Experts),
            other => Err(unsupported(key, other)),
        };
        return names.into_iter().map(kind).collect();
    }
    let pattern = config.text("hybrid_override_pattern")?;
    let pattern = pattern.ok_or_else(|| ConfigError::Missing { key: config.name("layers_block_type") })?;
    config.pass_over(&["num_hidden_layers"]);
    plausible(pattern.len(), limits::config::MOST_LAYERS, "layers")?;
    pattern
        .chars()
        .map(|letter| match letter {
            'M' => Ok(Kind::StateSpace),
            '*' => Ok(Kind::Attention),
            '-' => Ok(Kind::Mlp),
            'E' => Ok(Kind::Experts),
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
        plausible(n_layers, limits::config::MOST_LAYERS, "layers")?;
        let d_model = config.required_size("hidden_size")?;
        let eps = config.epsilon_or("layer_norm_epsilon", 1e-5)?;
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

    /// A plain MLP under `prefix`.
    fn plain(&self, prefix: &str, d_mlp: usize) -> PlainSpec {
        let linear = |part: &str, d_out, d_in| {
            LinearSpec::new(&format!("{prefix}.{part}"), d_out, d_in, self.mlp_bias)
        };
        let (up, down) = (linear("up_proj", d_mlp, self.d_model), linear("down_proj", self.d_model, d_mlp));
        PlainSpec::new(self.activation, up, down)
    }

    fn layer(&self, i: usize, kind: Kind, names: &TensorNames, experts: Option<&Experts>) -> LayerSpec {
        let name = |part: &str| format!("{}layers.{i}.{part}", self.prefix);
        let (norm, block) = (self.norm(&name("norm")), name("mixer"));
        match (kind, experts) {
            (Kind::StateSpace, _) => {
                LayerSpec::mixer_alone(norm, MixerSpec::Mamba2(Box::new(self.mixers.mixer(&block))))
            }
            (Kind::Attention, _) => LayerSpec::mixer_alone(norm, self.attention(&block)),
            (Kind::Experts, Some(experts)) => LayerSpec::mlp_alone(norm, experts.of(self, names, &block)),
            (Kind::Mlp | Kind::Experts, _) => {
                LayerSpec::mlp_alone(norm, MlpSpec::Plain(self.plain(&block, self.d_mlp)))
            }
        }
    }

    fn attention(&self, prefix: &str) -> AttentionSpec {
        let &Self { d_model, n_heads, n_kv_heads, d_head, .. } = self;
        let linear =
            |part: &str, d_out, d_in| LinearSpec::new(&format!("{prefix}.{part}"), d_out, d_in, false);
        AttentionSpec::plain(
            [n_heads, n_kv_heads, d_head],
            [
                linear("q_proj", n_heads * d_head, d_model),
                linear("k_proj", n_kv_heads * d_head, d_model),
                linear("v_proj", n_kv_heads * d_head, d_model),
                linear("o_proj", d_model, n_heads * d_head),
            ],
        )
    }
}

/// The experts of all blocks that are some.
struct Experts {
    routed: DeepSeek,
    /// Width of the expert that sees every token.
    d_shared: usize,
    /// Width of the space that the others work in, where it is not the stream.
    d_latent: Option<usize>,
}

impl Experts {
    fn read(config: &Config<'_>, sizes: &Sizes, n_layers: usize) -> Result<Self, ConfigError> {
        let silence = Silence { groups: Some([1, 1]), renormalise: true, factor: 1.0, shared: None };
        let d_latent = config.size("moe_latent_size")?;
        if d_latent.is_some() && sizes.mlp_bias {
            return Err(ConfigError::Unsupported {
                key: config.name("mlp_bias"),
                value: "true".to_owned(),
                supported: "false, where moe_latent_size gives the experts a space of their own",
            });
        }
        Ok(Self {
            routed: DeepSeek::v3_of(config, n_layers, &silence)?,
            d_shared: config.size_or("moe_shared_expert_intermediate_size", 7688)?,
            d_latent,
        })
    }

    /// Those under `block`.
    fn of(&self, sizes: &Sizes, names: &TensorNames, block: &str) -> MlpSpec {
        let (n, d_mlp, width) = (self.routed.n, self.routed.d_mlp, self.d_latent.unwrap_or(sizes.d_model));
        let stacked = names.has(&format!("{block}.experts.up_proj"));
        let map = |e: usize, part: &str, [d_out, d_in]: [usize; 2]| LinearSpec {
            weight: match stacked {
                true => Param::whole(format!("{block}.experts.{part}"), [n, d_out, d_in]).cut(Cut::Index(e)),
                false => Param::whole(format!("{block}.experts.{e}.{part}.weight"), [d_out, d_in]),
            },
            bias: None,
        };
        let expert = |e: usize| {
            let (up, down) = (map(e, "up_proj", [d_mlp, width]), map(e, "down_proj", [width, d_mlp]));
            ExpertSpec::Plain(PlainSpec::new(sizes.activation, up, down))
        };
        let linear =
            |part: &str, d_out, d_in| LinearSpec::new(&format!("{block}.{part}"), d_out, d_in, false);
        MlpSpec::Experts(Box::new(ExpertsSpec {
            routing: self.routed.routing(names, block, sizes.d_model),
            experts: (0..n).map(expert).collect(),
            latent: self.d_latent.map(|d_latent| LatentSpec {
                down: linear("fc1_latent_proj", d_latent, sizes.d_model),
                up: linear("fc2_latent_proj", sizes.d_model, d_latent),
            }),
            shared: Some(SharedExpert {
                mlp: sizes.plain(&format!("{block}.shared_experts"), self.d_shared).into(),
                gate: None,
            }),
        }))
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

/// Sizes of experts that no block has, and words on what the class always does.
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
