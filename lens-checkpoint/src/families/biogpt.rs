//! BioGPT: OPT's names, with an embedding that is scaled.

use super::{
    Family, TensorNames,
    parts::{Ends, Sizes, decoder},
    shape::Epsilon,
};
use crate::{
    config::{Config, ConfigError},
    spec::{Activation, DecoderSpec, EmbedScale},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["biogpt"],
    models: "BioGPT",
    particulars: "learned positions from row 2; embedding times sqrt(d_model); tied",
    resolve,
};

fn resolve(config: &Config<'_>, names: &TensorNames, family: &str) -> Result<DecoderSpec, ConfigError> {
    // The config names an epsilon that the class does not pass on.
    let sizes = Sizes::read(config, Epsilon::Fixed(1e-5))?;
    config.pass_over(&["layer_norm_eps"]);
    let prefix = names.prefix(&["biogpt.", ""], "embed_tokens.weight");
    let activation = config.activation("hidden_act", Activation::Gelu)?;
    let (d, d_mlp) = (sizes.d_model, config.required_size("intermediate_size")?);
    let layers = (0..sizes.n_layers)
        .map(|i| sizes.fairseq_block(&format!("{prefix}layers.{i}"), d_mlp, activation))
        .collect();
    let n_positions = config.required_size("max_position_embeddings")?;
    let ends = Ends {
        embed: format!("{prefix}embed_tokens.weight"),
        norm: format!("{prefix}layer_norm"),
        unembed: &["output_projection.weight"],
        tied_by_default: true,
        context: Some(n_positions),
    };
    let mut spec = decoder(config, names, family, &sizes, &ends, layers)?;
    if config.flag("scale_embedding")?.unwrap_or(true) {
        spec.embed.scale = Some(EmbedScale::Factor((d as f64).sqrt()));
    }
    // Positions count from 2, as in OPT.
    spec.embed.positions =
        Some(sizes.learned_from(2, format!("{prefix}embed_positions.weight"), n_positions));
    Ok(spec)
}
