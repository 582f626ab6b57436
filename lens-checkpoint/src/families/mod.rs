//! The families: how each `model_type` turns its config.json into a [`DecoderSpec`].
//!
//! A family is one file and one row of [`FAMILIES`].

mod afmoe;
mod alibi;
mod apertus;
mod aria;
mod bamba;
mod biogpt;
mod bitnet;
mod bloom;
mod cohere;
mod cohere_moe;
mod ctrl;
mod dbrx;
mod deepseek;
mod delta;
mod diffllama;
mod dots1;
mod ernie4_5_moe;
mod exaone;
mod exaone_moe;
mod experts;
mod falcon;
mod falcon_h1;
mod flint;
mod gemma;
mod gemma4;
mod glm;
mod glm4_moe;
mod gpt2;
mod gpt_neox;
mod gpt_neox_japanese;
mod gpt_oss;
mod gptj;
mod granite;
mod granite_hybrid;
mod granite_swa;
mod granitemoe;
mod helium;
mod hunyuan;
mod hunyuan_moe;
mod hy_v3;
mod hyperclovax;
mod jamba;
mod keys;
mod kinds;
mod kolibri;
mod laguna;
mod lara_mini;
mod latent;
mod lfm2;
mod lfm2_moe;
mod lfm3;
mod likeness;
mod llama;
mod llama4;
mod mamba;
mod mechanisms;
mod mellum;
mod mimo;
mod minicpm3;
mod minimax;
mod minimax_m2;
mod mistral;
mod mpt;
mod nanochat;
mod nemotron;
mod nemotron_h;
mod olmo;
mod olmo_hybrid;
mod olmoe;
mod openai_gpt;
mod opt;
mod others;
mod parts;
mod persimmon;
mod phi;
mod phi3;
mod phimoe;
mod qwen;
mod qwen3_next;
mod routed;
mod sarvam_moe;
mod shape;
mod smollm3;
mod squared;
mod stablelm;
mod starcoder2;
mod state_space;
mod wrapper;
mod xglm;
mod youtu;

use std::collections::{BTreeMap, BTreeSet};

use lens_core::{Post, suggest::did_you_mean};
use serde_json::Value;

pub(crate) use likeness::{Difference, listed};
pub(crate) use wrapper::{is_tower, is_wrapper, text_name, text_section};

use others::Why;
use wrapper::TextPart;

use crate::{
    config::{Config, ConfigError, Reads, Unread},
    spec::{DecoderSpec, Ignored, LayerSpec, Mask, MixerSpec},
};

/// A family of checkpoints.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// The `model_type`s that belong to it.
    pub model_types: &'static [&'static str],
    /// Well-known models of the family.
    pub models: &'static str,
    /// What is particular about it.
    pub particulars: &'static str,
    /// Turns a config, the names of the tensors on disk and the `model_type` into a spec.
    pub resolve: fn(&Config<'_>, &TensorNames, &str) -> Result<DecoderSpec, ConfigError>,
}

/// Every supported family.
pub const FAMILIES: &[Family] = &[
    llama::FAMILY,
    qwen::QWEN2,
    qwen::QWEN3,
    llama::SEED_OSS,
    llama::CWM,
    llama::INTERNLM3,
    llama::IQUEST_CODER,
    diffllama::FAMILY,
    mistral::FAMILY,
    mistral::MINISTRAL,
    mistral::MINISTRAL3,
    gemma::GEMMA,
    gemma::GEMMA2,
    gemma::VAULT_GEMMA,
    gemma::GEMMA3,
    gemma4::FAMILY,
    experts::MIXTRAL,
    experts::QWEN2_MOE,
    experts::QWEN3_MOE,
    gpt_oss::FAMILY,
    glm4_moe::GLM4_MOE,
    glm4_moe::SOLAR_OPEN,
    dots1::FAMILY,
    exaone_moe::FAMILY,
    minimax_m2::FAMILY,
    ernie4_5_moe::FAMILY,
    hy_v3::FAMILY,
    hunyuan_moe::FAMILY,
    sarvam_moe::FAMILY,
    afmoe::FAMILY,
    laguna::FAMILY,
    kolibri::FAMILY,
    flint::FAMILY,
    mimo::FAMILY,
    olmoe::OLMOE,
    olmoe::FLEX_OLMO,
    mellum::FAMILY,
    granitemoe::FAMILY,
    phimoe::FAMILY,
    dbrx::FAMILY,
    llama4::FAMILY,
    lfm2_moe::FAMILY,
    aria::FAMILY,
    phi3::FAMILY,
    phi3::PHI4_MULTIMODAL,
    phi::FAMILY,
    olmo::OLMO,
    olmo::OLMO2,
    olmo::OLMO3,
    granite::FAMILY,
    granite_swa::GRANITE_SWA,
    granite_swa::GRANITEMOE_SWA,
    hyperclovax::FAMILY,
    stablelm::FAMILY,
    starcoder2::FAMILY,
    smollm3::FAMILY,
    cohere::COHERE,
    cohere::COHERE2,
    cohere::COMPASS,
    cohere_moe::FAMILY,
    glm::GLM,
    glm::GLM4,
    exaone::EXAONE,
    exaone::EXAONE4,
    helium::HELIUM,
    helium::ERNIE4_5,
    nemotron::FAMILY,
    squared::ARCEE,
    squared::JAIS2,
    apertus::FAMILY,
    hunyuan::FAMILY,
    nanochat::FAMILY,
    bitnet::FAMILY,
    persimmon::FAMILY,
    openai_gpt::FAMILY,
    gpt2::GPT2,
    gpt2::GPT_BIGCODE,
    gpt2::GPT_NEO,
    gpt_neox::FAMILY,
    gpt_neox_japanese::FAMILY,
    gptj::FAMILY,
    gptj::CODEGEN,
    opt::FAMILY,
    biogpt::FAMILY,
    xglm::FAMILY,
    ctrl::FAMILY,
    falcon::FAMILY,
    bloom::FAMILY,
    mpt::FAMILY,
    lfm2::FAMILY,
    lfm3::FAMILY,
    minicpm3::FAMILY,
    youtu::FAMILY,
    deepseek::V2,
    deepseek::V3,
    deepseek::GLM4_LITE,
    deepseek::SARVAM,
    deepseek::AXK1,
    deepseek::MISTRAL4,
    qwen3_next::QWEN3_NEXT,
    qwen3_next::QWEN3_5,
    qwen3_next::QWEN3_5_MOE,
    olmo_hybrid::FAMILY,
    lara_mini::FAMILY,
    minimax::FAMILY,
    mamba::MAMBA,
    mamba::FALCON_MAMBA,
    mamba::MAMBA2,
    bamba::FAMILY,
    granite_hybrid::FAMILY,
    nemotron_h::FAMILY,
    falcon_h1::FAMILY,
    jamba::FAMILY,
];

/// The names of the tensors that a checkpoint holds: some choices are visible only there.
#[derive(Debug, Clone, Default)]
pub struct TensorNames {
    names: BTreeSet<String>,
    /// Their shapes, where the checkpoint is at hand.
    shapes: BTreeMap<String, Vec<usize>>,
}

impl TensorNames {
    /// Whether the checkpoint holds `name`.
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// All of them, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// These names, with the shapes of some of them: of tensors that are cut or turned differently by those who write
    /// them.
    #[must_use]
    pub fn with_shapes(self, shapes: impl IntoIterator<Item = (String, Vec<usize>)>) -> Self {
        Self { shapes: shapes.into_iter().collect(), ..self }
    }

    /// The first dimension of a tensor, where it is known.
    pub(crate) fn rows(&self, name: &str) -> Option<usize> {
        self.shape(name)?.first().copied()
    }

    /// The shape of a tensor, where it is known.
    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.shapes.get(name).map(Vec::as_slice)
    }

    /// The first of `prefixes` under which the checkpoint holds `name`; the first of all if none does, so that
    /// what is missing is missed under its usual name.
    pub fn prefix<'p>(&self, prefixes: &[&'p str], name: &str) -> &'p str {
        prefixes.iter().find(|prefix| self.names.contains(&format!("{prefix}{name}"))).unwrap_or(&prefixes[0])
    }
}

impl<S: Into<String>> FromIterator<S> for TensorNames {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self { names: names.into_iter().map(Into::into).collect(), shapes: BTreeMap::new() }
    }
}

/// How a config is to be read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading<'r> {
    /// The family that it is read as, whatever its own `model_type` says; `None` is its own.
    pub assume: Option<&'r str>,
    /// Whether keys that the family does not read are ignored, with a note, instead of refused.
    pub ignore_extra: bool,
}

/// A config, understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Understood {
    /// The decoder.
    pub spec: DecoderSpec,
    /// What was assumed or left out, as sentences.
    pub notes: Vec<String>,
}

/// The spec of a checkpoint.
///
/// # Errors
/// When the family or one of its mechanisms is unknown, the weights are quantised, or the config is broken.
pub fn resolve(config: &Value, names: &TensorNames) -> Result<DecoderSpec, ConfigError> {
    understand(config, names, &Reading::default()).map(|understood| understood.spec)
}

/// What a config means, read as `reading` says. Names and shapes of the tensors are still checked for an assumed
/// family; whether the model computes what that family computes is for the caller to know.
///
/// # Errors
/// As for [`resolve`], when there is no such family, or when the config says something that its family does not read.
pub fn understand(
    config: &Value,
    names: &TensorNames,
    reading: &Reading<'_>,
) -> Result<Understood, ConfigError> {
    let reads = Reads::default();
    let config = Config::new(config)?.recording(&reads);
    if let Some(model_type) = reading.assume {
        let family = of_model_type(model_type).ok_or_else(|| ConfigError::NoSuchFamily {
            family: model_type.to_owned(),
            supported: listed_model_types(),
            hint: did_you_mean(model_type, model_types()),
        })?;
        refuse_quantised(&config)?;
        if let Some(text) = wrapper::assumed(&config, family, model_type)? {
            let around = config.text("model_type")?.unwrap_or("this model");
            return read_text_part(&config, names, around, &text)?.settle(reading.ignore_extra);
        }
        return read_as(family, &config, names, model_type)?.settle(reading.ignore_extra);
    }
    let model_type =
        config.text("model_type")?.ok_or_else(|| ConfigError::Missing { key: config.name("model_type") })?;
    refuse_quantised(&config)?;
    match others::why(model_type) {
        Some(Why::NoStream(why)) => {
            return Err(ConfigError::NoStream { model_type: model_type.to_owned(), why });
        }
        Some(Why::NotImplemented(why)) => {
            return Err(ConfigError::NotImplemented { model_type: model_type.to_owned(), why });
        }
        None => {}
    }
    if let Some(text) = wrapper::text_part(&config, model_type)? {
        return read_text_part(&config, names, model_type, &text)?.settle(reading.ignore_extra);
    }
    let family = of_model_type(model_type);
    if family.is_none()
        && let Some((_, section)) = wrapper::text_section(&config)?
        && let Some(text) = section.text("model_type")?
    {
        return Err(ConfigError::UnknownTextPart {
            model_type: model_type.to_owned(),
            text: text.to_owned(),
            supported: listed_model_types(),
            hint: did_you_mean(text.trim_end_matches("_text"), model_types()),
        });
    }
    let family = family.ok_or_else(|| {
        let (likeness, alike) = likeness::sentence(&config, names);
        ConfigError::UnknownFamily {
            model_type: model_type.to_owned(),
            supported: listed_model_types(),
            hint: did_you_mean(model_type, model_types()),
            likeness,
            alike,
        }
    })?;
    read_as(family, &config, names, model_type)?.settle(reading.ignore_extra)
}

/// A spec, and what the family did not read of the config.
struct Read {
    spec: DecoderSpec,
    unread: Unread,
}

impl Read {
    fn settle(self, ignore_extra: bool) -> Result<Understood, ConfigError> {
        let notes = self.unread.settle(&self.spec.family, ignore_extra)?;
        Ok(Understood { spec: self.spec, notes })
    }
}

/// What a family makes of a config, and how far the stretched positions of its layers reach.
fn read_as(
    family: &Family,
    config: &Config<'_>,
    names: &TensorNames,
    model_type: &str,
) -> Result<Read, ConfigError> {
    let mut spec = (family.resolve)(config, names, model_type)?;
    let ropes = spec.layers.iter().filter_map(|layer| layer.mixer.rope());
    spec.context =
        spec.context.map(|context| ropes.map(|rope| rope.reach(context)).fold(context, usize::max));
    pass_over_layer_types(config, &spec);
    // This family reads its multimodal files itself.
    let finds_itself = model_type == wrapper::FINDS_ITSELF;
    let path = wrapper::text_section(config)?.filter(|_| finds_itself).map(|(path, _)| path.join("."));
    let unread = Unread::of(config, model_type, path.as_deref());
    Ok(Read { spec, unread })
}

/// What the family of a multimodal model's text part makes of that part.
fn read_text_part(
    config: &Config<'_>,
    names: &TensorNames,
    model_type: &str,
    text: &TextPart,
) -> Result<Read, ConfigError> {
    let keys = config.standing_at(text.path, &text.keys);
    let Read { mut spec, .. } = read_as(text.family, &keys, names, text.model_type)?;
    spec.ignored = Ignored { prefixes: wrapper::TOWERS, ..spec.ignored };
    let section = (!text.path.is_empty()).then(|| text.path.join("."));
    let mut unread = Unread::of(config, text.model_type, section.as_deref());
    if spec.readout.post != Post::default() && !wrapper::keeps_scale(model_type) {
        // The model around the text model has the unembedding, and knows no more of it.
        spec.readout.post = Post::default();
        unread.notes.push(format!(
            "the logits of {} are scaled or capped, but not in {model_type}: transformers leaves that out there, and so \
             does this",
            text.model_type
        ));
    }
    unread.notes.insert(
        0,
        format!(
            "{model_type} is a multimodal model: only its text model, {}, is read, and runs as it does on text alone",
            text.model_type
        ),
    );
    Ok(Read { spec, unread })
}

/// Counts `layer_types` as read where they say of each layer what the family does anyway. A window that no text within
/// the context leaves is as good as none, and a layer with it may be called either.
fn pass_over_layer_types(config: &Config<'_>, spec: &DecoderSpec) {
    let kinds = |layer: &LayerSpec| match &layer.mixer {
        MixerSpec::Attention(attn) => match attn.mask {
            Mask::Causal => FULL,
            Mask::Sliding { window } if spec.context.is_some_and(|context| window >= context) => EITHER,
            Mask::Sliding { .. } => SLIDING,
            Mask::Chunked { .. } => CHUNKED,
        },
        MixerSpec::LatentAttention(_) => FULL,
        MixerSpec::GatedDelta(_) | MixerSpec::Mamba(_) | MixerSpec::Mamba2(_) | MixerSpec::Lightning(_) => {
            LINEAR
        }
        MixerSpec::SideBySide(_) => HYBRID,
        MixerSpec::Absent => MLP_ALONE,
        MixerSpec::ShortConvolution(_) => CONVOLUTION,
    };
    config.pass_over_list("layer_types", &spec.layers.iter().map(kinds).collect::<Vec<_>>());
}

/// What `layer_types` call a layer that sees everything.
const FULL: &[&str] = &["full_attention", "attention"];

/// What they call one with a window.
const SLIDING: &[&str] = &["sliding_attention"];

/// What they call one with a gated delta net or a state space.
const LINEAR: &[&str] = &["linear_attention", "mamba"];

/// What they call one with a state space beside attention.
const HYBRID: &[&str] = &["hybrid"];

/// What they call one that is an MLP alone.
const MLP_ALONE: &[&str] = &["mlp", "moe"];

/// What they call one that sees its own chunk alone.
const CHUNKED: &[&str] = &["chunked_attention"];

/// What they call one with a short convolution.
const CONVOLUTION: &[&str] = &["conv"];

/// What they call one whose window is no narrower than the context.
const EITHER: &[&str] = &["full_attention", "attention", "sliding_attention"];

fn of_model_type(model_type: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.model_types.contains(&model_type))
}

fn model_types() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().flat_map(|family| family.model_types.iter().copied())
}

fn listed_model_types() -> String {
    model_types().collect::<Vec<_>>().join(", ")
}

fn refuse_quantised(config: &Config<'_>) -> Result<(), ConfigError> {
    let Some(quantisation) = config.object("quantization_config")? else {
        let Some(mlx) = config.object("quantization")? else { return Ok(()) };
        let bits = mlx.count("bits")?.map_or_else(String::new, |bits| format!(", {bits} bits"));
        return Err(ConfigError::Quantised { method: format!("MLX{bits}") });
    };
    let method = quantisation.text("quant_method")?.unwrap_or("unknown method").to_owned();
    Err(ConfigError::Quantised { method })
}
