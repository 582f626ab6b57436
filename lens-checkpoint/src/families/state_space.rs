//! What the families with Mamba-2 mixers share: how their configs and tensors describe one.

use serde_json::Value;

use super::shape::{plausible, plausible_heads};
use crate::{
    config::{Config, ConfigError},
    limits,
    spec::{Activation, Cut, FilterSpec, GateNorm, LinearSpec, Mamba2Spec, NormSpec, Param},
};

/// The sizes and switches of the Mamba-2 mixers of a model.
pub(super) struct StateSpace {
    pub(super) d_model: usize,
    pub(super) n_heads: usize,
    pub(super) d_head: usize,
    pub(super) n_groups: usize,
    pub(super) d_state: usize,
    pub(super) kernel: usize,
    pub(super) filter_bias: bool,
    pub(super) in_bias: bool,
    pub(super) out_bias: bool,
    pub(super) activation: Activation,
    pub(super) step_limits: (f64, f64),
    /// Epsilon of the norm after the gate.
    pub(super) eps: f64,
}

impl StateSpace {
    /// Bamba's names and defaults; `channels` is the width of the state space, where the config has a key for it.
    pub(super) fn read(
        config: &Config<'_>,
        d_model: usize,
        eps: f64,
        channels: Option<usize>,
    ) -> Result<Self, ConfigError> {
        let n_heads = plausible_heads(config.size_or("mamba_n_heads", 128)?)?;
        let channels = match channels {
            Some(channels) => {
                // Without the key it would be this many times the width.
                config.pass_over(&["mamba_expand"]);
                channels
            }
            None => config.size_or("mamba_expand", 2)? * d_model,
        };
        let d_head = match config.get("mamba_d_head").and_then(Value::as_str) {
            Some("auto") => channels / n_heads,
            _ => config.size("mamba_d_head")?.unwrap_or(channels / n_heads),
        };
        config.pass_over(&["mamba_chunk_size"]);
        let bias = config.flag("mamba_proj_bias")?.unwrap_or(false);
        Self {
            d_model,
            n_heads,
            d_head,
            n_groups: config.size_or("mamba_n_groups", 1)?,
            d_state: config.size_or("mamba_d_state", 256)?,
            kernel: config.size_or("mamba_d_conv", 4)?,
            filter_bias: config.flag("mamba_conv_bias")?.unwrap_or(true),
            in_bias: bias,
            out_bias: bias,
            activation: config.activation("hidden_act", Activation::Silu)?,
            step_limits: step_limits(config)?,
            eps,
        }
        .checked(channels)
    }

    /// These sizes, where they fit each other and a state space of `channels`.
    ///
    /// # Errors
    /// When they do not, or are beyond any model.
    pub(super) fn checked(self, channels: usize) -> Result<Self, ConfigError> {
        let &Self { n_heads, d_head, n_groups, kernel, d_state, .. } = &self;
        plausible(kernel, limits::config::LONGEST_FILTER, "positions of a filter")?;
        plausible(d_state, limits::config::LARGEST_STATE, "values of state")?;
        if n_heads * d_head != channels {
            let what = format!(
                "{n_heads} heads of {d_head} values are not the {channels} channels of the state space"
            );
            return Err(ConfigError::Inconsistent { what });
        }
        if !n_heads.is_multiple_of(n_groups) {
            let what = format!("{n_heads} heads of the state space cannot share {n_groups} groups");
            return Err(ConfigError::Inconsistent { what });
        }
        Ok(self)
    }

    /// Says how several groups are normed where generations of the reference differ.
    pub(super) fn remark_on_groups(&self, config: &Config<'_>) {
        if self.n_groups > 1 {
            config.remark(
                "the state space norms each group of heads by itself, as transformers does from version 5 on and as the \
                 model's authors do; version 4 norms all of them together",
            );
        }
    }

    /// The mixer whose tensors begin with `prefix`.
    pub(super) fn mixer(&self, prefix: &str) -> Mamba2Spec {
        let &Self { d_model, n_heads, d_head, n_groups, d_state, .. } = self;
        let (channels, shared) = (n_heads * d_head, n_groups * d_state);
        let name = |part: &str| format!("{prefix}.{part}");
        let filtered = channels + 2 * shared;
        let input = LinearSpec::new(&name("in_proj"), channels + filtered + n_heads, d_model, self.in_bias);
        let part = |from: usize, n: usize| input.part(&Cut::Rows(from..from + n));
        Mamba2Spec {
            n_heads,
            d_head,
            n_groups,
            d_state,
            gate: part(0, channels),
            filtered: part(channels, filtered),
            step: part(channels + filtered, n_heads),
            factors: None,
            filter: FilterSpec::new(&name("conv1d"), filtered, self.kernel, self.filter_bias),
            activation: self.activation,
            step_bias: Param::whole(name("dt_bias"), [n_heads]),
            step_limits: self.step_limits,
            log_decay: Param::whole(name("A_log"), [n_heads]),
            skip: Param::whole(name("D"), [n_heads]),
            gate_norm: GateNorm::AfterGate(NormSpec::rms(&name("norm"), channels, self.eps)),
            output: LinearSpec::new(&name("out_proj"), d_model, channels, self.out_bias),
        }
    }
}

/// The smallest and the largest step, `time_step_limit`: from zero without an end where the config does not say.
pub(super) fn step_limits(config: &Config<'_>) -> Result<(f64, f64), ConfigError> {
    let Some(value) = config.get("time_step_limit") else { return Ok((0.0, f64::INFINITY)) };
    let limits = value.as_array().and_then(|limits| match limits.as_slice() {
        [least, most] => Some((limit(least)?, limit(most)?)),
        _ => None,
    });
    limits.filter(|(least, most)| 0.0 <= *least && least <= most).ok_or_else(|| ConfigError::Wrong {
        key: config.name("time_step_limit"),
        expected: "a list of the smallest and the largest step, from 0 on",
        got: value.to_string(),
    })
}

/// A number that may be infinite: as Python's JSON has it, or as version 5 of transformers writes it.
fn limit(value: &Value) -> Option<f64> {
    let name = value.as_str().or_else(|| value.get("__float__").and_then(Value::as_str));
    match name {
        Some("Infinity") => Some(f64::INFINITY),
        Some(_) => None,
        None => value.as_f64(),
    }
}

/// Keys of a config that say how the weights of a state space were drawn, or how it is computed, and not what.
pub(super) fn pass_over_training(config: &Config<'_>) {
    config.pass_over(&[
        "time_step_min",
        "time_step_max",
        "time_step_floor",
        "time_step_scale",
        "time_step_init_scheme",
        "chunk_size",
        "use_mambapy",
        "use_falcon_mambapy",
        "use_associative_scan",
        "num_logits_to_keep",
        "z_loss_coefficient",
        "mamba_ssm_cache_dtype",
    ]);
}

/// Says what is not done where the config keeps the stream in float32 beside narrower weights.
pub(super) fn remark_on_stream(config: &Config<'_>, by_default: bool) -> Result<(), ConfigError> {
    let wide = config.flag("residual_in_fp32")?.unwrap_or(by_default);
    if wide && config.dtype().is_some_and(|dtype| dtype != "float32") {
        config.remark(
            "config.json keeps the residual stream in float32 (residual_in_fp32); here it has the dtype that the model is \
             run in, which rounds more unless that is float32",
        );
    }
    Ok(())
}
