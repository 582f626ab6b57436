//! Sarvam with experts.

use super::{
    Family,
    routed::{DeepSeek, Silence, after_dense, without_further_predictions},
    shape::{Defaults, Rotation, Shape},
};
use crate::spec::{Cut, LinearSpec, Pairing, QkNorm, QkScope};

/// What the class has for keys that a config leaves out.
const SILENCE: Silence = Silence { groups: Some([1, 1]), renormalise: true, factor: 2.5, shared: Some(1) };

pub(super) const FAMILY: Family = Family {
    model_types: &["sarvam_moe"],
    models: "Sarvam 30B",
    particulars: "query, key and value in one matrix; norms on query and key heads; DeepSeek-V3's experts",
    resolve: |config, names, family| {
        let defaults = Defaults {
            d_head: Some(64),
            theta: Some(8e6),
            rotation: Rotation::Share(1.0, Pairing::HalfSplit),
            ..Defaults::default()
        };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        (shape.o_bias, shape.mlp_bias) = (false, false);
        let experts = DeepSeek::v3(config, &shape, &SILENCE)?;
        let sparse = after_dense(config, shape.n_layers, 1)?;
        let normed = config.flag("use_qk_norm")?.unwrap_or(!config.has("use_qk_norm"));
        let fused = names.has("model.word_embeddings.weight");
        let mut spec = shape.decoder(config, names)?;
        if fused {
            spec.embed.tokens.name = "model.word_embeddings.weight".to_owned();
        }
        let (q, kv) = (shape.n_heads * shape.d_head, shape.n_kv_heads * shape.d_head);
        for (i, attn) in spec.attentions_mut() {
            let name = |own: &str, usual: &str| match fused {
                true => shape.name(i, &format!("attention.{own}")),
                false => shape.name(i, &format!("self_attn.{usual}")),
            };
            if fused {
                let bias = shape.qkv_bias;
                let qkv = LinearSpec::new(&name("query_key_value", ""), q + 2 * kv, shape.d_model, bias);
                attn.q = qkv.part(&Cut::Rows(0..q));
                attn.k = qkv.part(&Cut::Rows(q..q + kv));
                attn.v = qkv.part(&Cut::Rows(q + kv..q + 2 * kv));
                attn.o = LinearSpec::new(&name("dense", ""), shape.d_model, q, false);
            }
            let norm = |name: String| (shape.norm)(&name, shape.d_head, shape.eps);
            attn.qk_norm = normed.then(|| QkNorm {
                q: norm(name("query_layernorm", "q_norm")),
                k: norm(name("key_layernorm", "k_norm")),
                scope: QkScope::Head,
            });
        }
        experts.put_into(names, &shape, &sparse, &mut spec);
        without_further_predictions(config, names, &shape, &mut spec);
        Ok(spec)
    },
};
