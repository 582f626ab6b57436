//! The first GPT.

use super::{
    Family, TensorNames,
    parts::{EPSILON, Ends, Sizes, decoder},
};
use crate::{
    config::{Config, ConfigError},
    spec::{Activation, DecoderSpec, LayerSpec, LinearSpec, MlpSpec, Wiring},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["openai-gpt"],
    models: "GPT 1",
    particulars: "GPT-2's attention and MLP; norms after the sums and no final one; tied",
    resolve,
};

fn resolve(config: &Config<'_>, names: &TensorNames, family: &str) -> Result<DecoderSpec, ConfigError> {
    let sizes = Sizes::read(config, EPSILON)?;
    let prefix = names.prefix(&["transformer.", ""], "tokens_embed.weight");
    // Of this family's own words "gelu" means the tanh approximation.
    let activation = match config.activation("afn", Activation::GeluTanh)? {
        Activation::Gelu => Activation::GeluTanh,
        other => other,
    };
    let d = sizes.d_model;
    let layers = (0..sizes.n_layers)
        .map(|i| {
            let at = |part: &str| format!("{prefix}h.{i}.{part}");
            let [q, k, v] =
                sizes.blocks(&LinearSpec::transposed(&at("attn.c_attn"), 3 * d, d), sizes.n_heads);
            let attn = sizes.attention([q, k, v, LinearSpec::transposed(&at("attn.c_proj"), d, d)]);
            let (attn_norm, mlp_norm) = (sizes.norm(&at("ln_1")), sizes.norm(&at("ln_2")));
            let mlp = MlpSpec::plain(
                activation,
                LinearSpec::transposed(&at("mlp.c_fc"), 4 * d, d),
                LinearSpec::transposed(&at("mlp.c_proj"), d, 4 * d),
            );
            let mut layer = LayerSpec::pre_norm(attn_norm.clone(), attn, mlp_norm.clone(), mlp);
            layer.attn_norm = None;
            layer.wiring = Wiring::PostNorm { attn_norm, mlp_norm };
            layer
        })
        .collect();
    let n_positions = config.size_of(&["n_positions", "max_position_embeddings"])?;
    let ends = Ends {
        embed: format!("{prefix}tokens_embed.weight"),
        norm: String::new(),
        unembed: &["lm_head.weight"],
        tied_by_default: true,
        context: Some(n_positions),
    };
    let mut spec = decoder(config, names, family, &sizes, &ends, layers)?;
    spec.readout.norm = None;
    spec.embed.positions = Some(sizes.learned(format!("{prefix}positions_embed.weight"), n_positions));
    Ok(spec)
}
