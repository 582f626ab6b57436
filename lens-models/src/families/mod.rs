//! The families: how each `model_type` turns its config.json into a [`DecoderSpec`].
//!
//! A family is one file and one row of [`FAMILIES`].

mod alibi;
mod bloom;
mod cohere;
mod experts;
mod falcon;
mod gemma;
mod glm4;
mod gpt2;
mod gpt_neox;
mod gpt_oss;
mod gptj;
mod granite;
mod likeness;
mod llama;
mod mistral;
mod mpt;
mod nemotron;
mod olmo;
mod opt;
mod parts;
mod phi;
mod phi3;
mod qwen;
mod shape;
mod smollm3;
mod stablelm;
mod starcoder2;

use std::collections::BTreeSet;

use lens_core::suggest::did_you_mean;
use serde_json::Value;

pub(crate) use likeness::{Difference, listed};

use crate::{
    config::{Config, ConfigError},
    spec::DecoderSpec,
};

/// A family of checkpoints.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// The `model_type`s that it answers to.
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
    mistral::FAMILY,
    gemma::GEMMA,
    gemma::GEMMA2,
    gemma::GEMMA3,
    experts::MIXTRAL,
    experts::QWEN2_MOE,
    experts::QWEN3_MOE,
    gpt_oss::FAMILY,
    phi3::FAMILY,
    phi::FAMILY,
    olmo::OLMO,
    olmo::OLMO2,
    olmo::OLMO3,
    granite::FAMILY,
    stablelm::FAMILY,
    starcoder2::FAMILY,
    smollm3::FAMILY,
    cohere::COHERE,
    cohere::COHERE2,
    glm4::FAMILY,
    nemotron::FAMILY,
    gpt2::GPT2,
    gpt2::GPT_BIGCODE,
    gpt2::GPT_NEO,
    gpt_neox::FAMILY,
    gptj::FAMILY,
    opt::FAMILY,
    falcon::FAMILY,
    bloom::FAMILY,
    mpt::FAMILY,
];

/// The names of the tensors that a checkpoint holds: some choices are visible only there.
#[derive(Debug, Clone, Default)]
pub struct TensorNames(BTreeSet<String>);

impl TensorNames {
    /// Whether the checkpoint holds `name`.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// All of them, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The first of `prefixes` under which the checkpoint holds `name`; the first of all if none does, so that
    /// what is missing is missed under its usual name.
    pub fn prefix<'p>(&self, prefixes: &[&'p str], name: &str) -> &'p str {
        prefixes.iter().find(|prefix| self.0.contains(&format!("{prefix}{name}"))).unwrap_or(&prefixes[0])
    }
}

impl<S: Into<String>> FromIterator<S> for TensorNames {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }
}

/// The spec of a checkpoint.
///
/// # Errors
/// When the family or one of its mechanisms is unknown, the weights are quantised, or the config is broken.
pub fn resolve(config: &Value, names: &TensorNames) -> Result<DecoderSpec, ConfigError> {
    let config = Config::new(config)?;
    let model_type = config.text("model_type")?.ok_or(ConfigError::Missing { key: "model_type" })?;
    refuse_quantised(&config)?;
    let family = of_model_type(model_type).ok_or_else(|| ConfigError::UnknownFamily {
        model_type: model_type.to_owned(),
        supported: listed_model_types(),
        hint: did_you_mean(model_type, model_types()),
        likeness: likeness::sentence(&config, names),
    })?;
    resolve_with(family, &config, names, model_type)
}

/// The spec of a checkpoint that is read as one of the family `model_type`, whatever its own `model_type` says.
/// The names and shapes of its tensors are checked all the same; that it computes what the family computes is
/// for the caller to know.
///
/// # Errors
/// When there is no such family, or as for [`resolve`].
pub fn resolve_as(config: &Value, names: &TensorNames, model_type: &str) -> Result<DecoderSpec, ConfigError> {
    let config = Config::new(config)?;
    let family = of_model_type(model_type).ok_or_else(|| ConfigError::NoSuchFamily {
        family: model_type.to_owned(),
        supported: listed_model_types(),
        hint: did_you_mean(model_type, model_types()),
    })?;
    refuse_quantised(&config)?;
    resolve_with(family, &config, names, model_type)
}

/// What a family says, and how far the stretched positions of all of them reach.
fn resolve_with(
    family: &Family,
    config: &Config<'_>,
    names: &TensorNames,
    model_type: &str,
) -> Result<DecoderSpec, ConfigError> {
    let mut spec = (family.resolve)(config, names, model_type)?;
    let ropes = spec.layers.iter().filter_map(|layer| layer.attn.rope());
    spec.context =
        spec.context.map(|context| ropes.map(|rope| rope.reach(context)).fold(context, usize::max));
    Ok(spec)
}

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
    let Some(quantisation) = config.object("quantization_config")? else { return Ok(()) };
    let method = quantisation.text("quant_method")?.unwrap_or("unknown method").to_owned();
    Err(ConfigError::Quantised { method })
}
