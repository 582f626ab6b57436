//! LFM3.

use serde_json::json;

use super::{
    Family, kinds,
    lfm2::{Convolution, around, norm, silu},
    qwen::head_norms,
    shape::{Defaults, Epsilon, Rotation, Shape},
};
use crate::{
    config::RopeQuery,
    spec::{AttentionGate, GateFunction, GateScope, LinearSpec, Mask, Position},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["lfm3"],
    models: "LFM3 1.7B",
    particulars: "LFM2's convolutions between attention with a window and without, each with a rotation of its own; what heads weigh \
                  is gated by head; norms before and after each branch",
    resolve: |config, names, family| {
        let sections = json!({
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
            "full_attention": {"rope_type": "proportional", "rope_theta": 1e6, "partial_rotary_factor": 0.5},
        });
        let keys = kinds::with_sections(config, sections);
        let config = &config.standing_for(None, &keys);
        let defaults = Defaults {
            n_heads: Some(16),
            n_kv_heads: Some(4),
            d_head: Some(128),
            n_vocab: Some(128_000),
            eps: Epsilon::Key("norm_eps", 1e-5),
            rotation: Rotation::Own,
            ..Defaults::default()
        };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        silu(config, &shape)?;
        shape.mlp_bias = false;
        shape.tied_by_default = true;
        let window = config.size_or("sliding_window", 256)?;
        let (full, sliding) = (Some(Mask::Causal), Some(Mask::Sliding { window }));
        let known = [("full_attention", full), ("sliding_attention", sliding), ("conv", None)];
        let supported = "full_attention, sliding_attention, conv";
        let seen = kinds::of_layers(config, "layer_types", shape.n_layers, &known, supported)?;
        let seen = seen.unwrap_or_else(|| {
            let of = |i: usize| match i % 4 {
                2 => full,
                0 if i > 0 => sliding,
                _ => None,
            };
            (0..shape.n_layers).map(of).collect()
        });
        let masks: Vec<Mask> = seen.iter().flatten().copied().collect();
        let mut positions = kinds::positions(config, &masks, RopeQuery::new(shape.d_head, 1e6))?.into_iter();
        for (i, seen) in seen.iter().enumerate() {
            if let Some(mask) = seen {
                (shape.masks[i], shape.positions[i]) = (*mask, positions.next().unwrap_or(Position::None));
            }
        }
        let on_by_default = |key| -> Result<bool, _> { Ok(config.flag(key)?.unwrap_or(true)) };
        let (gated, sandwiched) = (on_by_default("use_attention_gate")?, on_by_default("use_sandwich_norm")?);
        let convolution = Convolution::read(config, 7)?;

        let mut spec = shape.decoder(config, names)?;
        spec.readout.norm = Some(norm(&shape, &format!("{}embedding_norm", shape.prefix), shape.d_model));
        head_norms(&shape, &mut spec);
        for (i, attn) in spec.attentions_mut().filter(|_| gated) {
            // As it is saved, and as it is called in memory.
            let gate = ["self_attn.gate_proj", "self_attn.g_proj"].map(|part| shape.name(i, part));
            let stored = gate.iter().find(|name| names.has(&format!("{name}.weight"))).unwrap_or(&gate[0]);
            attn.gate = Some(AttentionGate {
                map: LinearSpec::new(stored, shape.n_heads, shape.d_model, false),
                function: GateFunction::Sigmoid,
                scope: GateScope::Head,
            });
        }
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            around(&shape, i, layer);
            if sandwiched {
                layer.attn_post_norm = Some(shape.layer_norm(i, "post_operator_norm"));
                layer.mlp_post_norm = Some(shape.layer_norm(i, "post_ffn_norm"));
            }
            if seen[i].is_none() {
                layer.mixer = convolution.of_layer(&shape, i).into();
            }
        }
        Ok(spec)
    },
};
