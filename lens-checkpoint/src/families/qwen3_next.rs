//! Qwen3-Next and Qwen 3.5: gated delta nets, and gated attention in some layers.

use super::{
    Family, TensorNames,
    delta::{Maps, Own, Sizes, attends, gate_attention, only_silu},
    routed::{EXPERTS, Stored, counts},
    shape::{Defaults, Rotation, Shape},
};
use crate::{
    config::{Config, ConfigError},
    spec::{
        Cut, DecoderSpec, ExpertsSpec, GatedDeltaSpec, Ignored, LinearSpec, MlpSpec, NormSpec, RoutingSpec,
        Scores, SharedExpert,
    },
};

pub(super) const QWEN3_5: Family = Family {
    model_types: &["qwen3_5_text"],
    models: "Qwen 3.5, dense",
    particulars: "gated delta nets in three layers of four; gated attention on a quarter of each head's dimensions; norms with 1 + w",
    resolve: |config, names, family| {
        let model = Hybrid::read(config, names, family, None)?;
        model.decoder(config, names, Sizes::separate)
    },
};

pub(super) const QWEN3_NEXT: Family = Family {
    model_types: &["qwen3_next"],
    models: "Qwen3-Next-80B-A3B",
    particulars: "Qwen 3.5's mixers, with what goes into a gated delta net in two matrices; experts beside a gated shared one",
    resolve: |config, names, family| {
        let model = Hybrid::read(config, names, family, None)?;
        let mut spec = model.decoder(config, names, Sizes::interleaved)?;
        let dense = config.numbers("mlp_only_layers")?.unwrap_or_default();
        let step = config.size_or("decoder_sparse_step", 1)?;
        let is_sparse = |i: usize| !dense.contains(&(i as f64)) && (i + 1).is_multiple_of(step);
        let renormalise = config.flag("norm_topk_prob")?.unwrap_or_else(|| !config.has("norm_topk_prob"));
        if config.count("num_experts")? == Some(0) || !(0..model.shape.n_layers).any(is_sparse) {
            config.pass_over(EXPERT_KEYS);
            return Ok(spec);
        }
        model.put_experts(config, names, &mut spec, is_sparse, renormalise)?;
        Ok(spec)
    },
};

pub(super) const QWEN3_5_MOE: Family = Family {
    model_types: &["qwen3_5_moe_text"],
    models: "Qwen 3.5 with experts",
    particulars: "Qwen 3.5 with experts in every layer, beside a gated shared one",
    resolve: |config, names, family| {
        // No MLP is dense.
        config.pass_over(&["intermediate_size"]);
        let model = Hybrid::read(config, names, family, Some("moe_intermediate_size"))?;
        let mut spec = model.decoder(config, names, Sizes::separate)?;
        model.put_experts(config, names, &mut spec, |_| true, true)?;
        Ok(spec)
    },
};

/// How the names of tensors begin that predict further tokens.
const FURTHER: &str = "mtp.";

/// What the config says of experts.
const EXPERT_KEYS: &[&str] = &[
    "num_experts",
    "num_experts_per_tok",
    "moe_intermediate_size",
    "shared_expert_intermediate_size",
    "norm_topk_prob",
];

/// A decoder of gated delta nets and gated attention.
struct Hybrid {
    shape: Shape,
    sizes: Sizes,
    attends: Vec<bool>,
}

impl Hybrid {
    /// `mlp_key` names the width of the MLP, where it is not `intermediate_size`.
    fn read(
        config: &Config<'_>,
        names: &TensorNames,
        family: &str,
        mlp_key: Option<&'static str>,
    ) -> Result<Self, ConfigError> {
        let defaults = Defaults {
            n_heads: Some(16),
            n_kv_heads: Some(if family == "qwen3_5_text" { 4 } else { 2 }),
            d_head: Some(256),
            rotation: Rotation::EvenShare(0.25),
            mlp_key,
            ..Defaults::default()
        };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        shape.norm = |name, d, eps| NormSpec::rms(name, d, eps).around_one();
        shape.mlp_bias = false;
        only_silu(config, &shape)?;
        let n_layers = shape.n_layers;
        let every = config.size_or("full_attention_interval", 4)?;
        let attends =
            attends(config, n_layers, || Ok((1..=n_layers).map(|i| i.is_multiple_of(every)).collect()))?;
        pass_over_words(config);
        Ok(Self { sizes: Sizes::QWEN.read(config)?, shape, attends })
    }

    /// The decoder, with dense MLPs; `maps` are those into a gated delta net.
    fn decoder(
        &self,
        config: &Config<'_>,
        names: &TensorNames,
        maps: fn(&Sizes, &str, usize) -> Maps,
    ) -> Result<DecoderSpec, ConfigError> {
        let mut spec = self.shape.decoder(config, names)?;
        for (i, attn) in spec.attentions_mut() {
            gate_attention(&self.shape, i, attn);
        }
        for (i, layer) in spec.layers.iter_mut().enumerate().filter(|(i, _)| !self.attends[*i]) {
            layer.mixer = self.delta(i, maps).into();
        }
        let after = names.iter().filter(|name| name.starts_with(FURTHER)).count();
        if after > 0 {
            config.remark(&format!(
                "{after} tensors ({FURTHER}*) predict further tokens in one pass and are no part of the decoder: they \
                 are left out, as transformers does"
            ));
        }
        spec.ignored = Ignored { prefixes: &[FURTHER], ..spec.ignored };
        Ok(spec)
    }

    /// Puts experts into the layers that are sparse: chosen by a softmax over all, beside one that a sigmoid gates.
    fn put_experts(
        &self,
        config: &Config<'_>,
        names: &TensorNames,
        spec: &mut DecoderSpec,
        is_sparse: impl Fn(usize) -> bool,
        renormalise: bool,
    ) -> Result<(), ConfigError> {
        let shape = &self.shape;
        let (n, per_token) = counts(config, shape.n_layers, EXPERTS)?;
        let d_mlp = config.required_size("moe_intermediate_size")?;
        let d_shared = config.required_size("shared_expert_intermediate_size")?;
        for (i, layer) in spec.layers.iter_mut().enumerate().filter(|(i, _)| is_sparse(*i)) {
            let block = shape.name(i, "mlp");
            let linear =
                |part: &str, rows| LinearSpec::new(&format!("{block}.{part}"), rows, shape.d_model, false);
            let routing = RoutingSpec::new(linear("gate", n), per_token, Scores::Softmax);
            layer.mlp = MlpSpec::Experts(Box::new(ExpertsSpec {
                routing: if renormalise { routing.renormalised(0.0) } else { routing },
                experts: Stored::new(shape, &block, n, d_mlp).experts(names),
                latent: None,
                shared: Some(SharedExpert {
                    mlp: shape.gated(&format!("{block}.shared_expert"), d_shared).into(),
                    gate: Some(linear("shared_expert_gate", 1)),
                }),
            }));
        }
        Ok(())
    }

    fn delta(&self, i: usize, maps: fn(&Sizes, &str, usize) -> Maps) -> GatedDeltaSpec {
        let prefix = self.shape.name(i, "linear_attn");
        let own = Own {
            norm: "norm",
            eps: self.shape.eps,
            output: "out_proj",
            strength_factor: 1.0,
            is_rounded_last: false,
        };
        let maps = maps(&self.sizes, &prefix, self.shape.d_model);
        self.sizes.spec(&prefix, self.shape.d_model, maps, own)
    }
}

impl Sizes {
    /// Qwen3-Next's maps: two matrices, in which a head of keys has its query, its key, and the values and gates that it
    /// serves beside each other.
    fn interleaved(&self, prefix: &str, d_model: usize) -> Maps {
        let linear =
            |part: &str, d_out: usize| LinearSpec::new(&format!("{prefix}.{part}"), d_out, d_model, false);
        let (groups, shared) = (self.n_key_heads, self.n_heads / self.n_key_heads);
        let (key, values) = (self.d_key, shared * self.d_value);
        let all = linear("in_proj_qkvz", groups * (2 * key + 2 * values));
        // Slots are as wide as fits into both.
        let slot = greatest_common_divisor(key, values);
        let (key, values) = (key / slot, values / slot);
        let part = |start: usize, n: usize| {
            all.part(&Cut::Heads { groups, slots: 2 * (key + values), take: start..start + n })
        };
        let both = linear("in_proj_ba", 2 * self.n_heads);
        let of_both = |slot: usize| both.part(&Cut::Heads { groups, slots: 2, take: slot..slot + 1 });
        Maps {
            qkv: [part(0, key), part(key, key), part(2 * key, values)],
            gate: part(2 * key + values, values),
            strength: of_both(0),
            decay: of_both(1),
        }
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// Words of the published files for what these families always do.
fn pass_over_words(config: &Config<'_>) {
    if config.keys().get("attn_output_gate").is_none_or(|gate| gate.as_bool() == Some(true)) {
        config.pass_over(&["attn_output_gate"]);
    }
    config.pass_over_texts("mamba_ssm_dtype", &["float32"]);
    config.pass_over(&["mtp_num_hidden_layers", "mtp_use_dedicated_embeddings"]);
}
