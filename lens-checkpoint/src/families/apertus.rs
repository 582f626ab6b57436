//! Apertus.

use serde_json::json;

use super::{
    Family, TensorNames,
    keys::with_rotation,
    qwen::head_norms,
    shape::{Defaults, Epsilon, Shape, unembedding},
};
use crate::{
    config::{Config, ConfigError},
    spec::{DecoderSpec, LinearSpec, MlpSpec, Param, TensorSpec, Wiring, XieluSpec},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["apertus", "apertus1p5_text"],
    models: "Apertus 8B and 70B",
    particulars: "a plain MLP with xIELU, whose bends are learned in each layer; RMS norms on query and key heads",
    resolve,
};

fn resolve(config: &Config<'_>, names: &TensorNames, family: &str) -> Result<DecoderSpec, ConfigError> {
    let keys = with_rotation(
        config,
        json!({
            "rope_type": "llama3", "rope_theta": 12e6, "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 8192
        }),
    );
    let config = &config.standing_for(None, &keys);
    match config.text("hidden_act")? {
        None | Some("xielu") => {}
        Some(other) => {
            return Err(ConfigError::Unsupported {
                key: config.name("hidden_act"),
                value: other.to_owned(),
                supported: "xielu: the published models of this family have no other",
            });
        }
    }
    // The one nonlinearity that the getters of configs do not know: it has parameters.
    let mut keys = config.keys().clone();
    keys.remove("hidden_act");
    let config = &config.standing_for(None, &keys);
    let defaults = Defaults { theta: Some(12e6), eps: Epsilon::rms(1e-5), ..Defaults::default() };
    let mut shape = Shape::read_with(config, names, family, &defaults)?;
    shape.mlp_bias = false;
    let mut spec = shape.decoder(config, names)?;
    if config.flag("qk_norm")? == Some(false) {
        return Err(ConfigError::Unsupported {
            key: config.name("qk_norm"),
            value: "false".to_owned(),
            supported: "true: the class norms queries and keys whatever it says",
        });
    }
    head_norms(&shape, &mut spec);
    for (i, layer) in spec.layers.iter_mut().enumerate() {
        layer.attn_norm = Some(shape.layer_norm(i, "attention_layernorm"));
        layer.wiring = Wiring::Sequential { mlp_norm: Some(shape.layer_norm(i, "feedforward_layernorm")) };
        layer.mlp = MlpSpec::Xielu(Box::new(mlp(&shape, names, i)));
    }
    prune(config, names, &shape, &mut spec)?;
    Ok(spec)
}

fn mlp(shape: &Shape, names: &TensorNames, i: usize) -> XieluSpec {
    let at = |part: &str| shape.name(i, &format!("mlp.{part}"));
    let bend = |part: &str, shape: &[usize]| Param::whole(at(&format!("act_fn.{part}")), shape);
    // Where a file leaves out the two that are not learned, they are those of the class.
    let buffer = |part: &str| {
        let name = at(&format!("act_fn.{part}"));
        names.has(&name).then(|| Param::whole(name, []))
    };
    XieluSpec {
        up: LinearSpec::new(&at("up_proj"), shape.d_mlp, shape.d_model, false),
        down: LinearSpec::new(&at("down_proj"), shape.d_model, shape.d_mlp, false),
        alpha_p: bend("alpha_p", &[1]),
        alpha_n: bend("alpha_n", &[1]),
        beta: buffer("beta"),
        eps: buffer("eps"),
    }
}

/// The unembedding may have the first rows of the vocabulary alone: those of text.
fn prune(
    config: &Config<'_>,
    names: &TensorNames,
    shape: &Shape,
    spec: &mut DecoderSpec,
) -> Result<(), ConfigError> {
    let Some(rows) = config.size("output_vocab_size")?.filter(|rows| *rows != shape.n_vocab) else {
        return Ok(());
    };
    let unembed = unembedding(config, names, &spec.embed.tokens, &["lm_head.weight"], false)?;
    if rows > shape.n_vocab || unembed.tensor.name == spec.embed.tokens.name {
        let what = format!(
            "output_vocab_size is {rows}, but the unembedding has the {} rows of the embedding",
            shape.n_vocab
        );
        return Err(ConfigError::Inconsistent { what });
    }
    spec.readout.unembed = TensorSpec::new(unembed.tensor.name, [rows, shape.d_model]);
    Ok(())
}
