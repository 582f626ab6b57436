//! Phi 3, 3.5 and 4-mini, and Phi 4 multimodal, of which the text model is read.

use super::{
    Family, TensorNames,
    shape::{Defaults, Epsilon, Rotation, Shape},
};
use crate::{
    config::{Config, ConfigError},
    spec::{Cut, DecoderSpec, Ignored, LinearSpec, MlpSpec, Pairing},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["phi3"],
    models: "Phi 3, 3.5, 4, 4-mini",
    particulars: "query, key and value in one matrix, gate and up in another; LongRoPE; optional window",
    resolve,
};

pub(super) const PHI4_MULTIMODAL: Family = Family {
    model_types: &["phi4_multimodal"],
    models: "Phi 4 multimodal (text part)",
    particulars: "Phi 3; what embeds pictures and sounds is left out",
    resolve: |config, names, family| {
        let mut spec = resolve(config, names, family)?;
        spec.ignored = Ignored { prefixes: &["model.embed_tokens_extend."], ..spec.ignored };
        Ok(spec)
    },
};

fn resolve(config: &Config<'_>, names: &TensorNames, family: &str) -> Result<DecoderSpec, ConfigError> {
    let defaults = Defaults {
        eps: Epsilon::rms(1e-5),
        rotation: Rotation::Share(1.0, Pairing::HalfSplit),
        ..Defaults::default()
    };
    let mut shape = Shape::read_with(config, names, family, &defaults)?;
    (shape.qkv_bias, shape.o_bias, shape.mlp_bias) = (false, false, false);
    shape.masks = config.one_window(shape.n_layers, config.size("sliding_window")?);
    let mut spec = shape.decoder(config, names)?;
    let (q, kv) = (shape.n_heads * shape.d_head, shape.n_kv_heads * shape.d_head);
    for (i, attn) in spec.attentions_mut() {
        let qkv = LinearSpec::new(&shape.name(i, "self_attn.qkv_proj"), q + 2 * kv, shape.d_model, false);
        attn.q = qkv.part(&Cut::Rows(0..q));
        attn.k = qkv.part(&Cut::Rows(q..q + kv));
        attn.v = qkv.part(&Cut::Rows(q + kv..q + 2 * kv));
    }
    for (i, layer) in spec.layers.iter_mut().enumerate() {
        layer.mlp = MlpSpec::Gated(shape.gated_fused(&shape.name(i, "mlp")));
    }
    Ok(spec)
}
