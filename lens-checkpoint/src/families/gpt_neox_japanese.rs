//! GPT-NeoX Japanese.

use std::sync::Arc;

use super::{
    Family, TensorNames,
    parts::{Ends, Sizes, decoder},
    shape::Epsilon,
};
use crate::{
    config::{Config, ConfigError, RopeQuery},
    spec::{Activation, DecoderSpec, LayerSpec, LinearSpec, MlpSpec, Param, Position},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["gpt_neox_japanese"],
    models: "GPT-NeoX Japanese 2.7B",
    particulars: "sequential; heads interleaved; no biases but one, on the last layer's attention; tied",
    resolve,
};

fn resolve(config: &Config<'_>, names: &TensorNames, family: &str) -> Result<DecoderSpec, ConfigError> {
    let sizes = Sizes::read(config, Epsilon::Key("layer_norm_eps", 1e-5))?;
    let prefix = names.prefix(&["gpt_neox_japanese.", ""], "embed_in.weight");
    let query = RopeQuery {
        names: ["rotary_emb_base", "rotary_pct"],
        ..RopeQuery::new(sizes.d_head, 1e4).partial(1.0)
    };
    let rope = Arc::new(config.rope(&query)?);
    let activation = config.activation("hidden_act", Activation::Gelu)?;
    let d = sizes.d_model;
    // The class has a multiple in its place, and does not look at it.
    config.pass_over(&["intermediate_size"]);
    let multiple = config.positive_or("intermediate_multiple_size", 4.0)?;
    let d_mlp = config.made_size(d as f64 * multiple, "hidden_size times intermediate_multiple_size")?;
    let layers = (0..sizes.n_layers)
        .map(|i| {
            let at = |part: &str| format!("{prefix}layers.{i}.{part}");
            let qkv = LinearSpec::new(&at("attention.query_key_value"), 3 * d, d, false);
            let [q, k, v] = sizes.interleaved(&qkv, sizes.n_heads);
            let mut o = LinearSpec::new(&at("attention.dense"), d, d, false);
            if i + 1 == sizes.n_layers {
                o.bias = Some(Param::whole(at("attention.dense_bias"), [d]));
            }
            let mut attn = sizes.attention([q, k, v, o]);
            attn.position = Position::Rotary(Arc::clone(&rope));
            let mlp = MlpSpec::plain(
                activation,
                LinearSpec::new(&at("mlp.dense_h_to_4h"), d_mlp, d, false),
                LinearSpec::new(&at("mlp.dense_4h_to_h"), d, d_mlp, false),
            );
            let mlp_norm = sizes.norm(&at("post_attention_layernorm"));
            LayerSpec::pre_norm(sizes.norm(&at("input_layernorm")), attn, mlp_norm, mlp)
        })
        .collect();
    let ends = Ends {
        embed: format!("{prefix}embed_in.weight"),
        norm: format!("{prefix}final_layer_norm"),
        unembed: &["embed_out.weight"],
        tied_by_default: true,
        context: config.size("max_position_embeddings")?,
    };
    decoder(config, names, family, &sizes, &ends, layers)
}
