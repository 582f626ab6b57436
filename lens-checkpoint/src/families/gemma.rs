//! Gemma 1, 2 and 3: norms around one, scaled embeddings, and from 2 on norms on both sides of a branch.

use std::sync::Arc;

use super::{
    Family, TensorNames,
    qwen::head_norms,
    shape::{Defaults, Rotation, Shape, unembedding},
    wrapper::keys_within,
};
use crate::{
    config::{Config, ConfigError, RopeQuery},
    spec::{Activation, DecoderSpec, EmbedScale, Ignored, Mask, NormSpec, Position, RopeScaling, Wiring},
};

pub(super) const GEMMA: Family = Family {
    model_types: &["gemma"],
    models: "Gemma 1, CodeGemma",
    particulars: "norm weights stored as their difference from one; embedding times sqrt(d_model), rounded; tied",
    resolve: |config, names, family| {
        let defaults = Defaults { activation_key: None, ..gated() };
        let mut shape = read(config, names, family, &defaults)?;
        if shape.activation == Activation::Gelu {
            config.remark(
                "config.json says hidden_act = \"gelu\", by which the published files of Gemma 1 mean its tanh \
                 approximation; that is computed here, as in transformers 5, while transformers 4 computes the exact one",
            );
            shape.activation = Activation::GeluTanh;
        }
        let mut spec = shape.decoder(config, names)?;
        scale_embedding(&mut spec);
        Ok(spec)
    },
};

pub(super) const GEMMA2: Family = Family {
    model_types: &["gemma2"],
    models: "Gemma 2",
    particulars: "norms before and after each branch; soft caps on scores and logits; every other layer slides",
    resolve: |config, names, family| {
        let (shape, mut spec) = capped(config, names, family)?;
        sandwich(&shape, &mut spec);
        Ok(spec)
    },
};

pub(super) const VAULT_GEMMA: Family = Family {
    model_types: &["vaultgemma"],
    models: "VaultGemma 1B",
    particulars: "Gemma 2 without norms after the branches",
    resolve: |config, names, family| {
        let (shape, mut spec) = capped(config, names, family)?;
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            layer.wiring =
                Wiring::Sequential { mlp_norm: Some(shape.layer_norm(i, "pre_feedforward_layernorm")) };
        }
        Ok(spec)
    },
};

/// Gemma 2's decoder, with Llama's norms: soft caps, and a window on every other layer.
fn capped(
    config: &Config<'_>,
    names: &TensorNames,
    family: &str,
) -> Result<(Shape, DecoderSpec), ConfigError> {
    let mut shape = read(config, names, family, &gated())?;
    shape.scale = config.positive_or("query_pre_attn_scalar", 256.0)?.powf(-0.5);
    let window = config.size_or("sliding_window", 4096)?;
    shape.masks = config.masks(shape.n_layers, Some(window), |i| i.is_multiple_of(2))?;
    let mut spec = shape.decoder(config, names)?;
    scale_embedding(&mut spec);
    // null means no cap; an absent key means the default of the class.
    let cap = |key, default| match config.has(key) {
        true => config.positive(key),
        false => Ok(Some(default)),
    };
    let scores = cap("attn_logit_softcapping", 50.0)?;
    spec.attentions_mut().for_each(|(_, attn)| attn.softcap = scores);
    spec.readout.post.softcap = cap("final_logit_softcapping", 30.0)?.map(|cap| cap as f32);
    Ok((shape, spec))
}

pub(super) const GEMMA3: Family = Family {
    model_types: &["gemma3_text", "gemma3"],
    models: "Gemma 3 (of the multimodal ones the text part)",
    particulars: "Gemma 2 with norms on query and key heads instead of caps; five sliding layers with a RoPE of their own to one full",
    resolve: resolve_gemma3,
};

fn resolve_gemma3(
    config: &Config<'_>,
    names: &TensorNames,
    family: &str,
) -> Result<DecoderSpec, ConfigError> {
    // A multimodal config nests that of the language model, which may leave out what its class defaults to.
    let section = config.object("text_config")?;
    let keys = section.map(|section| keys_within(config, &section)).transpose()?;
    let config = &keys.as_ref().map_or(*config, |keys| config.standing_at(&["text_config"], keys));
    config.refuse_flag("use_bidirectional_attention")?;
    let defaults = Defaults {
        n_heads: Some(8),
        n_kv_heads: Some(4),
        d_head: Some(256),
        n_vocab: Some(262_208),
        theta: Some(1e6),
        rotation: Rotation::Own,
        ..gated()
    };
    let mut shape = read(config, names, family, &defaults)?;
    let prefixes = ["model.", "language_model.model.", "model.language_model.", ""];
    shape.prefix = names.prefix(&prefixes, "embed_tokens.weight").to_owned();
    shape.scale = config.positive_or("query_pre_attn_scalar", 256.0)?.powf(-0.5);
    let pattern = match config.size("sliding_window_pattern")? {
        Some(pattern) => pattern,
        None => config.size_or("_sliding_window_pattern", 6)?,
    };
    let window = config.size_or("sliding_window", 4096)?;
    shape.masks = config.masks(shape.n_layers, Some(window), |i| !(i + 1).is_multiple_of(pattern))?;
    shape.positions = rotations(config, &shape)?;
    let mut spec = shape.decoder(config, names)?;
    let heads = ["lm_head.weight", "language_model.lm_head.weight"];
    let unembed = unembedding(config, names, &spec.embed.tokens, &heads, true)?;
    (spec.readout.unembed, spec.tied_and_stored) = (unembed.tensor, unembed.tied_and_stored);
    spec.ignored = Ignored {
        suffixes: &["rotary_emb.inv_freq"],
        prefixes: &[
            "vision_tower.",
            "multi_modal_projector.",
            "model.vision_tower.",
            "model.multi_modal_projector.",
        ],
        ..Ignored::default()
    };
    scale_embedding(&mut spec);
    sandwich(&shape, &mut spec);
    head_norms(&shape, &mut spec);
    // The config has a cap on scores as well, which neither generation of transformers applies.
    spec.readout.post.softcap = config.positive("final_logit_softcapping")?.map(|cap| cap as f32);
    Ok(spec)
}

/// Full layers rotate with `rope_theta` and its scaling, sliding ones with `rope_local_base_freq` and none.
fn rotations(config: &Config<'_>, shape: &Shape) -> Result<Vec<Position>, ConfigError> {
    let query =
        |layer_type, theta| RopeQuery { layer_type: Some(layer_type), ..RopeQuery::new(shape.d_head, theta) };
    let full = config.rope(&query("full_attention", 1e6))?;
    let mut sliding = config.rope(&query("sliding_attention", 1e4))?;
    let nested = config.object("rope_parameters")?.is_some_and(|p| p.get("sliding_attention").is_some());
    if !nested {
        sliding.theta = config.rope_base_or("rope_local_base_freq", 1e4)?;
        sliding.scaling = RopeScaling::Default;
    }
    let (full, sliding) = (Arc::new(full), Arc::new(sliding));
    let rope = |mask: &Mask| match mask {
        Mask::Causal => Position::Rotary(Arc::clone(&full)),
        Mask::Sliding { .. } | Mask::Chunked { .. } => Position::Rotary(Arc::clone(&sliding)),
    };
    Ok(shape.masks.iter().map(rope).collect())
}

fn read(
    config: &Config<'_>,
    names: &TensorNames,
    family: &str,
    defaults: &Defaults,
) -> Result<Shape, ConfigError> {
    let mut shape = Shape::read_with(config, names, family, defaults)?;
    shape.norm = |name, d, eps| NormSpec::rms(name, d, eps).around_one();
    // The name that the class does not read says the same in published files.
    config.pass_over_texts("hidden_activation", &GELU);
    config.pass_over_texts("hidden_act", &GELU);
    shape.mlp_bias = false;
    shape.tied_by_default = true;
    Ok(shape)
}

/// What Gemma's files call their nonlinearity.
pub(super) const GELU: [&str; 3] = ["gelu", "gelu_pytorch_tanh", "gelu_new"];

/// What Gemma has instead of Llama's keys, from its second version on.
pub(super) fn gated() -> Defaults {
    Defaults {
        activation: Some(Activation::GeluTanh),
        activation_key: Some("hidden_activation"),
        ..Defaults::default()
    }
}

pub(super) fn scale_embedding(spec: &mut DecoderSpec) {
    spec.embed.scale = Some(EmbedScale::RoundedFactor((spec.d_model as f64).sqrt()));
}

/// Norms before and after each branch.
pub(super) fn sandwich(shape: &Shape, spec: &mut DecoderSpec) {
    for (i, layer) in spec.layers.iter_mut().enumerate() {
        layer.attn_post_norm = Some(shape.layer_norm(i, "post_attention_layernorm"));
        layer.wiring =
            Wiring::Sequential { mlp_norm: Some(shape.layer_norm(i, "pre_feedforward_layernorm")) };
        layer.mlp_post_norm = Some(shape.layer_norm(i, "post_feedforward_layernorm"));
    }
}
