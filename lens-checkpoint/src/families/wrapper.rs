//! Multimodal models: a text model of a known family in a config that also describes how images or sounds get in. Of
//! text alone, the text model is all that runs; positions in three dimensions are then ordinary ones.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::{Family, of_model_type, shape::written_by};
use crate::config::{Config, ConfigError};

/// The sections that describe the text model, by the keys that lead there: that of transformers first, then those of
/// models with a speaker beside the thinker, and of files for software of their own.
const SECTIONS: &[&[&str]] =
    &[&["text_config"], &["thinker_config", "text_config"], &["llm_config"], &["language_config"]];

/// Text models that compute, of text alone, what a family does, under names of their own; and the older files that have
/// the keys of the text model at the top.
const ALIASES: &[(&str, &str)] = &[
    ("qwen2_vl_text", "qwen2"),
    ("qwen2_5_vl_text", "qwen2"),
    ("qwen3_vl_text", "qwen3"),
    ("qwen3_vl_moe_text", "qwen3_moe"),
    ("qwen2_5_omni_text", "qwen2"),
    ("qwen3_omni_moe_text", "qwen3_moe"),
    ("glm4v_text", "glm4"),
    ("glm_ocr_text", "glm4"),
    ("glm4v_moe_text", "glm4_moe"),
    ("granite_docling_text", "granite"),
    ("hunyuan_vl_text", "hunyuan_v1_dense"),
    ("paddleocr_vl_text", "llama"),
    ("cosmos3_edge_text", "arcee"),
    ("emu3_text_model", "llama"),
    ("qwen2_vl", "qwen2"),
    ("qwen2_5_vl", "qwen2"),
];

/// What the classes of such text models have of their own, beside the family's keys and defaults.
const CLASSES: &[Class] = &[
    Class { name: "glm4v_text", always: &[("attention_bias", "true")], silent: &[SHARE] },
    Class { name: "glm_ocr_text", always: &[("attention_bias", "false")], silent: &[SHARE] },
    Class { name: "qwen3_vl_moe_text", always: &[("norm_topk_prob", "true")], silent: &[] },
    Class {
        name: "paddleocr_vl_text",
        always: &[],
        silent: &[
            ("head_dim", "128"),
            ("rms_norm_eps", "1e-5"),
            ("rope_theta", "5e5"),
            ("tie_word_embeddings", "true"),
        ],
    },
];

/// All of a head rotates, where the config does not say how much.
const SHARE: (&str, &str) = ("partial_rotary_factor", "1.0");

/// What the class of a text model makes of a config, where it is not what the family makes of it. Values are JSON.
struct Class {
    name: &'static str,
    /// What it has whatever the config says.
    always: &'static [(&'static str, &'static str)],
    /// What it has where the config says nothing.
    silent: &'static [(&'static str, &'static str)],
}

impl Class {
    /// Puts in what the class called `name` has of its own.
    fn settle(name: &str, keys: &mut Map<String, Value>) {
        let Some(class) = CLASSES.iter().find(|class| class.name == name) else { return };
        let value = |text: &str| serde_json::from_str(text).expect("written here");
        for (key, text) in class.silent {
            keys.entry(*key).or_insert_with(|| value(text));
        }
        for (key, text) in class.always {
            keys.insert((*key).to_owned(), value(text));
        }
    }
}

/// Models whose text part is not a decoder of its family, and why.
const OTHERWISE: &[(&str, &str)] = &[
    ("paligemma", "its text model lets the tokens of a prompt see each other in both directions"),
    ("pi0", "its text model lets the tokens of a prompt see each other in both directions"),
    ("t5gemma2", "it is not a decoder alone"),
];

/// Models that scale or cap the logits as their text model does by itself; the others leave that out.
const SCALED: &[&str] = &[
    "granite_docling",
    "granite4_vision",
    "hyperclovax_vision_v2",
    "cohere_compass",
    "gemma3n",
    "gemma4",
    "gemma4_unified",
];

/// Where the parts for what is not text lie.
pub(super) const TOWERS: &[&str] = &[
    "vision_tower.",
    "model.vision_tower.",
    "multi_modal_projector.",
    "model.multi_modal_projector.",
    "vision_model.",
    "model.vision_model.",
    "visual.",
    "model.visual.",
    "connector.",
    "model.connector.",
    "image_newline",
    "model.image_newline",
    "qformer.",
    "query_tokens",
    "language_projection.",
    "model.aligner.",
    "model.high_res_vision_model.",
    "model.high_res_vision_proj.",
    "model.high_res_vision_alpha",
    "model.high_res_vision_neck.",
    "model.vqmodel.",
    "model.generation_",
    "model.visual_indicator_embeddings",
    "model.visual_embeddings_table",
    "model.vision_encoder.",
    "model.vision_projection.",
    "model.video_tower.",
    "model.image_tower.",
    "video_tower.",
    "image_tower.",
    "audio_tower.",
    "model.audio_tower.",
    "model.projector.",
    "model.sam_model.",
    "vit.",
    "model.embed_vision.",
    "model.embed_audio.",
    "mlp_AR.",
    "mlp1.",
    "vit_large_projector.",
];

/// What the names of the text model's tensors begin with in a multimodal checkpoint, and would in one of its own. The
/// longest come first. transformers 5 writes some with the spelling of a tower.
const FORMS: &[(&str, &str)] = &[
    ("language_model.model.encoder.layers.", "model.layers."),
    ("language_model.model.blocks.", "model.layers."),
    ("thinker.model.", "model."),
    ("thinker.lm_head.", "lm_head."),
    ("model.language_model.lm_head.", "lm_head."),
    ("model.language_model.model.", "model."),
    ("language_model.lm_head.", "lm_head."),
    ("language_model.model.", "model."),
    ("model.text_model.lm_head.", "lm_head."),
    ("model.text_model.", "model."),
    ("text_model.lm_head.", "lm_head."),
    ("text_model.model.", "model."),
    ("model.language_model.", "model."),
    ("language_model.", "model."),
    ("layers.", "model.layers."),
    ("embed_tokens.", "model.embed_tokens."),
    ("norm.", "model.norm."),
];

/// What the parts of attention are called by software that writes pictures with it, and otherwise.
const PARTS: &[(&str, &str)] = &[
    (".self_attn.to_q.", ".self_attn.q_proj."),
    (".self_attn.to_k.", ".self_attn.k_proj."),
    (".self_attn.to_v.", ".self_attn.v_proj."),
    (".self_attn.to_out.", ".self_attn.o_proj."),
    (".self_attn.norm_q.", ".self_attn.q_norm."),
    (".self_attn.norm_k.", ".self_attn.k_norm."),
];

/// What the classes of text models default to.
static DEFAULTS: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("text_defaults.json")).expect("a script of this repository writes it")
});

/// The text model of a multimodal config.
pub(super) struct TextPart {
    pub(super) family: &'static Family,
    /// The family's `model_type`.
    pub(super) model_type: &'static str,
    /// The section that has its keys; empty where they are at the top.
    pub(super) path: &'static [&'static str],
    /// Its keys, with what its class has for those that are absent.
    pub(super) keys: Map<String, Value>,
}

/// The text model of a config whose `model_type` is not a family, if it is one that is known.
///
/// # Errors
/// When there is one, but the model around it does not use it as its family does.
pub(super) fn text_part(config: &Config<'_>, model_type: &str) -> Result<Option<TextPart>, ConfigError> {
    if of_model_type(model_type).is_some() {
        return Ok(None);
    }
    // Silence is Llama: the first multimodal files had no other.
    let section = text_section(config)?;
    let own = match &section {
        Some((_, section)) => section.text("model_type")?.unwrap_or("llama"),
        None => model_type,
    };
    let alias = ALIASES.iter().find(|(alias, _)| *alias == own).map(|(_, family)| *family);
    let Some(family) = of_model_type(alias.unwrap_or(own)).filter(|_| section.is_some() || alias.is_some())
    else {
        return Ok(None);
    };
    if let Some((_, why)) = OTHERWISE.iter().find(|(other, _)| *other == model_type) {
        return Err(ConfigError::OtherwiseUsed { model_type: model_type.to_owned(), why });
    }
    let name = if section.is_some() { own.to_owned() } else { format!("{own}_text") };
    let (path, section) = section.unwrap_or((&[], *config));
    part(config, section, family, alias.unwrap_or(own), &name, path).map(Some)
}

/// The text model of a multimodal config, to be read as `family` whatever it says; `None` if there is no section for it,
/// or the family finds it by itself.
///
/// # Errors
/// When the config is broken.
pub(super) fn assumed(
    config: &Config<'_>,
    family: &'static Family,
    model_type: &str,
) -> Result<Option<TextPart>, ConfigError> {
    match text_section(config)? {
        Some((path, section)) if !family.model_types.contains(&FINDS_ITSELF) => {
            part(config, section, family, model_type, model_type, path).map(Some)
        }
        _ => Ok(None),
    }
}

/// The `model_type` whose family reads multimodal files by itself.
pub(super) const FINDS_ITSELF: &str = "gemma3";

/// The section of a config that describes a text model, and the keys that lead there.
pub(crate) fn text_section<'c>(
    config: &Config<'c>,
) -> Result<Option<(&'static [&'static str], Config<'c>)>, ConfigError> {
    for path in SECTIONS {
        if let Some(section) = config.section_at(path)? {
            return Ok(Some((path, section)));
        }
    }
    Ok(None)
}

/// The keys of `section`, with what the class `name` has for those that are absent.
fn part(
    config: &Config<'_>,
    section: Config<'_>,
    family: &'static Family,
    model_type: &str,
    name: &str,
    path: &'static [&'static str],
) -> Result<TextPart, ConfigError> {
    let mut keys = DEFAULTS.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    keys.extend(section.keys().clone());
    Class::settle(name, &mut keys);
    around(config, &mut keys)?;
    let known = family.model_types.iter().find(|known| **known == model_type);
    let model_type = known.copied().unwrap_or(family.model_types[0]);
    Ok(TextPart { family, model_type, path, keys })
}

/// Whether a model around a text model scales and caps its logits.
pub(super) fn keeps_scale(model_type: &str) -> bool {
    SCALED.contains(&model_type)
}

/// The keys of a text model's section, with what the model around says for it.
pub(super) fn keys_within(
    config: &Config<'_>,
    section: &Config<'_>,
) -> Result<Map<String, Value>, ConfigError> {
    let mut keys = section.keys().clone();
    around(config, &mut keys)?;
    Ok(keys)
}

/// Puts in what the model around says for its text model: which transformers wrote it and, from version 5 on, whether
/// the unembedding is tied.
fn around(config: &Config<'_>, keys: &mut Map<String, Value>) -> Result<(), ConfigError> {
    let said = |key: &str| config.get(key).map(|value| (key.to_owned(), value.clone()));
    keys.extend(said("transformers_version"));
    let tied = said("tie_word_embeddings");
    if written_by(config)? >= 5 {
        keys.extend(tied);
    }
    Ok(())
}

/// The name that a tensor of a multimodal checkpoint would have in that of its text model alone, if it is in it.
pub(crate) fn text_name(name: &str) -> Option<String> {
    let form = FORMS.iter().find_map(|(form, own)| Some((name.strip_prefix(form)?, own)));
    let own = form.map(|(rest, own)| format!("{own}{rest}"))?;
    let part = PARTS.iter().find(|(part, _)| own.contains(part));
    Some(part.map_or_else(|| own.clone(), |(part, usual)| own.replace(part, usual)))
}

/// Whether a tensor is of a part for what is not text, where names alone tell.
pub(crate) fn is_tower(name: &str) -> bool {
    TOWERS.iter().any(|start| name.starts_with(start))
}

/// Whether a config is that of a multimodal model whose text model is read under names of its own, as the family `assume`
/// if one is named.
pub(crate) fn is_wrapper(config: &Value, assume: Option<&str>) -> bool {
    let read = |config: &Config<'_>| match assume {
        Some(model_type) => assumed(config, of_model_type(model_type)?, model_type).ok()?,
        None => text_part(config, config.text("model_type").ok()??).ok()?,
    };
    Config::new(config).ok().and_then(|config| read(&config)).is_some()
}
