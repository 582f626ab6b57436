//! Mamba, Falcon-Mamba and Mamba-2: blocks that are a state space alone.

use lens_core::{NormKind, Post};
use serde_json::Value;

use super::{
    Family, TensorNames,
    shape::{n_layers, plausible, plausible_heads, unembedding},
    state_space::{StateSpace, pass_over_training, remark_on_stream, step_limits},
};
use crate::{
    config::{Config, ConfigError},
    limits,
    spec::{
        Activation, Cut, DecoderSpec, EmbedSpec, FilterSpec, Ignored, LayerSpec, LinearSpec, MambaSpec,
        MixerSpec, NormSpec, Param, ReadoutSpec, ScanNorms,
    },
};

pub(super) const MAMBA: Family = Family {
    model_types: &["mamba"],
    models: "Mamba 130M to 2.8B",
    particulars: "every block is a Mamba mixer alone: no heads, no MLP; tied",
    resolve: |config, names, family| {
        let stack = Stack::read(config, names)?;
        let channels = Channels::read(config, &stack)?;
        stack.decoder(config, names, family, true, |prefix| channels.mixer(prefix, None))
    },
};

pub(super) const FALCON_MAMBA: Family = Family {
    model_types: &["falcon_mamba"],
    models: "Falcon-Mamba 7B",
    particulars: "Mamba with norms without weights on the step, B and C",
    resolve: |config, names, family| {
        let stack = Stack::read(config, names)?;
        let channels = Channels::read(config, &stack)?;
        let norm = bare_rms(config.epsilon_or("mixer_rms_eps", 1e-6)?);
        let norms = ScanNorms { step: norm.clone(), b: norm.clone(), c: norm };
        stack.decoder(config, names, family, true, |prefix| channels.mixer(prefix, Some(norms.clone())))
    },
};

pub(super) const MAMBA2: Family = Family {
    model_types: &["mamba2"],
    models: "Mamba-2 130M to 2.7B, Mamba-Codestral 7B",
    particulars: "every block is a Mamba-2 mixer alone: heads with a state each, no MLP",
    resolve: |config, names, family| {
        let stack = Stack::read(config, names)?;
        let bias = config.flag("use_bias")?.unwrap_or(false);
        // transformers norms after the gate whatever the files of the authors' own code say.
        config.pass_over(&["time_step_rank", "norm_before_gate"]);
        config.pass_over_number("intermediate_size", (config.size_or("expand", 2)? * stack.d_model) as f64);
        let mixers = StateSpace {
            d_model: stack.d_model,
            n_heads: plausible_heads(config.size_or("num_heads", 128)?)?,
            d_head: config.size_or("head_dim", 64)?,
            n_groups: config.size_or("n_groups", 8)?,
            d_state: config.size_or("state_size", 128)?,
            kernel: config.size_or("conv_kernel", 4)?,
            filter_bias: config.flag("use_conv_bias")?.unwrap_or(true),
            in_bias: bias,
            out_bias: bias,
            activation: config.activation("hidden_act", Activation::Silu)?,
            step_limits: step_limits(config)?,
            eps: stack.eps,
        }
        .checked(config.size_or("expand", 2)? * stack.d_model)?;
        mixers.remark_on_groups(config);
        stack
            .decoder(config, names, family, false, |prefix| MixerSpec::Mamba2(Box::new(mixers.mixer(prefix))))
    },
};

/// An RMS norm without weights.
fn bare_rms(eps: f64) -> NormSpec {
    NormSpec { kind: NormKind::Rms, weight: None, ..NormSpec::rms("", 0, eps) }
}

/// Blocks that are a mixer alone, and what is around them.
struct Stack {
    prefix: &'static str,
    d_model: usize,
    n_layers: usize,
    n_vocab: usize,
    eps: f64,
}

impl Stack {
    fn read(config: &Config<'_>, names: &TensorNames) -> Result<Self, ConfigError> {
        pass_over_training(config);
        config.pass_over(&["fused_add_norm", "pad_vocab_size_multiple"]);
        remark_on_stream(config, true)?;
        let older = names.has("backbone.embedding.weight") || names.has("embedding.weight");
        let embed = if older { "embedding.weight" } else { "embeddings.weight" };
        Ok(Self {
            prefix: names.prefix(&["backbone.", ""], embed),
            d_model: config.size_of(&["hidden_size", "d_model"])?,
            n_layers: n_layers(config, &["num_hidden_layers", "n_layer"])?,
            n_vocab: config.required_size("vocab_size")?,
            eps: config.epsilon_or("layer_norm_epsilon", 1e-5)?,
        })
    }

    fn decoder(
        &self,
        config: &Config<'_>,
        names: &TensorNames,
        family: &str,
        tied_by_default: bool,
        mixer: impl Fn(&str) -> MixerSpec,
    ) -> Result<DecoderSpec, ConfigError> {
        let older = format!("{}embedding.weight", self.prefix);
        let embed = if names.has(&older) { older } else { format!("{}embeddings.weight", self.prefix) };
        let embed = EmbedSpec::plain(embed, self.n_vocab, self.d_model);
        let unembed = unembedding(config, names, &embed.tokens, &["lm_head.weight"], tied_by_default)?;
        let norm = |name: String| NormSpec::rms(&name, self.d_model, self.eps);
        let layer = |i: usize| {
            let name = |part: &str| format!("{}layers.{i}.{part}", self.prefix);
            LayerSpec::mixer_alone(norm(name("norm")), mixer(&name("mixer")))
        };
        Ok(DecoderSpec {
            family: family.to_owned(),
            d_model: self.d_model,
            embed,
            layers: (0..self.n_layers).map(layer).collect(),
            readout: ReadoutSpec {
                norm: Some(norm(format!("{}norm_f", self.prefix))),
                project: None,
                unembed: unembed.tensor,
                bias: None,
                post: Post::default(),
            },
            tied_and_stored: unembed.tied_and_stored,
            context: None,
            ignored: Ignored::default(),
        })
    }
}

/// The sizes and switches of the Mamba mixers of a model.
pub(super) struct Channels {
    d_model: usize,
    channels: usize,
    d_state: usize,
    rank: usize,
    kernel: usize,
    filter_bias: bool,
    bias: bool,
    activation: Activation,
}

impl Channels {
    fn read(config: &Config<'_>, stack: &Stack) -> Result<Self, ConfigError> {
        // Where the config names the width, it is that, whatever the factor.
        let channels = match config.size("intermediate_size")? {
            Some(channels) => {
                config.pass_over(&["expand"]);
                channels
            }
            None => config.size_or("expand", 2)? * stack.d_model,
        };
        // What some files say again.
        config.pass_over_number("d_inner", channels as f64);
        Ok(Self {
            d_model: stack.d_model,
            channels,
            d_state: plausible(
                config.size_or("state_size", 16)?,
                limits::config::LARGEST_STATE,
                "values of state",
            )?,
            rank: rank(config, "time_step_rank", stack.d_model)?,
            kernel: plausible(
                config.size_or("conv_kernel", 4)?,
                limits::config::LONGEST_FILTER,
                "positions of a filter",
            )?,
            filter_bias: config.flag("use_conv_bias")?.unwrap_or(true),
            bias: config.flag("use_bias")?.unwrap_or(false),
            activation: config.activation("hidden_act", Activation::Silu)?,
        })
    }

    /// Jamba's names and defaults.
    pub(super) fn of_jamba(config: &Config<'_>, d_model: usize) -> Result<Self, ConfigError> {
        Ok(Self {
            d_model,
            channels: config.size_or("mamba_expand", 2)? * d_model,
            d_state: plausible(
                config.size_or("mamba_d_state", 16)?,
                limits::config::LARGEST_STATE,
                "values of state",
            )?,
            rank: rank(config, "mamba_dt_rank", d_model)?,
            kernel: plausible(
                config.size_or("mamba_d_conv", 4)?,
                limits::config::LONGEST_FILTER,
                "positions of a filter",
            )?,
            filter_bias: config.flag("mamba_conv_bias")?.unwrap_or(true),
            bias: config.flag("mamba_proj_bias")?.unwrap_or(false),
            activation: config.activation("hidden_act", Activation::Silu)?,
        })
    }

    /// The norms on the step, B and C whose weights are under `prefix`.
    pub(super) fn norms(&self, prefix: &str, eps: f64) -> ScanNorms {
        let norm = |part: &str, d| NormSpec::rms(&format!("{prefix}.{part}_layernorm"), d, eps);
        ScanNorms { step: norm("dt", self.rank), b: norm("b", self.d_state), c: norm("c", self.d_state) }
    }

    /// The mixer whose tensors begin with `prefix`.
    pub(super) fn mixer(&self, prefix: &str, norms: Option<ScanNorms>) -> MixerSpec {
        let &Self { d_model, channels, d_state, rank, .. } = self;
        let name = |part: &str| format!("{prefix}.{part}");
        let input = LinearSpec::new(&name("in_proj"), 2 * channels, d_model, self.bias);
        let selected = LinearSpec::new(&name("x_proj"), rank + 2 * d_state, channels, false);
        let rows = |of: &LinearSpec, from: usize, n: usize| of.part(&Cut::Rows(from..from + n));
        MixerSpec::Mamba(Box::new(MambaSpec {
            channels,
            d_state,
            value: rows(&input, 0, channels),
            gate: rows(&input, channels, channels),
            filter: FilterSpec::new(&name("conv1d"), channels, self.kernel, self.filter_bias),
            activation: self.activation,
            low_step: rows(&selected, 0, rank),
            b: rows(&selected, rank, d_state),
            c: rows(&selected, rank + d_state, d_state),
            norms,
            step: LinearSpec::new(&name("dt_proj"), channels, rank, true),
            log_decay: Param::whole(name("A_log"), [channels, d_state]),
            skip: Param::whole(name("D"), [channels]),
            output: LinearSpec::new(&name("out_proj"), d_model, channels, self.bias),
        }))
    }
}

/// The rank of the step: a sixteenth of the width where the config leaves it to arithmetic.
fn rank(config: &Config<'_>, key: &'static str, d_model: usize) -> Result<usize, ConfigError> {
    match config.get(key).and_then(Value::as_str) {
        Some("auto") => Ok(d_model.div_ceil(16)),
        _ => Ok(config.size(key)?.unwrap_or(d_model.div_ceil(16))),
    }
}
