//! BLOOM.

use super::{
    Family, TensorNames,
    alibi::slopes,
    parts::{EPSILON, Ends, Sizes, decoder},
};
use crate::{
    config::{Config, ConfigError},
    spec::{
        Activation, Alibi, AlibiPrecision, DecoderSpec, LayerSpec, LinearSpec, MlpSpec, Position, Wiring,
    },
};

pub(super) const FAMILY: Family = Family {
    model_types: &["bloom"],
    models: "BLOOM, BLOOMZ",
    particulars: "ALiBi, heads interleaved, a norm after the embedding; tied",
    resolve,
};

fn resolve(config: &Config<'_>, names: &TensorNames, family: &str) -> Result<DecoderSpec, ConfigError> {
    let sizes = Sizes::read(config, EPSILON)?;
    let prefix = names.prefix(&["transformer.", ""], "word_embeddings.weight");
    let normed_residual = config.flag("apply_residual_connection_post_layernorm")?.unwrap_or(false);
    let d = sizes.d_model;
    let layers = (0..sizes.n_layers)
        .map(|i| {
            let at = |part: &str| format!("{prefix}h.{i}.{part}");
            let qkv = LinearSpec::new(&at("self_attention.query_key_value"), 3 * d, d, true);
            let [q, k, v] = sizes.interleaved(&qkv, sizes.n_heads);
            let mut attn =
                sizes.attention([q, k, v, LinearSpec::new(&at("self_attention.dense"), d, d, true)]);
            attn.position =
                Position::Alibi(Alibi { slopes: slopes(sizes.n_heads), precision: AlibiPrecision::Single });
            let mlp = MlpSpec::plain(
                Activation::GeluTanh,
                LinearSpec::new(&at("mlp.dense_h_to_4h"), 4 * d, d, true),
                LinearSpec::new(&at("mlp.dense_4h_to_h"), d, 4 * d, true),
            );
            let mlp_norm = sizes.norm(&at("post_attention_layernorm"));
            let mut layer =
                LayerSpec::pre_norm(sizes.norm(&at("input_layernorm")), attn, mlp_norm.clone(), mlp);
            if normed_residual {
                layer.wiring = Wiring::NormedResidual { mlp_norm, stream: [1.0; 2] };
            }
            layer
        })
        .collect();
    let ends = Ends {
        embed: format!("{prefix}word_embeddings.weight"),
        norm: format!("{prefix}ln_f"),
        unembed: &["lm_head.weight"],
        tied_by_default: true,
        context: config.size("seq_length")?,
    };
    let mut spec = decoder(config, names, family, &sizes, &ends, layers)?;
    spec.embed.norm = Some(sizes.norm(&format!("{prefix}word_embeddings_layernorm")));
    Ok(spec)
}
