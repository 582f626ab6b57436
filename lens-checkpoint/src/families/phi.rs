//! Phi 1, 1.5 and 2.

use std::sync::Arc;

use super::{
    Family, TensorNames,
    parts::{Ends, Sizes, decoder},
    shape::Epsilon,
};
use crate::{
    config::{Config, ConfigError, RopeQuery},
    spec::{
        Activation, DecoderSpec, LayerSpec, LinearSpec, MlpSpec, NormSpec, Param, Position, QkNorm, QkScope,
        Wiring,
    },
};

pub(super) const FAMILY: Family = Family {
    model_types: &["phi"],
    models: "Phi 1, 1.5, 2",
    particulars: "parallel under one norm, biases everywhere, half of each head rotates, an unembedding bias",
    resolve,
};

fn resolve(config: &Config<'_>, names: &TensorNames, family: &str) -> Result<DecoderSpec, ConfigError> {
    let sizes = Sizes::read(config, Epsilon::Key("layer_norm_eps", 1e-5))?;
    let prefix = names.prefix(&["model.", ""], "embed_tokens.weight");
    let n_kv_heads = config.size("num_key_value_heads")?.unwrap_or(sizes.n_heads);
    if !sizes.n_heads.is_multiple_of(n_kv_heads) {
        let what = format!("{} attention heads cannot share {n_kv_heads} key-value heads", sizes.n_heads);
        return Err(ConfigError::Inconsistent { what });
    }
    let query = RopeQuery::new(sizes.d_head, 1e4).partial(0.5);
    let rope = Arc::new(config.rope(&query)?);
    let activation = config.activation("hidden_act", Activation::GeluTanh)?;
    let head_norms = config.flag("qk_layernorm")?.unwrap_or(false);
    let (d, d_mlp) = (sizes.d_model, config.required_size("intermediate_size")?);
    let layers = (0..sizes.n_layers)
        .map(|i| {
            let at = |part: &str| format!("{prefix}layers.{i}.{part}");
            let linear = |part: &str, rows| LinearSpec::new(&at(&format!("self_attn.{part}")), rows, d, true);
            let kv = n_kv_heads * sizes.d_head;
            let qkvo = [linear("q_proj", d), linear("k_proj", kv), linear("v_proj", kv), linear("dense", d)];
            let mut attn = sizes.attention(qkvo);
            attn.n_kv_heads = n_kv_heads;
            attn.position = Position::Rotary(Arc::clone(&rope));
            let norm = |part: &str| {
                NormSpec::layer(&at(&format!("self_attn.{part}")), sizes.d_head, sizes.eps, true)
            };
            attn.qk_norm = head_norms.then(|| QkNorm {
                q: norm("q_layernorm"),
                k: norm("k_layernorm"),
                scope: QkScope::Head,
            });
            LayerSpec {
                attn_norm: Some(sizes.norm(&at("input_layernorm"))),
                mixer: attn.into(),
                attn_post_norm: None,
                wiring: Wiring::Parallel { mlp_norm: None },
                mlp: MlpSpec::plain(
                    activation,
                    LinearSpec::new(&at("mlp.fc1"), d_mlp, d, true),
                    LinearSpec::new(&at("mlp.fc2"), d, d_mlp, true),
                ),
                mlp_post_norm: None,
                multiplier: None,
                mlp_multiplier: None,
                end: None,
            }
        })
        .collect();
    let ends = Ends {
        embed: format!("{prefix}embed_tokens.weight"),
        norm: format!("{prefix}final_layernorm"),
        unembed: &["lm_head.weight"],
        tied_by_default: false,
        context: config.size("max_position_embeddings")?,
    };
    let mut spec = decoder(config, names, family, &sizes, &ends, layers)?;
    spec.readout.bias = Some(Param::whole("lm_head.bias", [sizes.n_vocab]));
    Ok(spec)
}
