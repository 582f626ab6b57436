//! Bamba: Mamba-2 in most layers, attention in a few.

use super::{
    Family,
    shape::{Defaults, Epsilon, Rotation, Shape},
    state_space::{StateSpace, pass_over_training},
};
use crate::{
    config::{Config, ConfigError},
    spec::{LayerSpec, MixerSpec, MlpSpec, Pairing, Wiring},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["bamba"],
    models: "Bamba 9B",
    particulars: "Mamba-2 mixers in most layers, attention in a few, of which half of each head rotates",
    resolve: |config, names, family| {
        let defaults = Defaults {
            n_heads: Some(32),
            n_kv_heads: Some(8),
            n_vocab: Some(128_000),
            eps: Epsilon::rms(1e-5),
            rotation: Rotation::Share(0.5, Pairing::HalfSplit),
            ..Defaults::default()
        };
        let shape = Shape::read_with(config, names, family, &defaults)?;
        let mixers = StateSpace::read(config, shape.d_model, shape.eps, None)?;
        mixers.remark_on_groups(config);
        // What the published files call the rotated half of a head, and transformers does not read.
        config.pass_over_number("attn_rotary_emb", shape.d_head as f64 / 2.0);
        pass_over_training(config);
        let attends = attends(config, shape.n_layers)?;
        let mut spec = shape.decoder(config, names)?;
        spec.readout.norm = Some(final_norm(&shape));
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            around(&shape, i, layer);
            if !attends[i] {
                layer.mixer = MixerSpec::Mamba2(Box::new(mixers.mixer(&shape.name(i, "mamba"))));
            }
        }
        Ok(spec)
    },
};

/// The final norm under Bamba's name.
pub(super) fn final_norm(shape: &Shape) -> crate::spec::NormSpec {
    (shape.norm)(&format!("{}final_layernorm", shape.prefix), shape.d_model, shape.eps)
}

/// Bamba's names of what follows the mixer: the norm and the MLP.
pub(super) fn around(shape: &Shape, i: usize, layer: &mut LayerSpec) {
    layer.wiring = Wiring::Sequential { mlp_norm: Some(shape.layer_norm(i, "pre_ff_layernorm")) };
    layer.mlp = MlpSpec::Gated(shape.gated(&shape.name(i, "feed_forward"), shape.d_mlp));
}

/// Which layers attend: those that are listed.
fn attends(config: &Config<'_>, n_layers: usize) -> Result<Vec<bool>, ConfigError> {
    let listed = config.numbers("attn_layer_indices")?.unwrap_or_default();
    if let Some(beyond) = listed.iter().find(|i| !(0.0..n_layers as f64).contains(*i)) {
        let what = format!("attn_layer_indices names layer {beyond} of {n_layers}");
        return Err(ConfigError::Inconsistent { what });
    }
    Ok((0..n_layers).map(|i| listed.contains(&(i as f64))).collect())
}
