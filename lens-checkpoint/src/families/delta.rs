//! Gated delta nets, and the attention beside them, as Qwen names them in config and tensors.

use super::{kinds, shape::Shape};
use crate::{
    config::{Config, ConfigError},
    spec::{
        Activation, AttentionGate, AttentionSpec, Cut, FilterSpec, GatedDeltaSpec, LinearSpec, NormSpec,
        Param, QkNorm, QkScope,
    },
};

/// Sizes of a gated delta net.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub(super) n_key_heads: usize,
    pub(super) n_heads: usize,
    pub(super) d_key: usize,
    pub(super) d_value: usize,
    pub(super) kernel: usize,
}

impl Sizes {
    /// Qwen's, where the config is silent.
    pub(super) const QWEN: Self = Self { n_key_heads: 16, n_heads: 32, d_key: 128, d_value: 128, kernel: 4 };

    /// What config.json says, or else these.
    pub(super) fn read(&self, config: &Config<'_>) -> Result<Self, ConfigError> {
        let sizes = Self {
            n_key_heads: config.size_or("linear_num_key_heads", self.n_key_heads)?,
            n_heads: config.size_or("linear_num_value_heads", self.n_heads)?,
            d_key: config.size_or("linear_key_head_dim", self.d_key)?,
            d_value: config.size_or("linear_value_head_dim", self.d_value)?,
            kernel: config.size_or("linear_conv_kernel_dim", self.kernel)?,
        };
        sizes.check()?;
        Ok(sizes)
    }

    /// Refuses heads that cannot share keys.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.n_heads.is_multiple_of(self.n_key_heads) {
            return Ok(());
        }
        let what =
            format!("{} heads of values cannot share {} heads of keys", self.n_heads, self.n_key_heads);
        Err(ConfigError::Inconsistent { what })
    }

    /// Width of all queries, or of all keys.
    fn keys(&self) -> usize {
        self.n_key_heads * self.d_key
    }

    /// Width of all values.
    fn values(&self) -> usize {
        self.n_heads * self.d_value
    }

    /// Queries, keys and values out of one map, as `[q; k; v]`.
    pub(super) fn blocks(&self, qkv: &LinearSpec) -> [LinearSpec; 3] {
        let (keys, values) = (self.keys(), self.values());
        [0..keys, keys..2 * keys, 2 * keys..2 * keys + values].map(|rows| qkv.part(&Cut::Rows(rows)))
    }

    /// Width of queries, keys and values together.
    pub(super) fn channels(&self) -> usize {
        2 * self.keys() + self.values()
    }

    /// Qwen 3.5's maps: queries, keys and values in one, the others by themselves.
    pub(super) fn separate(&self, prefix: &str, d_model: usize) -> Maps {
        let linear =
            |part: &str, d_out: usize| LinearSpec::new(&format!("{prefix}.{part}"), d_out, d_model, false);
        Maps {
            qkv: self.blocks(&linear("in_proj_qkv", self.channels())),
            gate: linear("in_proj_z", self.n_heads * self.d_value),
            strength: linear("in_proj_b", self.n_heads),
            decay: linear("in_proj_a", self.n_heads),
        }
    }

    /// The gated delta net of a layer, whose tensors begin with `prefix`, out of these maps, with these names of the norm
    /// and of the output projection.
    pub(super) fn spec(&self, prefix: &str, d_model: usize, maps: Maps, own: Own) -> GatedDeltaSpec {
        let &Self { n_key_heads, n_heads, d_key, d_value, kernel } = self;
        let name = |part: &str| format!("{prefix}.{part}");
        let [q, k, v] = maps.qkv;
        let norm = NormSpec::rms(&name(own.norm), d_value, own.eps);
        GatedDeltaSpec {
            n_key_heads,
            n_heads,
            d_key,
            d_value,
            q,
            k,
            v,
            filters: vec![FilterSpec::new(&name("conv1d"), self.channels(), kernel, false)],
            strength: maps.strength,
            strength_factor: own.strength_factor,
            decay: maps.decay,
            decay_bias: Param::whole(name("dt_bias"), [n_heads]),
            log_rate: Param::whole(name("A_log"), [n_heads]),
            norm: if own.is_rounded_last { norm.rounded_last() } else { norm },
            gate: maps.gate,
            o: LinearSpec::new(&name(own.output), d_model, self.values(), false),
        }
    }
}

/// The maps into a gated delta net.
pub(super) struct Maps {
    pub(super) qkv: [LinearSpec; 3],
    pub(super) gate: LinearSpec,
    pub(super) strength: LinearSpec,
    pub(super) decay: LinearSpec,
}

/// What families have of their own.
#[derive(Clone, Copy)]
pub(super) struct Own {
    /// Name of the norm on what heads read.
    pub(super) norm: &'static str,
    pub(super) eps: f64,
    /// Name of the output projection.
    pub(super) output: &'static str,
    pub(super) strength_factor: f64,
    /// Whether the norm is rounded after its weight.
    pub(super) is_rounded_last: bool,
}

/// Which layers attend: `layer_types`, or else `otherwise`.
pub(super) fn attends(
    config: &Config<'_>,
    n_layers: usize,
    otherwise: impl FnOnce() -> Result<Vec<bool>, ConfigError>,
) -> Result<Vec<bool>, ConfigError> {
    let known = [("full_attention", true), ("linear_attention", false)];
    let said = kinds::of_layers(config, "layer_types", n_layers, &known, "full_attention, linear_attention")?;
    said.map_or_else(otherwise, Ok)
}

/// Refuses another nonlinearity behind the filter than the kernels have.
pub(super) fn only_silu(config: &Config<'_>, shape: &Shape) -> Result<(), ConfigError> {
    if shape.activation == Activation::Silu {
        return Ok(());
    }
    Err(ConfigError::Unsupported {
        key: config.name("hidden_act"),
        value: config.text("hidden_act")?.unwrap_or_default().to_owned(),
        supported: "silu, which is also what follows the filter of a gated delta net",
    })
}

/// Puts Qwen's gate on what heads weighed: its rows and those of the queries take turns, a head at a time.
pub(super) fn gate_attention(shape: &Shape, i: usize, attn: &mut AttentionSpec) {
    let both = LinearSpec::new(
        &shape.name(i, "self_attn.q_proj"),
        2 * shape.n_heads * shape.d_head,
        shape.d_model,
        shape.qkv_bias,
    );
    let part = |slot: usize| both.part(&Cut::Heads { groups: shape.n_heads, slots: 2, take: slot..slot + 1 });
    (attn.q, attn.gate) = (part(0), Some(AttentionGate::sigmoid(part(1))));
    let norm = |part: &str| (shape.norm)(&shape.name(i, part), shape.d_head, shape.eps);
    attn.qk_norm =
        Some(QkNorm { q: norm("self_attn.q_norm"), k: norm("self_attn.k_norm"), scope: QkScope::Head });
}
