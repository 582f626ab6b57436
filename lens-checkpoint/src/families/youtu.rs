//! Youtu-LLM.

use super::{
    Family,
    latent::{Latent, Widths, pairing},
    shape::{Defaults, Rotation, Shape},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["youtu"],
    models: "Youtu-LLM-2B",
    particulars: "DeepSeek-V3's latent attention in a dense model",
    resolve: |config, names, family| {
        let widths = Widths::DEEPSEEK.read(config)?;
        let defaults =
            Defaults { d_head: Some(widths.rotary), rotation: Rotation::Own, ..Defaults::default() };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        (shape.mlp_bias, shape.tied_by_default) = (false, true);
        let latent = Latent::read(config, &shape, widths, pairing(config)?)?;
        let mut spec = shape.decoder(config, names)?;
        latent.put(&shape, &mut spec);
        Ok(spec)
    },
};
