//! CTRL.

use super::{
    Family, TensorNames,
    parts::{Ends, Sizes, decoder},
    shape::Epsilon,
};
use crate::{
    config::{Config, ConfigError},
    spec::{
        Activation, DecoderSpec, EmbedScale, LayerSpec, LinearSpec, MlpSpec, Param, PositionRows,
        PositionTable,
    },
};

pub(super) const FAMILY: Family = Family {
    model_types: &["ctrl"],
    models: "CTRL",
    particulars: "positions as sines and cosines; embedding times sqrt(d_model); an unembedding bias; tied",
    resolve,
};

fn resolve(config: &Config<'_>, names: &TensorNames, family: &str) -> Result<DecoderSpec, ConfigError> {
    // The config's epsilon is that of the final norm alone.
    let sizes = Sizes::read(config, Epsilon::Fixed(1e-6))?;
    let last = Sizes::read(config, Epsilon::Key("layer_norm_epsilon", 1e-6))?;
    let prefix = names.prefix(&["transformer.", ""], "w.weight");
    let (d, d_mlp) = (sizes.d_model, config.required_size("dff")?);
    let layers = (0..sizes.n_layers)
        .map(|i| {
            let at = |part: &str| format!("{prefix}h.{i}.{part}");
            let qkvo = ["Wq", "Wk", "Wv", "dense"]
                .map(|part| LinearSpec::new(&at(&format!("multi_head_attention.{part}")), d, d, true));
            let mlp = MlpSpec::plain(
                Activation::Relu,
                LinearSpec::new(&at("ffn.0"), d_mlp, d, true),
                LinearSpec::new(&at("ffn.2"), d, d_mlp, true),
            );
            let norm = |part: &str| sizes.norm(&at(part));
            LayerSpec::pre_norm(norm("layernorm1"), sizes.attention(qkvo), norm("layernorm2"), mlp)
        })
        .collect();
    let n_positions = config.size_of(&["n_positions", "max_position_embeddings"])?;
    let ends = Ends {
        embed: format!("{prefix}w.weight"),
        norm: format!("{prefix}layernorm"),
        unembed: &["lm_head.weight"],
        tied_by_default: true,
        context: Some(n_positions),
    };
    let mut spec = decoder(config, names, family, &last, &ends, layers)?;
    spec.readout.bias = Some(Param::whole("lm_head.bias", [sizes.n_vocab]));
    spec.embed.scale = Some(EmbedScale::Factor((d as f64).sqrt()));
    let sines = sizes.sines(d / 2)?;
    spec.embed.positions =
        Some(PositionTable { rows: PositionRows::Sines(sines), offset: 0, n: n_positions });
    Ok(spec)
}
