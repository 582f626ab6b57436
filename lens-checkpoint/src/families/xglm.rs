//! XGLM.

use super::{
    Family, TensorNames,
    parts::{Ends, Sizes, decoder},
    shape::Epsilon,
};
use crate::{
    config::{Config, ConfigError},
    spec::{Activation, DecoderSpec, EmbedScale, Ignored, PositionRows, PositionTable},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["xglm"],
    models: "XGLM, incoder-like models of fairseq",
    particulars: "positions as sines and cosines, from row 2; embedding times sqrt(d_model); tied",
    resolve,
};

/// The row of the first position: two are left for padding.
const OFFSET: usize = 2;

fn resolve(config: &Config<'_>, names: &TensorNames, family: &str) -> Result<DecoderSpec, ConfigError> {
    config.refuse_flag("add_cross_attention")?;
    let sizes = Sizes::read(config, Epsilon::Fixed(1e-5))?;
    let prefix = names.prefix(&["model.", ""], "embed_tokens.weight");
    let activation = config.activation("activation_function", Activation::Gelu)?;
    let (d, d_mlp) = (sizes.d_model, config.required_size("ffn_dim")?);
    let layers = (0..sizes.n_layers)
        .map(|i| sizes.fairseq_block(&format!("{prefix}layers.{i}"), d_mlp, activation))
        .collect();
    let n_positions = config.required_size("max_position_embeddings")?;
    let ends = Ends {
        embed: format!("{prefix}embed_tokens.weight"),
        norm: format!("{prefix}layer_norm"),
        unembed: &["lm_head.weight"],
        tied_by_default: true,
        context: Some(n_positions),
    };
    let mut spec = decoder(config, names, family, &sizes, &ends, layers)?;
    if config.flag("scale_embedding")?.unwrap_or(true) {
        spec.embed.scale = Some(EmbedScale::Factor((d as f64).sqrt()));
    }
    // fairseq's spread: the lowest frequency is 1 / 10000 exactly.
    let mut sines = sizes.sines((d / 2).saturating_sub(1))?;
    // The row of the padding token is blank, whichever position it falls to.
    sines.blank = config.count("pad_token_id")?;
    spec.embed.positions =
        Some(PositionTable { rows: PositionRows::Sines(sines), offset: OFFSET, n: n_positions });
    spec.ignored = Ignored { suffixes: &["embed_positions.weights"], ..spec.ignored };
    Ok(spec)
}
