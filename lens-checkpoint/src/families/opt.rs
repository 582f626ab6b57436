//! OPT.

use super::{
    Family, TensorNames,
    parts::{Ends, Sizes, decoder},
    shape::Epsilon,
};
use crate::{
    config::{Config, ConfigError},
    spec::{Activation, DecoderSpec, LayerSpec, LinearSpec, MlpSpec, NormSpec, TensorSpec, Wiring},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["opt"],
    models: "OPT 125M to 66B, Galactica",
    particulars: "learned positions from row 2; the 350M has norms after its sums and a narrower embedding",
    resolve,
};

fn resolve(config: &Config<'_>, names: &TensorNames, family: &str) -> Result<DecoderSpec, ConfigError> {
    let sizes = Sizes::read(config, Epsilon::Fixed(1e-5))?;
    let prefix = names.prefix(&["model.decoder.", "decoder.", ""], "embed_tokens.weight");
    let activation = config.activation("activation_function", Activation::Relu)?;
    let bias = config.flag("enable_bias")?.unwrap_or(true);
    let affine = config.flag("layer_norm_elementwise_affine")?.unwrap_or(true);
    let pre_norm = config.flag("do_layer_norm_before")?.unwrap_or(true);
    let (d, d_mlp) = (sizes.d_model, config.required_size("ffn_dim")?);
    let norm = |name: &str| if affine { sizes.norm(name) } else { NormSpec::bare_layer(sizes.eps) };
    let layers = (0..sizes.n_layers)
        .map(|i| {
            let at = |part: &str| format!("{prefix}layers.{i}.{part}");
            let linear = |part: &str, rows, columns| LinearSpec::new(&at(part), rows, columns, bias);
            let qkvo = ["q_proj", "k_proj", "v_proj", "out_proj"]
                .map(|part| linear(&format!("self_attn.{part}"), d, d));
            let (attn_norm, mlp_norm) = (norm(&at("self_attn_layer_norm")), norm(&at("final_layer_norm")));
            let mlp = MlpSpec::plain(activation, linear("fc1", d_mlp, d), linear("fc2", d, d_mlp));
            let mut layer =
                LayerSpec::pre_norm(attn_norm.clone(), sizes.attention(qkvo), mlp_norm.clone(), mlp);
            if !pre_norm {
                layer.attn_norm = None;
                layer.wiring = Wiring::PostNorm { attn_norm, mlp_norm };
            }
            layer
        })
        .collect();
    let n_positions = config.required_size("max_position_embeddings")?;
    let ends = Ends {
        embed: format!("{prefix}embed_tokens.weight"),
        norm: format!("{prefix}final_layer_norm"),
        unembed: &["lm_head.weight"],
        tied_by_default: true,
        context: Some(n_positions),
    };
    let mut spec = decoder(config, names, family, &sizes, &ends, layers)?;
    // Positions count from 2: two rows were meant for padding.
    spec.embed.positions =
        Some(sizes.learned_from(2, format!("{prefix}embed_positions.weight"), n_positions));
    let d_embed = config.size("word_embed_proj_dim")?.unwrap_or(d);
    if d_embed != d {
        for tensor in [&mut spec.embed.tokens, &mut spec.readout.unembed] {
            *tensor = TensorSpec::new(tensor.name.clone(), [sizes.n_vocab, d_embed]);
        }
        spec.embed.project = Some(LinearSpec::new(&format!("{prefix}project_in"), d, d_embed, false));
        spec.readout.project = Some(LinearSpec::new(&format!("{prefix}project_out"), d_embed, d, false));
    }
    let removed = config.flag("_remove_final_layer_norm")?.unwrap_or(false);
    spec.readout.norm = (pre_norm && !removed).then(|| norm(&ends.norm));
    Ok(spec)
}
