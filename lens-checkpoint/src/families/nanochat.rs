//! nanochat.

use super::{
    Family,
    shape::{Defaults, Rotation, Shape},
};
use crate::spec::{Activation, NormSpec, QkNorm, QkScope};

pub(super) const FAMILY: Family = Family {
    model_types: &["nanochat"],
    models: "nanochat",
    particulars: "RMS norms without weights, one of them on the embedding, and on query and key heads after they rotate, which they do \
                  backwards; a plain MLP with a squared ReLU; a soft cap on logits",
    resolve: |config, names, family| {
        let defaults = Defaults {
            activation: Some(Activation::ReluSquared),
            rotation: Rotation::Backwards,
            ..Defaults::default()
        };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        shape.norm = |_, _, eps| NormSpec::bare_rms(eps);
        shape.mlp_bias = false;
        let mut spec = shape.decoder(config, names)?;
        let norm = NormSpec::bare_rms(shape.eps);
        spec.embed.norm = Some(norm.clone());
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            layer.mlp = shape.plain(&shape.name(i, "mlp"), ["fc1", "fc2"]);
        }
        for (_, attn) in spec.attentions_mut() {
            attn.qk_norm = Some(QkNorm { q: norm.clone(), k: norm.clone(), scope: QkScope::RotatedHead });
        }
        // null means no cap; an absent key means the default of the class.
        let cap = match config.has("final_logit_softcapping") {
            true => config.positive("final_logit_softcapping")?,
            false => Some(15.0),
        };
        spec.readout.post.softcap = cap.map(|cap| cap as f32);
        Ok(spec)
    },
};
