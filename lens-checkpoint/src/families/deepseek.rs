//! DeepSeek-V2, DeepSeek-V3 and the models that are built like them: latent attention and experts.

use super::{
    Family, TensorNames,
    latent::{Latent, Widths, pairing},
    routed::{DeepSeek, Silence, after_dense, by_kind, without_further_predictions},
    shape::{Defaults, Epsilon, Rotation, Shape},
};
use crate::{
    config::{Config, ConfigError},
    spec::{DecoderSpec, Ignored, MixerSpec, MlpSpec, Pairing, QueryGrowth, Scores},
};

pub(super) const V2: Family = Family {
    model_types: &["deepseek_v2"],
    models: "DeepSeek-V2, V2-Lite, V2.5, Coder-V2",
    particulars: "latent attention; experts after dense layers, chosen by a softmax, out of the best groups if so asked",
    resolve: |config, names, family| {
        let base = Base::read(config, names, family, Widths::DEEPSEEK, Epsilon::rms(1e-6))?;
        let silence = Silence { groups: None, renormalise: false, factor: 1.0, shared: Some(2) };
        let sparse = after_dense(config, base.shape.n_layers, 0)?;
        pass_over_words(config, "softmax", &[]);
        base.decoder(config, names, Pairing::Interleaved, &sparse, || {
            DeepSeek::v2(config, &base.shape, &silence)
        })
    },
};

pub(super) const V3: Family = Family {
    model_types: &["deepseek_v3", "kimi_k2"],
    models: "DeepSeek-V3, R1, V3.1, Kimi-K2, Moonlight",
    particulars: "latent attention; experts after dense layers, chosen by corrected sigmoids out of the best groups; \
                  blocks that predict further tokens are left out",
    resolve: |config, names, family| {
        let base = Base::read(config, names, family, Widths::DEEPSEEK, Epsilon::rms(1e-6))?.like_v3(config);
        let silence = Silence { groups: Some([8, 4]), renormalise: true, factor: 2.5, shared: Some(1) };
        let sparse = after_dense(config, base.shape.n_layers, 3)?;
        base.decoder(config, names, pairing(config)?, &sparse, || DeepSeek::v3(config, &base.shape, &silence))
    },
};

pub(super) const GLM4_LITE: Family = Family {
    model_types: &["glm4_moe_lite"],
    models: "GLM-4.7-Flash",
    particulars: "DeepSeek-V3's latent attention and experts; which layers are dense is a list",
    resolve: |config, names, family| {
        let widths = Widths { q_rank: Some(768), content: 192, value: 256, ..Widths::DEEPSEEK };
        let base = Base::read(config, names, family, widths, Epsilon::rms(1e-5))?.like_v3(config);
        if let Some(width) = config.size("head_dim")?.filter(|width| *width != base.widths.rotary) {
            let what = format!(
                "head_dim and qk_rope_head_dim are two names of one width, but they are {width} and {}",
                base.widths.rotary
            );
            return Err(ConfigError::Inconsistent { what });
        }
        let silence = Silence { groups: Some([1, 1]), renormalise: true, factor: 1.8, shared: Some(1) };
        let n_layers = base.shape.n_layers;
        let sparse = if config.has("mlp_layer_types") {
            by_kind(config, n_layers, 1)?
        } else {
            // Another number of dense layers is left unread: the class would not read it either.
            config.pass_over_number("first_k_dense_replace", 1.0);
            (0..n_layers).map(|i| i > 0).collect()
        };
        base.decoder(config, names, pairing(config)?, &sparse, || DeepSeek::v3(config, &base.shape, &silence))
    },
};

pub(super) const SARVAM: Family = Family {
    model_types: &["sarvam_mla"],
    models: "Sarvam 105B",
    particulars: "DeepSeek-V3's latent attention and experts, with queries from one map",
    resolve: |config, names, family| {
        let widths = Widths { q_rank: None, ..Widths::DEEPSEEK };
        let base = Base::read(config, names, family, widths, Epsilon::rms(1e-6))?.like_v3(config);
        let silence = Silence { groups: Some([1, 1]), renormalise: true, factor: 2.5, shared: Some(1) };
        let sparse = after_dense(config, base.shape.n_layers, 1)?;
        base.decoder(config, names, pairing(config)?, &sparse, || DeepSeek::v3(config, &base.shape, &silence))
    },
};

pub(super) const AXK1: Family = Family {
    model_types: &["axk1"],
    models: "A.X K1",
    particulars: "DeepSeek-V3's latent attention and experts, with a norm on what the experts add",
    resolve: |config, names, family| {
        let widths = Widths { q_rank: Some(config.size_or("q_lora_rank", 1536)?), ..Widths::DEEPSEEK };
        let base = Base::read(config, names, family, widths, Epsilon::rms(1e-6))?.like_v3(config);
        let silence = Silence { groups: Some([8, 4]), renormalise: true, factor: 2.5, shared: Some(1) };
        let sparse = sparse_every(config, base.shape.n_layers)?;
        let mut spec = base.decoder(config, names, pairing(config)?, &sparse, || {
            DeepSeek::v3(config, &base.shape, &silence)
        })?;
        for (i, layer) in spec.layers.iter_mut().enumerate().filter(|(i, _)| sparse[*i]) {
            let parts = ["post_mlp_layernorm", "mlp.post_mlp_layernorm"];
            let stored = |part: &&str| names.has(&format!("{}.weight", base.shape.name(i, part)));
            let part = parts.into_iter().find(stored).unwrap_or(parts[0]);
            layer.mlp_post_norm = Some(base.shape.layer_norm(i, part));
            if let MlpSpec::Experts(experts) = &mut layer.mlp {
                // The published files have no correction, which is one of zero.
                let is_there = |name: &str| names.has(name);
                experts.routing.correction =
                    experts.routing.correction.take().filter(|param| is_there(&param.tensors[0].name));
            }
        }
        // The published files hold it for dense layers as well, where nobody reads it.
        spec.ignored =
            Ignored { suffixes: &["rotary_emb.inv_freq", "post_mlp_layernorm.weight"], ..spec.ignored };
        Ok(spec)
    },
};

pub(super) const MISTRAL4: Family = Family {
    model_types: &["mistral4"],
    models: "Mistral Small 4",
    particulars: "latent attention whose queries grow with their positions; experts in every layer, chosen by a softmax",
    resolve: |config, names, family| {
        let widths = Widths { q_rank: Some(1024), rank: 256, content: 64, ..Widths::DEEPSEEK };
        let mut base = Base::read(config, names, family, widths, Epsilon::rms(1e-6))?;
        base.shape.mlp_bias = false;
        let rope = config.object("rope_parameters")?;
        let rope = rope.ok_or_else(|| ConfigError::Missing { key: config.name("rope_parameters") })?;
        let Widths { content, rotary, .. } = base.widths;
        rope.pass_over_number("partial_rotary_factor", rotary as f64 / (content + rotary) as f64);
        let growth = growth(&rope)?;
        let silence = Silence { groups: Some([1, 1]), renormalise: true, factor: 1.0, shared: Some(1) };
        let sparse = after_dense(config, base.shape.n_layers, 0)?;
        let mut spec = base.decoder(config, names, pairing(config)?, &sparse, || {
            DeepSeek::v3(config, &base.shape, &silence)
        })?;
        for layer in &mut spec.layers {
            if let MixerSpec::LatentAttention(attention) = &mut layer.mixer {
                attention.growth = growth;
            }
            if let MlpSpec::Experts(experts) = &mut layer.mlp {
                let routing = &mut experts.routing;
                (routing.scores, routing.correction) = (Scores::Softmax, None);
                (routing.wide_logits, routing.wide_weights) = (false, false);
            }
        }
        Ok(spec)
    },
};

/// How queries grow with their positions, past the context before stretching.
fn growth(rope: &Config<'_>) -> Result<Option<QueryGrowth>, ConfigError> {
    let Some(slope) = rope.number("llama_4_scaling_beta")? else { return Ok(None) };
    let every = rope.required_size("original_max_position_embeddings")?;
    Ok(Some(QueryGrowth { slope, every, shift: 0 }))
}

/// What these families have in common before their experts.
struct Base {
    shape: Shape,
    widths: Widths,
}

impl Base {
    fn read(
        config: &Config<'_>,
        names: &TensorNames,
        family: &str,
        silent: Widths,
        eps: Epsilon,
    ) -> Result<Self, ConfigError> {
        let widths = silent.read(config)?;
        let defaults =
            Defaults { d_head: Some(widths.rotary), eps, rotation: Rotation::Own, ..Defaults::default() };
        Ok(Self { shape: Shape::read_with(config, names, family, &defaults)?, widths })
    }

    /// The same as in DeepSeek-V3: without biases in the MLPs, whatever the config says.
    fn like_v3(mut self, config: &Config<'_>) -> Self {
        self.shape.mlp_bias = false;
        pass_over_words(config, "sigmoid", &["noaux_tc"]);
        self
    }

    /// The decoder, with experts in the layers that are `sparse`.
    fn decoder(
        &self,
        config: &Config<'_>,
        names: &TensorNames,
        pairing: Pairing,
        sparse: &[bool],
        experts: impl FnOnce() -> Result<DeepSeek, ConfigError>,
    ) -> Result<DecoderSpec, ConfigError> {
        let mut spec = self.shape.decoder(config, names)?;
        Latent::read(config, &self.shape, self.widths, pairing)?.put(&self.shape, &mut spec);
        if sparse.contains(&true) {
            experts()?.put_into(names, &self.shape, sparse, &mut spec);
        } else {
            pass_over_experts(config);
        }
        without_further_predictions(config, names, &self.shape, &mut spec);
        Ok(spec)
    }
}

/// Which layers have experts: those that `mlp_layer_types` calls sparse, or else every `moe_layer_freq`-th after the
/// dense ones.
fn sparse_every(config: &Config<'_>, n_layers: usize) -> Result<Vec<bool>, ConfigError> {
    if config.has("mlp_layer_types") {
        return by_kind(config, n_layers, 1);
    }
    let every = config.size_or("moe_layer_freq", 1)?;
    let after = after_dense(config, n_layers, 1)?;
    Ok(after.into_iter().enumerate().map(|(i, after)| after && i.is_multiple_of(every)).collect())
}

/// Where no layer has experts, what the config says of them means nothing.
fn pass_over_experts(config: &Config<'_>) {
    config.pass_over(&[
        "n_routed_experts",
        "num_local_experts",
        "num_experts",
        "num_experts_per_tok",
        "n_shared_experts",
        "num_shared_experts",
        "moe_intermediate_size",
        "norm_topk_prob",
        "routed_scaling_factor",
        "n_group",
        "topk_group",
        "topk_method",
    ]);
}

/// Words of the published files for what a family always does, and how it was trained and is run elsewhere.
fn pass_over_words(config: &Config<'_>, scores: &'static str, methods: &[&str]) {
    config.pass_over_texts("scoring_func", &[scores]);
    config.pass_over_texts("topk_method", methods);
    config.pass_over_number("moe_layer_freq", 1.0);
    config.pass_over(&["seq_aux", "ep_size"]);
}
