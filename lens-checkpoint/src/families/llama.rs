//! Llama 1, 2, 3, 3.1, 3.2 and the many models of that shape.

use super::{Family, TensorNames, shape::Shape};
use crate::{
    config::{Config, ConfigError},
    spec::DecoderSpec,
};

pub(super) const FAMILY: Family = Family {
    model_types: &["llama"],
    models: "Llama 1 to 3.3, DeepSeek-R1-Distill-Llama, SmolLM 1 and 2, Yi, TinyLlama",
    particulars: "the base of most others: grouped queries, RMS norms, a gated MLP; optional biases and head_dim",
    resolve,
};

fn resolve(config: &Config<'_>, names: &TensorNames, family: &str) -> Result<DecoderSpec, ConfigError> {
    Shape::read(config, names, family)?.decoder(config, names)
}
