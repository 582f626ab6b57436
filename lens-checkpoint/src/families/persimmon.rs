//! Persimmon.

use std::sync::Arc;

use super::{
    Family, TensorNames,
    parts::{Ends, Sizes, decoder},
    shape::{Epsilon, written_by},
};
use crate::{
    config::{Config, ConfigError, RopeQuery},
    spec::{Activation, DecoderSpec, LayerSpec, LinearSpec, MlpSpec, NormSpec, Position, QkNorm, QkScope},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["persimmon"],
    models: "Persimmon 8B",
    particulars: "heads interleaved; layer norms on query and key heads; half of each head rotates; a squared ReLU; biases everywhere",
    resolve,
};

fn resolve(config: &Config<'_>, names: &TensorNames, family: &str) -> Result<DecoderSpec, ConfigError> {
    let sizes = Sizes::read(config, Epsilon::Key("layer_norm_eps", 1e-5))?;
    config.pass_over_number("num_key_value_heads", sizes.n_heads as f64);
    let prefix = names.prefix(&["model.", ""], "embed_tokens.weight");
    // The class had a base of its own until version 5.
    let theta = if written_by(config)? < 5 { 25_000.0 } else { 1e4 };
    let rope = Arc::new(config.rope(&RopeQuery::new(sizes.d_head, theta).partial(0.5))?);
    let activation = config.activation("hidden_act", Activation::ReluSquared)?;
    let head_norms = config.flag("qk_layernorm")?.unwrap_or(true);
    let (d, d_mlp) = (sizes.d_model, config.required_size("intermediate_size")?);
    let layers = (0..sizes.n_layers)
        .map(|i| {
            let at = |part: &str| format!("{prefix}layers.{i}.{part}");
            let qkv = LinearSpec::new(&at("self_attn.query_key_value"), 3 * d, d, true);
            let [q, k, v] = sizes.interleaved(&qkv, sizes.n_heads);
            let mut attn = sizes.attention([q, k, v, LinearSpec::new(&at("self_attn.dense"), d, d, true)]);
            attn.position = Position::Rotary(Arc::clone(&rope));
            let norm = |part: &str| {
                NormSpec::layer(&at(&format!("self_attn.{part}")), sizes.d_head, sizes.eps, true)
            };
            attn.qk_norm = head_norms.then(|| QkNorm {
                q: norm("q_layernorm"),
                k: norm("k_layernorm"),
                scope: QkScope::Head,
            });
            let mlp = MlpSpec::plain(
                activation,
                LinearSpec::new(&at("mlp.dense_h_to_4h"), d_mlp, d, true),
                LinearSpec::new(&at("mlp.dense_4h_to_h"), d, d_mlp, true),
            );
            let mlp_norm = sizes.norm(&at("post_attention_layernorm"));
            LayerSpec::pre_norm(sizes.norm(&at("input_layernorm")), attn, mlp_norm, mlp)
        })
        .collect();
    let ends = Ends {
        embed: format!("{prefix}embed_tokens.weight"),
        norm: format!("{prefix}final_layernorm"),
        unembed: &["lm_head.weight"],
        tied_by_default: false,
        context: config.size("max_position_embeddings")?,
    };
    decoder(config, names, family, &sizes, &ends, layers)
}
