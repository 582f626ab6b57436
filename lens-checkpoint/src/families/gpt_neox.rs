//! GPT-NeoX: Pythia, GPT-NeoX-20B.

use std::sync::Arc;

use super::{
    Family, TensorNames,
    parts::{Ends, Sizes, decoder},
    shape::Epsilon,
};
use crate::{
    config::{Config, ConfigError, RopeQuery},
    spec::{Activation, DecoderSpec, LayerSpec, LinearSpec, MlpSpec, Position, Wiring},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["gpt_neox"],
    models: "Pythia, GPT-NeoX-20B, RedPajama-INCITE, Dolly 2",
    particulars: "parallel with a norm for each branch (or sequential); heads interleaved; part of each head rotates",
    resolve,
};

fn resolve(config: &Config<'_>, names: &TensorNames, family: &str) -> Result<DecoderSpec, ConfigError> {
    let sizes = Sizes::read(config, Epsilon::Key("layer_norm_eps", 1e-5))?;
    let prefix = names.prefix(&["gpt_neox.", ""], "embed_in.weight");
    let query = RopeQuery {
        names: ["rotary_emb_base", "rotary_pct"],
        rounds_up: true,
        ..RopeQuery::new(sizes.d_head, 1e4).partial(0.25)
    };
    let rope = Arc::new(config.rope(&query)?);
    let activation = config.activation("hidden_act", Activation::Gelu)?;
    let parallel = config.flag("use_parallel_residual")?.unwrap_or(true);
    let bias = config.flag("attention_bias")?.unwrap_or(true);
    let d_mlp = config.required_size("intermediate_size")?;
    let d = sizes.d_model;
    let layers = (0..sizes.n_layers)
        .map(|i| {
            let at = |part: &str| format!("{prefix}layers.{i}.{part}");
            let qkv = LinearSpec::new(&at("attention.query_key_value"), 3 * d, d, bias);
            let [q, k, v] = sizes.interleaved(&qkv, sizes.n_heads);
            let mut attn = sizes.attention([q, k, v, LinearSpec::new(&at("attention.dense"), d, d, bias)]);
            attn.position = Position::Rotary(Arc::clone(&rope));
            let mlp = MlpSpec::plain(
                activation,
                LinearSpec::new(&at("mlp.dense_h_to_4h"), d_mlp, d, true),
                LinearSpec::new(&at("mlp.dense_4h_to_h"), d, d_mlp, true),
            );
            let mlp_norm = sizes.norm(&at("post_attention_layernorm"));
            let mut layer =
                LayerSpec::pre_norm(sizes.norm(&at("input_layernorm")), attn, mlp_norm.clone(), mlp);
            if parallel {
                layer.wiring = Wiring::Parallel { mlp_norm: Some(mlp_norm) };
            }
            layer
        })
        .collect();
    let ends = Ends {
        embed: format!("{prefix}embed_in.weight"),
        norm: format!("{prefix}final_layer_norm"),
        unembed: &["embed_out.weight", "lm_head.weight"],
        tied_by_default: false,
        context: config.size("max_position_embeddings")?,
    };
    decoder(config, names, family, &sizes, &ends, layers)
}
