//! MiniCPM 3.

use super::{
    Family,
    latent::{Latent, Widths},
    shape::{Defaults, Epsilon, Rotation, Shape},
};
use crate::spec::{EmbedScale, Pairing};

pub(super) const FAMILY: Family = Family {
    model_types: &["minicpm3"],
    models: "MiniCPM3-4B",
    particulars: "latent attention; factors on the embedding, both branches, and what the unembedding reads",
    resolve: |config, names, family| {
        let rotary = config.size_or("qk_rope_head_dim", 32)?;
        let defaults = Defaults {
            d_head: Some(rotary),
            eps: Epsilon::rms(1e-5),
            rotation: Rotation::Own,
            ..Defaults::default()
        };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        shape.tied_by_default = true;
        // An absent width of values is arithmetic, as that of heads is elsewhere.
        let value = (shape.d_model / shape.n_heads).max(1);
        let widths = Widths {
            q_rank: config.size_unless_null("q_lora_rank", 768)?,
            rank: config.size_or("kv_lora_rank", 256)?,
            content: config.size_or("qk_nope_head_dim", 64)?,
            rotary,
            value: config.size("v_head_dim")?.unwrap_or(value),
        };
        let latent = Latent::read(config, &shape, widths, Pairing::HalfSplit)?;
        let mut spec = shape.decoder(config, names)?;
        latent.put(&shape, &mut spec);
        spec.embed.scale = Some(EmbedScale::RoundedFactor(config.positive_or("scale_emb", 12.0)?));
        // A null is no factor, silence the published one.
        let depth = (shape.n_layers as f64).sqrt();
        let given = if config.has("scale_depth") { config.positive("scale_depth")? } else { Some(1.4) };
        let multiplier = given.map(|scale| scale / depth);
        spec.layers.iter_mut().for_each(|layer| layer.multiplier = multiplier);
        if let Some(base) = config.size_unless_null("dim_model_base", 256)? {
            spec.readout.post.scale = (base as f64 / shape.d_model as f64) as f32;
        }
        Ok(spec)
    },
};
